#include "choice.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "ggml-sched.h"
#include "host/log.h"

GGML_SCHED_DECLARE_BOTH(new)
GGML_SCHED_DECLARE_BOTH(free)
GGML_SCHED_DECLARE_BOTH(reserve)
GGML_SCHED_DECLARE_BOTH(get_n_backends)
GGML_SCHED_DECLARE_BOTH(get_backend)
GGML_SCHED_DECLARE_BOTH(get_n_splits)
GGML_SCHED_DECLARE_BOTH(get_n_copies)
GGML_SCHED_DECLARE_BOTH(get_buffer_size)
GGML_SCHED_DECLARE_BOTH(set_tensor_backend)
GGML_SCHED_DECLARE_BOTH(get_tensor_backend)
GGML_SCHED_DECLARE_BOTH(alloc_graph)
GGML_SCHED_DECLARE_BOTH(graph_compute)
GGML_SCHED_DECLARE_BOTH(graph_compute_async)
GGML_SCHED_DECLARE_BOTH(synchronize)
GGML_SCHED_DECLARE_BOTH(reset)
GGML_SCHED_DECLARE_BOTH(set_eval_callback)

extern "C" {
decltype(ggml_sched_set_sync_mode) ggml_ours_sched_set_sync_mode;
decltype(ggml_sched_get_sync_mode) ggml_ours_sched_get_sync_mode;
decltype(ggml_sched_get_stats) ggml_ours_sched_get_stats;
decltype(ggml_sched_reset_stats) ggml_ours_sched_reset_stats;
decltype(ggml_sched_get_pattern) ggml_ours_sched_get_pattern;
decltype(ggml_sched_get_plan_text) ggml_ours_sched_get_plan_text;
decltype(ggml_sched_set_verify) ggml_ours_sched_set_verify;
decltype(ggml_sched_set_streaming) ggml_ours_sched_set_streaming;
decltype(ggml_sched_keep_weights) ggml_ours_sched_keep_weights;
decltype(ggml_sched_trace_start) ggml_ours_sched_trace_start;
decltype(ggml_sched_trace_stop) ggml_ours_sched_trace_stop;
decltype(ggml_sched_get_error) ggml_ours_sched_get_error;
}

namespace {

using ggml_sched::call;

bool environment_wants_ours() {
    const char * value = std::getenv("GGML_SCHED");
    const std::string choice = value ? value : "";
    if (choice == "stock") {
        return false;
    }
    if (!choice.empty() && choice != "ours") {
        ggml_sched::host::log_warning("GGML_SCHED is '" + choice + "'; it must be ours or stock. Using ours.");
    }
    return true;
}

bool is_ours(ggml_backend_sched_t sched) {
    return sched && sched->is_ours;
}

// Text that ggml's scheduler does not have
size_t no_text(char * buf, size_t size) {
    if (buf && size > 0) {
        buf[0] = '\0';
    }
    return 0;
}

} // namespace

ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                            int n_backends, size_t graph_size, bool parallel, bool op_offload) {
    std::unique_ptr<ggml_backend_sched> sched(new (std::nothrow) ggml_backend_sched{nullptr, environment_wants_ours()});
    if (!sched) {
        ggml_sched::host::log_error("out of host memory");
        return nullptr;
    }
    ggml_sched::host::log_debug(std::string("ggml-sched: scheduler made by ") + (sched->is_ours ? "ours" : "stock") +
                                "\n");
    const auto make = sched->is_ours ? ggml_ours_sched_new : ggml_stock_sched_new;
    sched->scheduler = make(backends, bufts, n_backends, graph_size, parallel, op_offload);
    return sched->scheduler ? sched.release() : nullptr;
}

void ggml_backend_sched_free(ggml_backend_sched_t sched) {
    if (sched) {
        call(ggml_stock_sched_free, ggml_ours_sched_free, sched);
        delete sched;
    }
}

bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, ggml_cgraph * measure_graph) {
    return call(ggml_stock_sched_reserve, ggml_ours_sched_reserve, sched, measure_graph);
}

int ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched) {
    return call(ggml_stock_sched_get_n_backends, ggml_ours_sched_get_n_backends, sched);
}

ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i) {
    return call(ggml_stock_sched_get_backend, ggml_ours_sched_get_backend, sched, i);
}

