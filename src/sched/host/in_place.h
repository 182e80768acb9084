// Which operations may put their result where an operand was.

#pragma once

#include "ggml.h"

namespace ggml_sched::host {

// That many of the operands, from the first one on: each element of the result depends on no other element of such an
// operand, or on others of its row only, if both have the same layout. Every backend can work in place then.
int n_operands_to_take_over(ggml_op op);

} // namespace ggml_sched::host
