// StreamJob - a random model with weights in host memory, run with streaming off and then with a random budget, many
// times, with runs in flight and a host that is late now and then. Everything follows from the seed but the timing.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gpus.h"
#include "stream_session.h"

namespace gpu_tests {

struct StreamJob {
    uint64_t seed = 1;
    int n_repetitions = 6; // of a sequence of micro-batches: experts are streamed by the ids at first
    bool small = false;    // for devices that compute slowly; the host is not late
};

// "" if both give the same bits, else what the job was and what differs first
std::string run_stream_job(const Vendor & vendor, const StreamJob & job);

// The host is late one time in a few, by what a system that is busy would take.
std::function<void()> random_delays(uint64_t seed);

} // namespace gpu_tests
