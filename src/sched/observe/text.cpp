#include "observe/text.h"

#include <cstdio>

namespace ggml_sched::observe {

using plan::StepKind;
using plan::TaskKind;

namespace {

// Returns a name, "?" if the list does not have it.
std::string name_in(const std::vector<std::string> & names, size_t index) {
    return index < names.size() ? names[index] : "?";
}

std::string tensor_text(const plan::Task & task, const Names & names) {
    return without_backend(name_in(names.copies, task.binding));
}

size_t others_with(const plan::Task & task, const Names & names) {
    return task.binding < names.others.size() ? names.others[task.binding] : 0;
}

const char * source_text(const plan::Task & task, const Names & names) {
    const bool is_bank = task.binding < names.banks.size() && names.banks[task.binding];
    return is_bank ? " from its bank" : " from host";
}

// Writer - writes the steps of a plan, with a headline for each section.
class Writer {
  public:
    Writer(const plan::Plan & plan, const Names & names)
        : plan_(plan)
        , names_(names) {}

    std::string run() {
        std::string section;
        for (const plan::Step & step : plan_.steps) {
            const std::string now = section_of(step);
            if (now != section) {
                text_ += now + "\n";
                section = now;
            }
            write(step);
        }
        return std::move(text_);
    }

  private:
    // Returns the headline of a step's section: "begin" for waits for earlier runs, the split, or "end" for what the
    // return to the caller needs.
    std::string section_of(const plan::Step & step) {
        const bool is_throttle =
            step.n_waits > 0 && plan_.waits[step.first_wait].reason.cause == plan::WaitCause::Throttle;
        if (step.split != plan::kNoSplit && !is_throttle) {
            has_begun_ = true;
            return "split " + std::to_string(step.split) + ": " +
                   name_in(names_.splits, static_cast<size_t>(step.split));
        }
        return has_begun_ ? "end" : "begin";
    }

    void write(const plan::Step & step) {
        switch (step.kind) {
        case StepKind::Do: line(step.lane, sized_text(plan_.program.tasks[step.task])); break;
        case StepKind::Record: line(step.lane, "record event " + std::to_string(step.event)); break;
        case StepKind::Barrier:
        case StepKind::Guard: write_waits(step); break;
        }
    }

    void write_waits(const plan::Step & step) {
        for (uint32_t i = 0; i < step.n_waits; i++) {
            const plan::Wait & wait = plan_.waits[step.first_wait + i];
            line(wait.waiter, "wait for " + target_text(wait) + "  (" + reason_text(wait.reason) + ")");
        }
    }

    static std::string size_text(uint64_t bytes) { return ", " + std::to_string(bytes) + " bytes"; }

    void line(plan::Lane lane, const std::string & what) {
        char head[64];
        std::snprintf(head, sizeof(head), "  %-8.40s ", names_.lanes[lane].c_str());
        text_ += head + what + "\n";
    }

    std::string target_text(const plan::Wait & wait) const {
        if (wait.event == plan::kWholeLane) {
            return "all of " + names_.lanes[wait.target];
        }
        std::string text = names_.lanes[wait.target] + " event " + std::to_string(wait.event);
        return wait.age == 0 ? text
                             : text + " of " + std::to_string(wait.age) + (wait.age == 1 ? " run" : " runs") + " ago";
    }

    std::string reason_text(const plan::Reason & reason) const {
        const char * verbs = "";
        switch (reason.cause) {
        case plan::WaitCause::ReadAfterWrite: verbs = "RAW: reads what @ writes"; break;
        case plan::WaitCause::WriteAfterRead: verbs = "WAR: overwrites what @ reads"; break;
        case plan::WaitCause::WriteAfterWrite: verbs = "WAW: overwrites what @ writes"; break;
        case plan::WaitCause::Mode: return "mode";
        case plan::WaitCause::Throttle: return "throttle";
        }
        std::string text = verbs;
        text.replace(text.find('@'), 1, other_text(reason.other));
        return text + size_text(reason.bytes.end - reason.bytes.begin);
    }

