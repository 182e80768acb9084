#include "observe/text.h"

#include <cstdio>

namespace ggml_sched::observe {

using plan::StepKind;
using plan::TaskKind;

namespace {

class Writer {
  public:
    Writer(const plan::Plan & plan, const Names & names) : plan_(plan), names_(names) {}

    std::string run() {
        int split = plan::kNoSplit;
        for (const plan::Step & step : plan_.steps) {
            if (step.split != split && step.split != plan::kNoSplit) {
                split = step.split;
                text_ += "split " + std::to_string(split) + ": " + names_.splits[split] + "\n";
            }
            write(step);
        }
        return std::move(text_);
    }

  private:
    void write(const plan::Step & step) {
        switch (step.kind) {
        case StepKind::Do: line(step.lane, task_text(plan_.program.tasks[step.task])); break;
        case StepKind::Record: line(step.lane, "record event " + std::to_string(step.event)); break;
        case StepKind::Barrier: line(step.lane, "barrier"); write_waits(step); break;
        case StepKind::Guard: write_waits(step); break;
        }
    }

    void write_waits(const plan::Step & step) {
        for (uint32_t i = 0; i < step.n_waits; i++) {
            const plan::Wait & wait = plan_.waits[step.first_wait + i];
            line(wait.waiter, "wait for " + target_text(wait) + "  (" + reason_text(wait.reason) + ")");
        }
    }

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
        return wait.age == 0 ? text : text + " of " + std::to_string(wait.age) + (wait.age == 1 ? " run" : " runs") + " ago";
    }

    std::string reason_text(const plan::Reason & reason) const {
        std::string text = name_of(reason.cause);
        if (reason.cause == plan::WaitCause::Mode || reason.cause == plan::WaitCause::Throttle) {
            return text;
        }
        text += reason.other == plan::kEarlierRun
                    ? std::string(" with an earlier run")
                    : " with " + task_text(plan_.program.tasks[static_cast<size_t>(reason.other)]);
        return text + ", " + std::to_string(reason.bytes.end - reason.bytes.begin) + " bytes";
    }

    std::string task_text(const plan::Task & task) const {
        switch (task.kind) {
        case TaskKind::CallerRead: return "the caller may read results";
        case TaskKind::Return: return "the caller may overwrite its inputs";
        case TaskKind::Launch: return "launch split " + std::to_string(task.split);
        case TaskKind::Snapshot: return "snapshot " + names_.copies[task.binding];
        case TaskKind::SetAsync: return "copy " + names_.copies[task.binding] + " from host, async";
        case TaskKind::GetAsync: return "copy " + names_.copies[task.binding] + " to host, async";
        case TaskKind::CopyAsync: return "copy " + names_.copies[task.binding] + " to " + names_.lanes[task.destination] + ", async";
        case TaskKind::CopyNow: return "copy " + names_.copies[task.binding] + ", blocking";
        }
        return {};
    }

    const plan::Plan & plan_;
    const Names & names_;
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

std::string text_of(const plan::Access & bytes) {
    char text[96];
    std::snprintf(text, sizeof(text), "bytes [0x%llx, 0x%llx) of space %u",
                  static_cast<unsigned long long>(bytes.begin), static_cast<unsigned long long>(bytes.end), bytes.space);
    return text;
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
            pattern += plan::is_async_copy(kind)     ? "a"
                       : kind == TaskKind::CopyNow ? "c"
                       : kind == TaskKind::Launch  ? "g"
                                                   : "";
        }
    }
    return pattern;
}

} // namespace ggml_sched::observe
