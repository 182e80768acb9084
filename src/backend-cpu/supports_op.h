// supports_op.h - which operations the CPU backend computes: exactly those that compute_graph does not refuse.

#pragma once

#include "ggml.h"

namespace ggml_sched::cpu {

// Looks at types, shapes, strides and parameters; the data of op and its operands need not exist yet. Any thread.
bool supports_op(const ggml_tensor * op);

} // namespace ggml_sched::cpu
