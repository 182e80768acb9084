// rounded.h - functions of real numbers whose results nearly always have the same bits on every system.
//
// C libraries round expf and its kin differently. Their functions of double differ too, but so little that both nearly
// always round to the same float. Any thread may call these functions.

#pragma once

#include <cmath>

namespace ggml_sched::cpu::rounded {

inline float exp(float x) {
    return static_cast<float>(std::exp(static_cast<double>(x)));
}
inline float exp2(float x) {
    return static_cast<float>(std::exp2(static_cast<double>(x)));
}
inline float log(float x) {
    return static_cast<float>(std::log(static_cast<double>(x)));
}
inline float pow(float x, float y) {
    return static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(y)));
}
inline float sin(float x) {
    return static_cast<float>(std::sin(static_cast<double>(x)));
}
inline float cos(float x) {
    return static_cast<float>(std::cos(static_cast<double>(x)));
}
inline float tanh(float x) {
    return static_cast<float>(std::tanh(static_cast<double>(x)));
}

} // namespace ggml_sched::cpu::rounded
