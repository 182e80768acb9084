// The buffer types of a device: its own, guarded memory, and pinned host memory.

#pragma once

#include "simulator.h"

namespace ggml_sched::sim {

ggml_backend_buffer_type make_device_buffer_type(Device & device);
ggml_backend_buffer_type make_host_buffer_type(Device & device);
// The caller's memory as a buffer of the device's pinned type, until it is freed. NULL, and a line in the log, for no
// bytes and those that are pinned already.
ggml_backend_buffer_t buffer_from_host_ptr(Device & device, void * bytes, size_t size);
// True if a device that is listed registers the caller's memory.
bool a_device_registers_memory();
// Pins the caller's memory for the first such device, until it is unregistered. False if there is none, and for memory
// that cannot be pinned.
bool register_host_buffer(void * bytes, size_t size);
void unregister_host_buffer(void * bytes);

} // namespace ggml_sched::sim
