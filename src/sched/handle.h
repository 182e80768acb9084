// ggml_backend_sched - what a ggml_backend_sched_t points to. It owns the scheduler. capi.cpp uses it, and so do tests
// that need the Scheduler of a handle.
//
// One thread at a time may use it. capi.cpp refuses calls of other threads meanwhile, hence the atomics.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "session/scheduler.h"

struct ggml_backend_sched {
    std::unique_ptr<ggml_sched::Scheduler> scheduler;
    std::string error;                           // error of the last call that can fail; "" if it went well
    std::atomic<const char *> running = nullptr; // name of the call that works with the scheduler now; NULL if none
    std::atomic<bool> is_refusing = false;       // true while the log is told of a refused call
};
