#include "support/smaller.h"

#include <algorithm>
#include <array>
#include <functional>
#include <ostream>
#include <utility>

#include "observe/text.h"
#include "support/build.h"

namespace plan_test {

using plan::Access;
using plan::CallerRead;
using plan::Program;
using plan::Task;
using plan::TaskKind;

namespace {

// A program that can be edited
struct Draft {
    struct Item {
        Task task;
        std::vector<Access> accesses;
    };
    plan::Mode mode;
    std::vector<Item> items;
    std::vector<CallerRead> caller_reads;

    explicit Draft(const Program & program)
        : mode(program.mode)
        , caller_reads(program.caller_reads) {
        for (const Task & task : program.tasks) {
            const auto first = program.accesses.begin() + task.first_access;
            items.push_back({task, {first, first + task.n_accesses}});
        }
    }

    Program program() const {
        ProgramBuilder builder(mode);
        for (const Item & item : items) {
            builder.add(item.task, item.accesses);
        }
        for (const CallerRead & read : caller_reads) {
            if (is_result(read)) {
                builder.caller_read(read.lane, read.bytes);
            }
        }
        return builder.program();
    }

    // A launch on the lane has written the bytes, and nothing writes them after it.
    bool is_result(const CallerRead & read) const {
        for (auto item = items.rbegin(); item != items.rend(); ++item) {
            for (const Access & access : item->accesses) {
                if (access.write && overlap(access, read.bytes)) {
                    return item->task.kind == TaskKind::Launch && item->task.lane == read.lane &&
                           access.begin <= read.bytes.begin && read.bytes.end <= access.end;
                }
            }
        }
        return false;
    }
};

using Edit = std::function<void(Scenario &)>;

template <typename Change> Edit in_program(size_t run, Change change) {
    return [run, change](Scenario & scenario) {
        Draft draft(scenario.runs[run].program);
        change(draft);
        scenario.runs[run].program = draft.program();
    };
}

// A program ends with a launch, and perhaps the return; these stay.
void add_removals(const Scenario & scenario, size_t run, std::vector<Edit> & edits) {
    const std::vector<Task> & tasks = scenario.runs[run].program.tasks;
    size_t end = tasks.size();
    while (end > 0 && tasks[end - 1].kind != TaskKind::Launch) {
        end--;
    }
    for (size_t i = 0; i < tasks.size(); i++) {
        if (i + 1 != end) {
            edits.push_back(in_program(
                run, [i](Draft & draft) { draft.items.erase(draft.items.begin() + static_cast<std::ptrdiff_t>(i)); }));
        }
    }
    for (size_t i = 0; i < scenario.runs[run].program.caller_reads.size(); i++) {
        edits.push_back(in_program(run, [i](Draft & draft) {
            draft.caller_reads.erase(draft.caller_reads.begin() + static_cast<std::ptrdiff_t>(i));
        }));
    }
    for (size_t i = 0; i < tasks.size(); i++) {
        for (uint32_t a = 0; a < tasks[i].n_accesses && tasks[i].kind == TaskKind::Launch; a++) {
            edits.push_back(in_program(run, [i, a](Draft & draft) {
                std::vector<Access> & accesses = draft.items[i].accesses;
                accesses.erase(accesses.begin() + a);
            }));
        }
    }
}

std::vector<Edit> edits_of(const Scenario & scenario) {
    std::vector<Edit> edits;
    for (size_t n = scenario.runs.size() / 2; n > 0; n /= 2) {
        for (size_t first = 0; first + n <= scenario.runs.size(); first += n) {
            edits.emplace_back([first, n](Scenario & other) {
                const auto begin = other.runs.begin() + static_cast<std::ptrdiff_t>(first);
                other.runs.erase(begin, begin + static_cast<std::ptrdiff_t>(n));
            });
        }
    }
    if (scenario.machine.window > 2) {
        edits.emplace_back([](Scenario & other) { other.machine.window--; });
    }
    for (size_t run = 0; run < scenario.runs.size(); run++) {
        if (scenario.runs[run].synchronize_before) {
            edits.emplace_back([run](Scenario & other) { other.runs[run].synchronize_before = false; });
        }
        if (scenario.runs[run].program.mode != plan::Mode::Auto) {
            edits.push_back(in_program(run, [](Draft & draft) { draft.mode = plan::Mode::Auto; }));
        }
        add_removals(scenario, run, edits);
    }
    return edits;
}

void show(const Program & program, std::ostream & out) {
    constexpr std::array<const char *, 11> kinds = {"caller reads", "snapshot", "set",    "get",     "copy",  "set now",
                                                    "copy now",     "offer",    "launch", "observe", "return"};
    constexpr std::array<const char *, 3> orders = {" in source", " in destination", " unordered"};
    for (const Task & task : program.tasks) {
        out << "  " << kinds[static_cast<size_t>(task.kind)];
        if (task.kind == TaskKind::CopyAsync) {
            out << orders[static_cast<size_t>(task.order)];
        }
        if (plan::is_copy(task.kind)) {
            out << " from lane " << int{task.source} << " to lane " << int{task.destination};
        } else {
            out << " on lane " << int{task.lane};
        }
        out << (task.only_at_call    ? ", read by the call"
                : task.reads_at_call ? ", read at the call"
                                     : "")
            << (task.may_be_now ? ", or now" : "") << ":";
        for (uint32_t a = 0; a < task.n_accesses; a++) {
            const Access & access = program.accesses[task.first_access + a];
            out << (access.write ? " writes " : " reads ") << ggml_sched::observe::text_of(access);
        }
        out << "\n";
    }
    for (const CallerRead & read : program.caller_reads) {
        out << "  the caller may then read on lane " << int{read.lane} << ": "
            << ggml_sched::observe::text_of(read.bytes) << "\n";
    }
}

} // namespace

rc::Seq<Scenario> smaller(const Scenario & scenario) {
    return rc::seq::map(rc::seq::fromContainer(edits_of(scenario)), [scenario](const Edit & edit) {
        Scenario result = scenario;
        edit(result);
        return result;
    });
}

void showValue(const Scenario & scenario, std::ostream & out) {
    const plan::Machine & machine = scenario.machine;
    out << "\nwindow " << machine.window << ", seed " << scenario.seed;
    for (int lane = 1; lane < machine.n_lanes; lane++) {
        out << "\nlane " << lane << (machine.puts_off_records[lane] ? ", puts off records" : "")
            << (machine.events[lane] ? ": events reach" : ": no events");
        for (int other = 1; other < machine.n_lanes; other++) {
            out << (machine.reaches[lane][other] ? " " + std::to_string(other) : "");
        }
    }
    out << "\n";
    for (size_t i = 0; i < scenario.runs.size(); i++) {
        constexpr std::array<const char *, 3> modes = {"auto", "barrier", "serial"};
        out << "run " << i << ", mode " << modes[static_cast<size_t>(scenario.runs[i].program.mode)]
            << (scenario.runs[i].synchronize_before ? ", synchronized before" : "") << ":\n";
        show(scenario.runs[i].program, out);
    }
}

} // namespace plan_test
