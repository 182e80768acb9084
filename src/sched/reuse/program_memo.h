// Program memo - programs and plans that are kept for later graphs. Engines build the same graph anew for every token.
//
// Each kept program owns its plans: one for each history in which it has begun. A ProgramKey says for which graphs the
// program is good. The scheduler owns the programs, and its thread uses them.

#pragma once

#include <cstdint>
#include <memory>

#include "lower/lower.h"
#include "observe/text.h"
#include "plan/planner.h"
#include "reuse/key_field.h"
#include "reuse/memo.h"

namespace ggml_sched {

// ProgramKey - what a program depends on. It also depends on the splits, but other splits get other places.
struct ProgramKey {
    int cur_copy = -1;                         // copy index of the copies that the nodes read
    uint64_t layout = 0;                       // GraphVersion::layout of the graph
    uint64_t given = 0;                        // GraphVersion::place of the graph: memory that tensors had before
    std::shared_ptr<const MemoryPlan> places;  // places that tensors were given
    uint64_t buffers = 0;                      // ComputeBuffers::number()
    std::shared_ptr<const StreamPlan> streams; // stream plan of the graph
    size_t n_refusals = 0;                     // Topology::n_refusals
    plan::Mode mode = plan::Mode::Auto;
    bool observed = false; // true if there is an eval callback
    Offered offered = Offered::Nothing;

    // Returns true if all fields that are not ignored are equal.
    bool equals(const ProgramKey & other, const IgnoredFields & ignored) const;
};

// KeptPlan - a plan, and what it leaves in flight
struct KeptPlan {
    std::shared_ptr<const plan::Plan> plan;
    std::shared_ptr<const plan::History> after; // history after the run
    std::shared_ptr<const plan::History> idle;  // history after the run and a wait for all lanes
    bool verified = false;                      // true if the verifier has accepted the plan
    bool has_events = false;                    // true if the executor has all events of the plan
};

// PlanMemo - the plans of one program, by the history before the run. A graph that runs again and again needs one or
// two plans for each run in flight. It needs more only where other graphs run in between.
class PlanMemo {
  public:
    // Returns the plan of a history; NULL if there is none. The pointer is valid until the plan is forgotten.
    KeptPlan * find(const std::shared_ptr<const plan::History> & before, const IgnoredFields & ignored);
    // Keeps a plan that was made for a history.
    KeptPlan & add(const std::shared_ptr<const plan::History> & before, plan::Planned planned);

  private:
    void share(std::shared_ptr<const plan::History> & history);

    Memo<std::shared_ptr<const plan::History>, KeptPlan> plans_{16};
};

// KeptProgram - a program, and the plans that were made for it
struct KeptProgram {
    Lowered lowered;
    PlanMemo plans;
    std::shared_ptr<const observe::Names> names; // NULL if they have not been needed yet

    // Lets the copies move the tensors of this graph, which has the same key.
    void bind(const GraphView & graph, const Slots & slots);
};

} // namespace ggml_sched
