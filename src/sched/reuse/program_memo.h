// Programs and plans that are kept for later graphs. Engines build the same graph anew for every token.

#pragma once

#include <cstdint>
#include <memory>

#include "lower/lower.h"
#include "observe/text.h"
#include "plan/planner.h"
#include "reuse/key_field.h"
#include "reuse/memo.h"

namespace ggml_sched {

// A program depends on these. It also depends on the splits, but other splits get other places.
struct ProgramKey {
    int cur_copy = -1;                         // which copies the nodes read
    uint64_t layout = 0;                       // of the graph's tensors, by number of the version
    uint64_t given = 0;                        // places that tensors had before, likewise
    std::shared_ptr<const MemoryPlan> places;  // that tensors were given
    uint64_t buffers = 0;                      // that these are in: changes when they do
    std::shared_ptr<const StreamPlan> streams; // what is streamed
    size_t n_refusals = 0;                     // what devices have refused: see Topology
    plan::Mode mode = plan::Mode::Auto;
    bool observed = false;
    Offered offered = Offered::Nothing;

    bool equals(const ProgramKey & other, const IgnoredFields & ignored) const;
};

// A plan, and what it leaves in flight
struct KeptPlan {
    std::shared_ptr<const plan::Plan> plan;
    std::shared_ptr<const plan::History> after;
    std::shared_ptr<const plan::History> idle; // after it and a wait for everything
    bool verified = false;
};

// Plans of one program, by what was in flight before. Running one graph again and again needs a plan or two for each
// run that may be in flight; more pile up only where other graphs run in between.
class PlanMemo {
  public:
    // NULL if there is none. Pointers are good until the plan is forgotten.
    KeptPlan * find(const std::shared_ptr<const plan::History> & before, const IgnoredFields & ignored);
    KeptPlan & add(const std::shared_ptr<const plan::History> & before, plan::Planned planned);

  private:
    void share(std::shared_ptr<const plan::History> & history);

    Memo<std::shared_ptr<const plan::History>, KeptPlan> plans_{16};
};

// A program, and the plans that were made for it
struct KeptProgram {
    Lowered lowered;
    PlanMemo plans;
    std::shared_ptr<const observe::Names> names; // NULL: not needed yet

    // Makes the copies move the tensors of a graph with the same key.
    void bind(const GraphView & graph, const Slots & slots);
};

} // namespace ggml_sched
