// RunBindings - what the numbers in a plan stand for.

#pragma once

#include <string>
#include <vector>

#include "host/graph_handle.h"
#include "lower/bindings.h"

namespace ggml_sched {

// The caller's copy callback: ggml_backend_sched_copy_callback, which older versions of ggml do not declare
struct CopyCallback {
    using Function = bool (*)(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                              void * user_data);
    Function function = nullptr; // NULL: there is none
    void * user_data = nullptr;
};

struct RunBindings {
    const std::vector<CopyBinding> & copies; // by binding of a copy
    const std::vector<Split> & splits;
    const std::vector<host::GraphHandle> & graphs; // by split
    CopyCallback copy_callback = {};
    std::string note = {}; // about the run, for who listens
};

} // namespace ggml_sched
