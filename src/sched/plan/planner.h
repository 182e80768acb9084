// The planner: derives the waits of a run from its hazards.
//
// A hazard is two tasks that touch the same bytes, at least one writing, on lanes that nothing orders yet. The planner
// walks the tasks in the order in which the host will issue them and keeps, for each lane, what its next task can rely
// on (a vector clock). Where a task's bytes were touched by something that its clock does not know to be complete, it
// adds the cheapest wait that makes it known: on the device if both sides have events that reach, else on the host.
// Waits that others imply are dropped.
//
// A pure function: the same arguments give the same plan.

#pragma once

#include "plan/history.h"
#include "plan/plan.h"
#include "plan/rules.h"

namespace ggml_sched::plan {

struct Planned {
    Plan plan;
    History next; // what the plan leaves in flight
};

Planned make_plan(const Machine & machine, const Program & program, const History & history, const Rules & rules = {});

} // namespace ggml_sched::plan
