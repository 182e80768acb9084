// build.h - what the builders of operations share: checks that log what is wrong, and filling in the result.
//
// A builder checks its operands, makes the result, and passes it to finish(), which lets NULL through: a context
// without room has logged that already.

#pragma once

#include "ggml.h"

#include <initializer_list>

namespace ggml_sched::core {

using Operands = std::initializer_list<const ggml_tensor *>;

// False, after a line in the log, if the context or an operand is NULL.
bool given(const char * builder, const ggml_context * ctx, Operands operands);

// Returns ok; if false, logs the rule that was broken and the types and shapes of the operands, skipping NULL ones.
bool require(bool ok, const char * builder, const char * rule, Operands operands);

// Whether n copies of `part` make up `whole`; 0 divides only 0.
bool divides(int64_t part, int64_t whole);

// A new tensor like a, or a view of a.
ggml_tensor * result_like(ggml_context * ctx, ggml_tensor * a, bool inplace);

// Sets operation and sources, and returns result.
ggml_tensor * finish(ggml_tensor * result, ggml_op op, std::initializer_list<ggml_tensor *> sources);

void set_param_i32(ggml_tensor * tensor, int index, int32_t value);
void set_param_f32(ggml_tensor * tensor, int index, float value);

} // namespace ggml_sched::core
