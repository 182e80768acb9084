// ops.h - the operations. Each computes a node that supports_op accepts and whose operands are in host memory.
// They return FAILED, with a message, for data that makes no sense (an index out of range), ALLOC_FAILED when scratch
// memory runs out, else SUCCESS. Called by one thread; they use the context's threads.

#pragma once

#include "compute.h"

namespace ggml_sched::cpu {

ggml_status compute_copy(ComputeContext & ctx, ggml_tensor * dst); // DUP, CPY, CONT
ggml_status compute_set(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_repeat(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_concat(ComputeContext & ctx, ggml_tensor * dst);

ggml_status compute_binary(ComputeContext & ctx, ggml_tensor * dst); // ADD, MUL, DIV
ggml_status compute_unary(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_scale(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_glu(ComputeContext & ctx, ggml_tensor * dst);

ggml_status compute_sum_rows(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_rms_norm(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_soft_max(ComputeContext & ctx, ggml_tensor * dst);

ggml_status compute_argmax(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_argsort(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_top_k(ComputeContext & ctx, ggml_tensor * dst);

ggml_status compute_get_rows(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_set_rows(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_rope(ComputeContext & ctx, ggml_tensor * dst);

ggml_status compute_mul_mat(ComputeContext & ctx, ggml_tensor * dst);
ggml_status compute_mul_mat_id(ComputeContext & ctx, ggml_tensor * dst);

ggml_status compute_custom(ComputeContext & ctx, ggml_tensor * dst);

} // namespace ggml_sched::cpu
