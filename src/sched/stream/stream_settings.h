// StreamSettings - how much memory the user grants to streaming. It is a value.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ggml_sched {

struct StreamSettings {
    static constexpr size_t kAuto = SIZE_MAX;

    size_t budget = kAuto; // bytes of device memory for each backend; kAuto: a share of what is free; 0: no streaming
    size_t lookahead = 0;  // bytes that copies may be ahead of their use; 0: the budget, or 1 GiB if that is kAuto
};

} // namespace ggml_sched
