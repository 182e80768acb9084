// params.h - the float parameters of operations, which lie in op_params as bits.

#pragma once

#include "ggml.h"

#include <cstring>

namespace ggml_sched::cpu {

inline float param_f32(const ggml_tensor * t, int i) {
    float value;
    std::memcpy(&value, &t->op_params[i], sizeof(value));
    return value;
}

} // namespace ggml_sched::cpu
