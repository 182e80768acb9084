// What a ggml_backend_sched_t points to. For capi.cpp, and for tests that look behind the C API.

#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "session/scheduler.h"

struct ggml_backend_sched {
    std::unique_ptr<ggml_sched::Scheduler> scheduler;
    std::string error;                           // of the last call that can fail; "": it went well
    std::atomic<const char *> running = nullptr; // the call that works with the scheduler now
    bool is_refusing = false;                    // the log is being told of a call that is refused
};