    std::string other_text(int32_t other) const {
        if (other == plan::kEarlierRun) {
            return "an earlier run";
        }
        const plan::Task & task = plan_.program.tasks[static_cast<size_t>(other)];
        return task.kind == TaskKind::CallerRead ? "the caller" : text_of(task, names_);
    }

    std::string sized_text(const plan::Task & task) const {
        const std::string text = text_of(task, names_);
        if (is_copy(task.kind) || task.kind == TaskKind::Snapshot) {
            const std::string part = task.binding < names_.parts.size() ? names_.parts[task.binding] : "";
            return part.empty() ? text + size_text(task.bytes)
                                : text + ", up to " + std::to_string(task.bytes) + " bytes, " + part;
        }
        return text + (task.kind == TaskKind::Launch && plan_.program.observed ? ", in slices" : "");
    }

    const plan::Plan & plan_;
    const Names & names_;
    bool has_begun_ = false; // true if a split has been written
    std::string text_;
};

} // namespace

const char * name_of(plan::WaitCause cause) {
    switch (cause) {
    case plan::WaitCause::ReadAfterWrite: return "RAW";
    case plan::WaitCause::WriteAfterRead: return "WAR";
    case plan::WaitCause::WriteAfterWrite: return "WAW";
    case plan::WaitCause::Mode: return "mode";
    case plan::WaitCause::Throttle: return "throttle";
    }
    return "";
}

std::string without_backend(const std::string & copy) {
    const size_t end = copy.find('#');
    return end == std::string::npos ? copy : copy.substr(end + 1);
}

std::string others_text(size_t others) {
    return others == 0 ? "" : " and " + std::to_string(others) + " more";
}

std::string text_of(const plan::Access & bytes) {
    char text[96];
    std::snprintf(text, sizeof(text), "bytes [0x%llx, 0x%llx) of space %u",
                  static_cast<unsigned long long>(bytes.begin), static_cast<unsigned long long>(bytes.end),
                  bytes.space);
    return text;
}

std::string text_of(const plan::Task & task, const Names & names) {
    switch (task.kind) {
    case TaskKind::CallerRead: return "the caller may have queued reads of results here";
    case TaskKind::Return: return "the caller may overwrite its inputs";
    case TaskKind::Launch: return "launch split " + std::to_string(task.split);
    case TaskKind::Observe: return "the eval callback looks at split " + std::to_string(task.split);
    case TaskKind::Snapshot: return "snapshot " + tensor_text(task, names);
    case TaskKind::SetAsync:
        return "copy " + tensor_text(task, names) + others_text(others_with(task, names)) + source_text(task, names);
    case TaskKind::GetAsync: return "copy " + tensor_text(task, names) + " to host";
    case TaskKind::CopyAsync:
        return "copy " + tensor_text(task, names) + " to " + name_in(names.lanes, task.destination);
    case TaskKind::SetNow:
    case TaskKind::CopyNow: return "copy, blocking, " + tensor_text(task, names);
    case TaskKind::Offer: return "offer " + tensor_text(task, names) + " to the copy callback, or copy it from host";
    }
    return {};
}

std::string text_of(const plan::Plan & plan, const Names & names) {
    return Writer(plan, names).run();
}

std::string pattern_of(const plan::Plan & plan, int split) {
    std::string pattern;
    for (const plan::Step & step : plan.steps) {
        if (step.split != split) {
            continue;
        }
        for (uint32_t i = 0; i < step.n_waits; i++) {
            pattern += plan.waits[step.first_wait + i].waiter == plan::kHost ? 's' : 'w';
        }
        if (step.kind == StepKind::Do) {
            const TaskKind kind = plan.program.tasks[step.task].kind;
            pattern += plan::is_async_copy(kind)  ? "a"
                       : plan::is_copy(kind)      ? "c"
                       : kind == TaskKind::Launch ? "g"
                                                  : "";
        }
    }
    return pattern;
}

} // namespace ggml_sched::observe