int ggml_backend_sched_get_n_splits(ggml_backend_sched_t sched) {
    return call(ggml_stock_sched_get_n_splits, ggml_ours_sched_get_n_splits, sched);
}

int ggml_backend_sched_get_n_copies(ggml_backend_sched_t sched) {
    return call(ggml_stock_sched_get_n_copies, ggml_ours_sched_get_n_copies, sched);
}

size_t ggml_backend_sched_get_buffer_size(ggml_backend_sched_t sched, ggml_backend_t backend) {
    return call(ggml_stock_sched_get_buffer_size, ggml_ours_sched_get_buffer_size, sched, backend);
}

void ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node, ggml_backend_t backend) {
    call(ggml_stock_sched_set_tensor_backend, ggml_ours_sched_set_tensor_backend, sched, node, backend);
}

ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node) {
    return call(ggml_stock_sched_get_tensor_backend, ggml_ours_sched_get_tensor_backend, sched, node);
}

bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return call(ggml_stock_sched_alloc_graph, ggml_ours_sched_alloc_graph, sched, graph);
}

ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return call(ggml_stock_sched_graph_compute, ggml_ours_sched_graph_compute, sched, graph);
}

ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return call(ggml_stock_sched_graph_compute_async, ggml_ours_sched_graph_compute_async, sched, graph);
}

void ggml_backend_sched_synchronize(ggml_backend_sched_t sched) {
    call(ggml_stock_sched_synchronize, ggml_ours_sched_synchronize, sched);
}

void ggml_backend_sched_reset(ggml_backend_sched_t sched) {
    call(ggml_stock_sched_reset, ggml_ours_sched_reset, sched);
}

void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched, ggml_backend_sched_eval_callback callback,
                                          void * user_data) {
    call(ggml_stock_sched_set_eval_callback, ggml_ours_sched_set_eval_callback, sched, callback, user_data);
}

// What only our scheduler has does nothing for ggml's.

void ggml_sched_set_sync_mode(ggml_backend_sched_t sched, ggml_sched_sync_mode mode) {
    if (is_ours(sched)) {
        ggml_ours_sched_set_sync_mode(sched->scheduler, mode);
    }
}

ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched) {
    return is_ours(sched) ? ggml_ours_sched_get_sync_mode(sched->scheduler) : GGML_SCHED_SYNC_SERIAL;
}

void ggml_sched_get_stats(ggml_backend_sched_t sched, ggml_sched_stats * stats) {
    if (is_ours(sched)) {
        ggml_ours_sched_get_stats(sched->scheduler, stats);
    } else if (stats) {
        *stats = {};
    }
}

void ggml_sched_reset_stats(ggml_backend_sched_t sched) {
    if (is_ours(sched)) {
        ggml_ours_sched_reset_stats(sched->scheduler);
    }
}

size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size) {
    return is_ours(sched) ? ggml_ours_sched_get_pattern(sched->scheduler, split, buf, size) : no_text(buf, size);
}

size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size) {
    return is_ours(sched) ? ggml_ours_sched_get_plan_text(sched->scheduler, buf, size) : no_text(buf, size);
}

void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify) {
    if (is_ours(sched)) {
        ggml_ours_sched_set_verify(sched->scheduler, verify);
    }
}

void ggml_sched_set_streaming(ggml_backend_sched_t sched, size_t budget_bytes, size_t lookahead_bytes) {
    if (is_ours(sched)) {
        ggml_ours_sched_set_streaming(sched->scheduler, budget_bytes, lookahead_bytes);
    }
}

void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep) {
    if (is_ours(sched)) {
        ggml_ours_sched_keep_weights(sched->scheduler, keep);
    }
}

bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path) {
    return is_ours(sched) && ggml_ours_sched_trace_start(sched->scheduler, path);
}

bool ggml_sched_trace_stop(ggml_backend_sched_t sched) {
    return is_ours(sched) && ggml_ours_sched_trace_stop(sched->scheduler);
}

const char * ggml_sched_get_error(ggml_backend_sched_t sched) {
    return is_ours(sched) ? ggml_ours_sched_get_error(sched->scheduler) : "";
}
