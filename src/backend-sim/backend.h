// A simulated device's backends: each is one queue.

#pragma once

#include "simulator.h"

namespace ggml_sched::sim {

ggml_backend_t new_backend(Device & device); // NULL, and a line in the log, when memory runs out
bool is_sim_backend(ggml_backend_t backend); // false for NULL

} // namespace ggml_sched::sim
