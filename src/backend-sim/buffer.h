// The buffer types of a device: its own, guarded memory, and pinned host memory.

#pragma once

#include "simulator.h"

namespace ggml_sched::sim {

ggml_backend_buffer_type make_device_buffer_type(Device & device);
ggml_backend_buffer_type make_host_buffer_type(Device & device);

} // namespace ggml_sched::sim
