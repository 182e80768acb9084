#include "ggml.h"

#include <chrono>

namespace {

template <typename Unit> int64_t since_clock_start() {
    return std::chrono::duration_cast<Unit>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

extern "C" {

// steady_clock needs no preparation; programs written for ggml call this.
void ggml_time_init(void) {}

int64_t ggml_time_ms(void) {
    return since_clock_start<std::chrono::milliseconds>();
}

int64_t ggml_time_us(void) {
    return since_clock_start<std::chrono::microseconds>();
}

} // extern "C"
