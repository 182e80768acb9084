#include "reuse/plan_memo.h"

namespace ggml_sched {

namespace {

// Running one graph again and again needs a plan or two for each run that may be in flight; more pile up only where
// other graphs run in between.
constexpr size_t kMostPlans = 16;

} // namespace

CachedPlan * PlanCache::find(const std::shared_ptr<const plan::History> & history, const IgnoredFields & ignored) {
    for (CachedPlan & cached : plans_) {
        if (cached.before == history || *cached.before == *history || ignored.has(KeyField::History)) {
            return &cached;
        }
    }
    return nullptr;
}

CachedPlan & PlanCache::add(const std::shared_ptr<const plan::History> & history, plan::Planned planned) {
    if (plans_.size() == kMostPlans) {
        plans_.erase(plans_.begin());
    }
    // Waiting for everything leaves what the caller may enqueue afterwards: reads of the results.
    plan::History idle;
    idle.caller_reads = planned.plan.program.caller_reads;
    plans_.push_back({history, std::make_shared<const plan::Plan>(std::move(planned.plan)),
                      std::make_shared<const plan::History>(std::move(planned.next)),
                      std::make_shared<const plan::History>(std::move(idle)), false});
    share(plans_.back().after);
    share(plans_.back().idle);
    return plans_.back();
}

// Running the same graph again and again ends in a history that it began with: then the plan is found at once.
void PlanCache::share(std::shared_ptr<const plan::History> & history) const {
    for (const CachedPlan & cached : plans_) {
        if (*cached.before == *history) {
            history = cached.before;
            return;
        }
    }
}

} // namespace ggml_sched
