// params.h - the parameters of operations that lie in op_params as bytes: floats and those of CUSTOM.

#pragma once

#include "ggml-impl.h"

#include <cstring>

namespace ggml_sched::cpu {

inline float param_f32(const ggml_tensor * t, int i) {
    float value;
    std::memcpy(&value, &t->op_params[i], sizeof(value));
    return value;
}

inline ggml_custom_op_params custom_params(const ggml_tensor * t) {
    ggml_custom_op_params params;
    std::memcpy(&params, t->op_params, sizeof(params));
    return params;
}

} // namespace ggml_sched::cpu
