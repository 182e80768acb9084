// What operations cost on the virtual clock, in microseconds. Pure functions.

#pragma once

#include "ggml-sim.h"

namespace ggml_sched::sim {

// False if a rate is not positive or a duration negative (or either not a number).
bool are_costs_valid(const ggml_sim_config & config);

double node_cost_us(const ggml_sim_config & config, const ggml_tensor & node);
double link_cost_us(const ggml_sim_config & config, size_t bytes);  // to or from another memory
double local_cost_us(const ggml_sim_config & config, size_t bytes); // filling bytes of the device's memory
double copy_cost_us(const ggml_sim_config & config, size_t bytes);  // within one device: reads and writes each

} // namespace ggml_sched::sim
