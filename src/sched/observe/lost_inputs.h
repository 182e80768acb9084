// Lost inputs - checks that splits find their inputs. A copy must stay where it is until the split is launched. Bytes
// in the ring must stay there until they are copied.
//
// The verifier proves that tasks which touch the same bytes keep the order of the program. It cannot tell that the
// program itself has a wrong order, such as a copy that overwrites an input before its split is launched.
//
// It is a pure function, and so any thread may call it.

#pragma once

#include <string>

#include "lower/bindings.h"

namespace ggml_sched {

// Returns "" if splits find their inputs, else what is wrong. It is slow, and for verification.
std::string find_lost_input(const Lowered & lowered, const Splits & splits);

} // namespace ggml_sched
