// Differences between what is kept from an earlier graph and what a stage makes afresh. All return the first difference
// in words, or "".

#pragma once

#include <string>

#include "lower/lower.h"
#include "plan/planner.h"

namespace ggml_sched {

std::string find_difference(const GraphView & graph, const Assignment & kept, const Assignment & fresh);
std::string find_difference(const GraphView & graph, const Splits & kept, const Splits & fresh);
std::string find_difference(const StreamedInputs & kept, const StreamedInputs & fresh);
std::string find_difference(const StreamPlan & kept, const StreamPlan & fresh);
std::string find_difference(const Lowered & kept, const Lowered & fresh);
std::string find_difference(const plan::Plan & kept, const plan::Plan & fresh);

} // namespace ggml_sched
