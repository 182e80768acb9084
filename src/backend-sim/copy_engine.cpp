#include "copy_engine.h"

#include <algorithm>

namespace ggml_sched::sim {

double CopyEngine::reserve(double now_us, double ready_us, double cost_us) {
    while (!busy_.empty() && busy_.begin()->second <= now_us) {
        busy_.erase(busy_.begin());
    }
    double start_us = ready_us;
    for (const auto & [from_us, until_us] : busy_) {
        if (start_us + cost_us <= from_us) {
            break;
        }
        start_us = std::max(start_us, until_us);
    }
    if (cost_us > 0) {
        busy_[start_us] = start_us + cost_us;
    }
    return start_us;
}

} // namespace ggml_sched::sim
