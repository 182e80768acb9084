// Planner - derives the waits of a run from its hazards.
//
// A hazard is two tasks that touch the same bytes, at least one writing, on lanes that nothing orders yet. The planner
// walks the tasks in the order in which the host will issue them. For each lane it keeps what its next task can rely on
// (a vector clock). Where an earlier access to the task's bytes may still go on, it adds the cheapest wait. That is
// on the device if the other lane's events reach it, else on the host. It drops waits that others imply.
//
// make_plan() is a pure function: the same arguments give the same plan. It may be called from any thread.

#pragma once

#include "plan/history.h"
#include "plan/plan.h"
#include "plan/rules.h"

namespace ggml_sched::plan {

// Planned - a plan, and the history of the run after it.
struct Planned {
    Plan plan;
    History next; // what the plan leaves in flight
};

// Returns the plan of a run of `program` that begins in the state `history`. Rules that are off find no hazards.
Planned make_plan(const Machine & machine, const Program & program, const History & history, const Rules & rules = {});

} // namespace ggml_sched::plan
