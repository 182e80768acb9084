// What a ggml_backend_sched_t points to. For capi.cpp, and for tests that look behind the C API.

#pragma once

#include <memory>
#include <string>

#include "scheduler.h"

struct ggml_backend_sched {
    std::unique_ptr<ggml_sched::Scheduler> scheduler;
    std::string error;
};
