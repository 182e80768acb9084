// Differences - compares what is kept from an earlier graph with what a stage makes afresh. Verification asks for them
// where a kept result is used.
//
// These are pure functions, and so any thread may call them. Each returns the first difference in words, "" if there is
// none.

#pragma once

#include <string>

#include "lower/lower.h"
#include "plan/planner.h"

namespace ggml_sched {

// Both results are of `graph`, which gives the names of tensors.
std::string find_difference(const GraphView & graph, const Assignment & kept, const Assignment & fresh);
std::string find_difference(const GraphView & graph, const Splits & kept, const Splits & fresh);
std::string find_difference(const StreamedInputs & kept, const StreamedInputs & fresh);
std::string find_difference(const StreamPlan & kept, const StreamPlan & fresh);
std::string find_difference(const Lowered & kept, const Lowered & fresh);
std::string find_difference(const plan::Plan & kept, const plan::Plan & fresh);

} // namespace ggml_sched
