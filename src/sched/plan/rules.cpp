#include "plan/rules.h"

#include <cstddef>

namespace ggml_sched::plan {

Rule rule_of(const Program & program, const Reason & reason) {
    const TaskKind kind = program.tasks[static_cast<size_t>(reason.task)].kind;
    if (kind == TaskKind::Return) {
        return Rule::CallerInputs;
    }
    if (reason.other == kEarlierRun) {
        return Rule::EarlierRuns;
    }
    const TaskKind other = program.tasks[static_cast<size_t>(reason.other)].kind;
    if (other == TaskKind::CallerRead) {
        return Rule::EarlierRuns;
    }
    switch (reason.cause) {
    case WaitCause::ReadAfterWrite: return is_copy(other) ? Rule::CopyLandsBeforeUse : Rule::SharedMemory;
    case WaitCause::WriteAfterRead:
        return is_copy(other) ? Rule::SourceKeptUntilCopied
               : is_copy(kind) ? Rule::SlotFreeBeforeCopy
                               : Rule::SharedMemory;
    default: return is_copy(other) && is_copy(kind) ? Rule::CopiesInOrder : Rule::SharedMemory;
    }
}

} // namespace ggml_sched::plan
