#include "plan/rules.h"

#include <cstddef>

namespace ggml_sched::plan {

Rule rule_of(const Program & program, const Reason & reason) {
    const TaskKind kind = program.tasks[static_cast<size_t>(reason.task)].kind;
    if (kind == TaskKind::Return) {
        return Rule::CallerInputs;
    }
    if (kind == TaskKind::Observe) {
        return Rule::ObservedSlices;
    }
    if (reason.other == kEarlierRun) {
        return Rule::EarlierRuns;
    }
    const TaskKind other = program.tasks[static_cast<size_t>(reason.other)].kind;
    if (other == TaskKind::CallerRead) {
        return Rule::EarlierRuns;
    }
    const bool by_copy = is_copy(kind);
    if (!is_copy(other)) {
        return by_copy && reason.cause != WaitCause::ReadAfterWrite ? Rule::SlotFreeBeforeCopy : Rule::SharedMemory;
    }
    switch (reason.cause) {
    case WaitCause::ReadAfterWrite: return Rule::CopyLandsBeforeUse;
    case WaitCause::WriteAfterRead: return Rule::SourceKeptUntilCopied;
    default:
        return by_copy ? Rule::CopiesInOrder : Rule::CopyLandsBeforeUse; // a launch may write over what it was given
    }
}

} // namespace ggml_sched::plan
