#include "cpu_backend.h"

#include "ggml-cpu.h"

#include <algorithm>
#include <memory>
#include <new>
#include <thread>

namespace ggml_sched::cpu {

namespace {

BackendContext * context_of(ggml_backend_t backend) {
    return static_cast<BackendContext *>(backend->context);
}

const char * backend_name(ggml_backend_t) {
    return "CPU";
}

void backend_free(ggml_backend_t backend) {
    delete context_of(backend);
    delete backend;
}

ggml_status backend_graph_compute(ggml_backend_t backend, ggml_cgraph * cgraph) {
    BackendContext * context = context_of(backend);
    return compute_graph(context->compute, cgraph, context->abort);
}

ggml_backend_i backend_interface() {
    ggml_backend_i iface = {};
    iface.get_name = backend_name;
    iface.free = backend_free;
    iface.graph_compute = backend_graph_compute;
    return iface;
}

ggml_guid_t backend_guid() {
    static ggml_guid guid = {0x8b, 0x1e, 0x52, 0x0d, 0x3a, 0x77, 0x4c, 0x9f,
                             0xa4, 0x60, 0xd2, 0x15, 0x6e, 0xc8, 0x93, 0x2b};
    return &guid;
}

int default_n_threads() {
    const int hardware = static_cast<int>(std::thread::hardware_concurrency()); // 0 if unknown
    return std::clamp(hardware, 1, GGML_DEFAULT_N_THREADS);
}

} // namespace

} // namespace ggml_sched::cpu

using namespace ggml_sched::cpu;

extern "C" {

ggml_backend_t ggml_backend_cpu_init(void) {
    std::unique_ptr<BackendContext> context(new (std::nothrow) BackendContext);
    std::unique_ptr<ggml_backend> backend(new (std::nothrow) ggml_backend);
    if (!context || !backend) {
        GGML_LOG_ERROR("%s: no memory for a backend\n", __func__);
        return nullptr;
    }
    context->compute.set_n_threads(default_n_threads());
    *backend = {backend_guid(), backend_interface(), cpu_device(), context.release()};
    return backend.release();
}

bool ggml_backend_is_cpu(ggml_backend_t backend) {
    return backend != nullptr && ggml_guid_matches(backend->guid, backend_guid());
}

void ggml_backend_cpu_set_n_threads(ggml_backend_t backend_cpu, int n_threads) {
    if (!ggml_backend_is_cpu(backend_cpu)) {
        GGML_LOG_ERROR("%s: this is not a CPU backend; nothing is changed\n", __func__);
        return;
    }
    context_of(backend_cpu)->compute.set_n_threads(n_threads);
}

void ggml_backend_cpu_set_abort_callback(ggml_backend_t backend_cpu, ggml_abort_callback abort_callback,
                                         void * abort_callback_data) {
    if (!ggml_backend_is_cpu(backend_cpu)) {
        GGML_LOG_ERROR("%s: this is not a CPU backend; nothing is changed\n", __func__);
        return;
    }
    context_of(backend_cpu)->abort = {abort_callback, abort_callback_data};
}

} // extern "C"
