#include "reuse/program_memo.h"

#include <utility>

namespace ggml_sched {

bool ProgramKey::equals(const ProgramKey & other, const IgnoredFields & ignored) const {
    const auto is_same = [&](bool same, KeyField field) { return same || ignored.has(field); };
    return is_same(cur_copy == other.cur_copy, KeyField::CurCopy) &&
           is_same(layout == other.layout, KeyField::Layout) && is_same(given == other.given, KeyField::GivenPlaces) &&
           is_same(places == other.places && buffers == other.buffers, KeyField::FoundPlaces) &&
           is_same(streams == other.streams, KeyField::StreamPlans) &&
           is_same(n_refusals == other.n_refusals, KeyField::Refusals) && is_same(mode == other.mode, KeyField::Mode) &&
           is_same(observed == other.observed, KeyField::Observed) &&
           is_same(offered == other.offered, KeyField::Offered);
}

KeptPlan * PlanMemo::find(const std::shared_ptr<const plan::History> & before, const IgnoredFields & ignored) {
    using Before = const std::shared_ptr<const plan::History> &;
    KeptPlan * const same = plans_.find([&](Before kept, const KeptPlan &) { return kept == before; });
    return same ? same : plans_.find([&](Before kept, const KeptPlan &) {
        return *kept == *before || ignored.has(KeyField::History);
    });
}

KeptPlan & PlanMemo::add(const std::shared_ptr<const plan::History> & before, plan::Planned planned) {
    // After a wait for all lanes, the caller may still enqueue reads of the results.
    plan::History idle;
    idle.caller_reads = planned.plan.program.caller_reads;
    KeptPlan & made = plans_.add(before, {std::make_shared<const plan::Plan>(std::move(planned.plan)),
                                          std::make_shared<const plan::History>(std::move(planned.next)),
                                          std::make_shared<const plan::History>(std::move(idle))});
    share(made.after);
    share(made.idle);
    return made;
}

// Replaces a history by an equal one that a plan is kept for. A graph that runs again and again ends in a history that
// it began with, and find() then finds its plan at once.
void PlanMemo::share(std::shared_ptr<const plan::History> & history) {
    (void) plans_.find([&](const std::shared_ptr<const plan::History> & before, const KeptPlan &) {
        const bool is_same = *before == *history;
        history = is_same ? before : history;
        return is_same;
    });
}

void KeptProgram::bind(const GraphView & graph, const Slots & slots) {
    for (CopyBinding & copy : lowered.copies) {
        if (fills_bank(copy)) {
            continue;
        }
        copy.src = graph.tensor(copy.tensor);
        copy.dst = copy.copy == kNoBinding ? copy.src : slots.of(copy.copy);
        copy.written = copy.writer == kNoTensor ? nullptr : graph.tensor(copy.writer);
        copy.reader = copy.reader_id == kNoTensor ? nullptr : graph.tensor(copy.reader_id);
    }
}

} // namespace ggml_sched
