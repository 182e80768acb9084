// simulated_cpu.h - a CPU backend whose computations take time on the virtual clock of simulated devices.
//
// ggml's CPU backend computes the results. Then the host is busy for as long as the bytes that were read and written
// would take, and for a time of each node and each graph. See ggml-sim.h for the clock.

#pragma once

#include "ggml-backend.h"

namespace ggml_sched::bench {

// CpuCosts - the speed of a simulated CPU
struct CpuCosts {
    double bytes_per_us = 5e4; // the speed at which all operations read and write
    double graph_us = 0.0;     // time of each graph, in addition
    double node_us = 0.0;      // time of each node that is no view, in addition
};

// Makes a backend of type CPU. The caller frees it. NULL: there is no memory.
ggml_backend_t simulated_cpu_init(const CpuCosts & costs);

} // namespace ggml_sched::bench
