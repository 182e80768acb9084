// GpuJob - a random job for a scheduler over GPUs: graphs over several queues of several devices, run many times with
// inputs, caches, weights anywhere, rebuilds and runs in flight.
//
// Everything follows from the seed but the timing. GPUs round otherwise than the CPU does, so the right answer is what
// the same job gives on the same devices when the host waits around every copy and after every run.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpus.h"

namespace gpu_tests {

struct GpuJob {
    uint64_t seed = 1;
    int n_runs = 16;
    int max_ops = 40;
    int max_queues = 4; // several may be of one device
};

// "" if the modes auto and barrier, with runs in flight, give the bits of mode serial; else what differs first.
std::string run_gpu_job(const Vendor & vendor, const GpuJob & job);

} // namespace gpu_tests
