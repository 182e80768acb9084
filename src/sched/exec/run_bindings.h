// RunBindings - what the numbers in a plan stand for during one run. It owns nothing but its note; the caller of
// the executor owns the lists.

#pragma once

#include <string>
#include <vector>

#include "host/clock.h"
#include "host/graph_handle.h"
#include "lower/bindings.h"

namespace ggml_sched {

// CopyCallback - the copy callback of the caller. Its type is that of ggml_backend_sched_copy_callback, which older
// versions of ggml do not declare.
struct CopyCallback {
    using Function = bool (*)(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                              void * user_data);
    Function function = nullptr; // NULL if there is none
    void * user_data = nullptr;
};

// LaunchTimer - measures how long the host is busy with some launches of a run.
struct LaunchTimer {
    const host::Clock & clock;
    const std::vector<bool> & is_timed; // by split
    double us = 0.0;
};

struct RunBindings {
    const std::vector<CopyBinding> & copies; // by binding
    const std::vector<Split> & splits;
    const std::vector<host::GraphHandle> & graphs; // by split
    CopyCallback copy_callback = {};
    std::string note = {};         // sentence about the run, for a listener
    LaunchTimer * timer = nullptr; // NULL: nothing is measured
};

} // namespace ggml_sched
