// lanes.h - sums whose bits do not depend on who computes them.
//
// Element i of a sum goes to lane i mod kLanes, and the lanes are added in one fixed order at the end. So the result
// depends on the elements alone, and zeros after the last element change nothing: a lane that starts at +0 stays what
// it is when a zero of either sign is added. The loops over lanes are what compilers turn into vector instructions.

#pragma once

#include <cstdint>

namespace ggml_sched::cpu {

constexpr int kLanes = 8;

struct LaneSum {
    float lane[kLanes] = {};

    float total() const {
        return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
    }

    // Adds f(x[i]) for n elements, of which the first belongs to lane 0.
    template <class F> void add(const float * x, int64_t n, const F & f) {
        int64_t i = 0;
        for (; i + kLanes <= n; i += kLanes) {
            for (int l = 0; l < kLanes; ++l) {
                lane[l] += f(x[i + l]);
            }
        }
        for (int l = 0; i + l < n; ++l) {
            lane[l] += f(x[i + l]);
        }
    }

    void add(const float * x, int64_t n) {
        add(x, n, [](float v) { return v; });
    }
};

} // namespace ggml_sched::cpu
