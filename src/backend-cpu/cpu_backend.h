// cpu_backend.h - the parts of the CPU backend that its files share.

#pragma once

#include "compute.h"
#include "ggml-backend-impl.h"

namespace ggml_sched::cpu {

// What ggml_backend::context of a CPU backend points to. One thread at a time.
struct BackendContext {
    ComputeContext compute;
    AbortCallback abort;
};

ggml_backend_dev_t cpu_device();
// The registry that the device belongs to, of which it is the only device
ggml_backend_reg_t cpu_registry();

} // namespace ggml_sched::cpu
