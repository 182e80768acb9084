// When the host may wait: the rule that plans are held to in the mode auto. Values only.

#pragma once

#include <string>

#include "plan/plan.h"

namespace ggml_sched::test {

// How often the plan makes the host wait, throttling apart
int n_host_waits(const plan::Plan & plan);

// How many of these waits are for reads that the caller may have queued, before the host writes a small input
int n_waits_for_reads(const plan::Plan & plan);

// "" if the host waits only for a lane that has no events or none that reach, for what it does itself or with host
// memory, and to throttle; else what says which wait is none of that. For plans of the mode auto.
std::string avoidable_host_wait(const plan::Plan & plan, const plan::Machine & machine);

} // namespace ggml_sched::test
