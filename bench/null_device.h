// Devices that do nothing, so that only the scheduler's own time is left. Asynchronous, with events that reach each
// other; copies run on the source's queue. One thread at a time.

#pragma once

#include "ggml-backend.h"

namespace ggml_sched::bench {

constexpr int kNullDevices = 8;

// A backend on device `index`. The caller frees it.
ggml_backend_t null_backend_init(int index);

} // namespace ggml_sched::bench
