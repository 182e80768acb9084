// PlanCache - the plans that were made for one lowered graph, by what was in flight when it ran.

#pragma once

#include <memory>
#include <vector>

#include "plan/planner.h"
#include "reuse/key_field.h"

namespace ggml_sched {

// A plan, what has to be in flight for it to fit, and what it leaves in flight.
struct CachedPlan {
    std::shared_ptr<const plan::History> before;
    std::shared_ptr<const plan::Plan> plan;
    std::shared_ptr<const plan::History> after;
    std::shared_ptr<const plan::History> idle; // after it and a wait for everything
    bool verified = false;
};

class PlanCache {
  public:
    // NULL if there is none. Pointers are good until the next add() or clear().
    CachedPlan * find(const std::shared_ptr<const plan::History> & history, const IgnoredFields & ignored);
    CachedPlan & add(const std::shared_ptr<const plan::History> & history, plan::Planned planned);
    void clear() { plans_.clear(); }

  private:
    void share(std::shared_ptr<const plan::History> & history) const;

    std::vector<CachedPlan> plans_; // oldest first
};

} // namespace ggml_sched
