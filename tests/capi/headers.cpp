// C++17 programs use the same headers.

#include <memory>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-sched.h"
#include "ggml-sim.h"
#include "ggml.h"
#include "gguf.h"

extern "C" {
#include "capi.h"
}

namespace {

// Handles work with the smart pointers that C++ users put around them.
using Context = std::unique_ptr<ggml_context, decltype(&ggml_free)>;
using Gguf = std::unique_ptr<gguf_context, decltype(&gguf_free)>;
using Backend = std::unique_ptr<ggml_backend, decltype(&ggml_backend_free)>;

} // namespace

extern "C" void capi_test_headers(void) {
    const Context ctx(ggml_init({4096, nullptr, false}), &ggml_free);
    const Gguf gguf(gguf_init_empty(), &gguf_free);
    const Backend backend(ggml_backend_cpu_init(), &ggml_backend_free);
    CHECK(ctx && gguf && backend);
    CHECK(ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 4) != nullptr);
    CHECK(ggml_sim_config_default(GGML_SIM_PROFILE_UMA).profile == GGML_SIM_PROFILE_UMA);
}
