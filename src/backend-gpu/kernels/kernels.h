// kernels.h - the kernels, each behind a host function that enqueues it on a stream.
//
// Every result element is computed from the operands alone, in an order of operations that depends on nothing but their
// shape: not on the strides, nor on how many other columns or rows there are. So results are the same bits every time,
// and a row or column has the same bits whatever it is computed together with. (For matrix products that is why both of
// their kernels add in the same order, see mul_mat.cuh.)
//
// Each function returns the error of its launches. What only the device can see to be wrong, an index that is out of
// range, is written to Launch::fault and nothing outside of the tensors is touched.

#pragma once

#include "tensor.h"
#include "vendor.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

// What kernels leave in Launch::fault
enum Fault : int32_t { kNoFault = 0, kBadRowIndex = 1, kBadExpertIndex = 2 };

struct Launch {
    Stream stream;
    int32_t * fault; // pinned host memory that the device can write
};

enum class BinaryKind { Add, Mul, Div };
enum class UnaryKind { Relu, Gelu, Silu };

Error launch_binary(const Launch & launch, BinaryKind kind, const Tensor & a, const Tensor & b, const Tensor & dst);
Error launch_unary(const Launch & launch, UnaryKind kind, const Tensor & a, const Tensor & dst);
// dst = a * scale + bias
Error launch_scale(const Launch & launch, const Tensor & a, float scale, float bias, const Tensor & dst);
// dst = silu(gate) * value; element i of a row is gate's gate_at + i and value's value_at + i
Error launch_swiglu(const Launch & launch, const Tensor & gate, int64_t gate_at, const Tensor & value, int64_t value_at,
                    const Tensor & dst);

// Element by element in the order of dimensions; shapes and types may differ.
Error launch_copy(const Launch & launch, const Tensor & src, const Tensor & dst);
Error launch_repeat(const Launch & launch, const Tensor & src, const Tensor & dst);
Error launch_get_rows(const Launch & launch, const Tensor & a, const Tensor & ids, const Tensor & dst);
Error launch_set_rows(const Launch & launch, const Tensor & rows, const Tensor & ids, const Tensor & dst);

Error launch_sum_rows(const Launch & launch, const Tensor & a, const Tensor & dst);
Error launch_rms_norm(const Launch & launch, const Tensor & a, float eps, const Tensor & dst);
// mask may be NULL.
Error launch_soft_max(const Launch & launch, const Tensor & a, const Tensor * mask, float scale, float max_bias,
                      const Tensor & dst);

struct RopeParams {
    int32_t n_dims;
    bool neox;
    float freq_base;
    float freq_scale;
    float ext_factor;
    float low; // YaRN mixes from here
    float high;
    float magnitude;
};
// divisors may be NULL.
Error launch_rope(const Launch & launch, const RopeParams & params, const Tensor & a, const Tensor & positions,
                  const Tensor * divisors, const Tensor & dst);

Error launch_argmax(const Launch & launch, const Tensor & a, const Tensor & dst);
// The first dst.ne[0] indices of the sorted row. Equal elements keep their order, NaN comes last.
Error launch_argsort(const Launch & launch, const Tensor & a, bool ascending, const Tensor & dst);

Error launch_mul_mat(const Launch & launch, const Tensor & a, const Tensor & b, const Tensor & dst);
Error launch_mul_mat_id(const Launch & launch, const Tensor & a, const Tensor & b, const Tensor & ids,
                        const Tensor & dst);

// n columns of b from column `first` on, as an array of `type` (F32, F16, BF16) without gaps; `padded` columns are
// written, those from n on with zeros.
Error launch_pack_columns(const Launch & launch, const Tensor & b, int64_t first, int64_t n, int64_t padded,
                          ggml_type type, void * packed);

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
