// Simulated devices as the rest of the library sees them.

#pragma once

#include "simulator.h"

namespace ggml_sched::sim {

// With profile CUDA and its default configuration
void init_device(Device & device, int index);
void configure_device(Device & device, const ggml_sim_config & config);

bool is_sim_device(ggml_backend_dev_t device); // false for NULL

// What the registry's functions of ggml-backend-impl.h answer; any devices, also NULL
bool event_reaches_device(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);
enum ggml_backend_copy_queue copy_queue_between(ggml_backend_dev_t src, ggml_backend_dev_t dst);

} // namespace ggml_sched::sim
