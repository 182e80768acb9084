// Whether splits find their inputs: what is copied for a launch has to stay where it is until then, and what passes
// through the ring until it is copied.
//
// The verifier proves that tasks which touch the same bytes keep the order of the program. It cannot tell that a
// program has them in a wrong order, such as another copy to the place of one that is yet to be read.

#pragma once

#include <string>

#include "lower/bindings.h"

namespace ggml_sched {

// "" if no task writes where a copy lies before the launch that it is for, and each copy out of the ring finds what was
// put there for it; else what is wrong. Slow, for verification.
std::string find_lost_input(const Lowered & lowered, const Splits & splits);

} // namespace ggml_sched
