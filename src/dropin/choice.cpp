#include "choice.h"

#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "ggml-sched.h"
#include "host/log.h"
#include "host/switches.h"

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
decltype(ggml_sched_version) ggml_ours_sched_version;
decltype(ggml_sched_stream_decision_text) ggml_ours_sched_stream_decision_text;
decltype(ggml_sched_set_sync_mode) ggml_ours_sched_set_sync_mode;
decltype(ggml_sched_get_sync_mode) ggml_ours_sched_get_sync_mode;
decltype(ggml_sched_get_stats) ggml_ours_sched_get_stats;
decltype(ggml_sched_reset_stats) ggml_ours_sched_reset_stats;
decltype(ggml_sched_get_expert_stats) ggml_ours_sched_get_expert_stats;
decltype(ggml_sched_get_pattern) ggml_ours_sched_get_pattern;
decltype(ggml_sched_get_plan_text) ggml_ours_sched_get_plan_text;
decltype(ggml_sched_set_verify) ggml_ours_sched_set_verify;
decltype(ggml_sched_set_reuse) ggml_ours_sched_set_reuse;
decltype(ggml_sched_set_debug) ggml_ours_sched_set_debug;
decltype(ggml_sched_set_debug_realloc) ggml_ours_sched_set_debug_realloc;
decltype(ggml_sched_set_streaming) ggml_ours_sched_set_streaming;
decltype(ggml_sched_set_experts) ggml_ours_sched_set_experts;
decltype(ggml_sched_keep_weights) ggml_ours_sched_keep_weights;
decltype(ggml_sched_trace_start) ggml_ours_sched_trace_start;
decltype(ggml_sched_trace_stop) ggml_ours_sched_trace_stop;
decltype(ggml_sched_unalloc_graph) ggml_ours_sched_unalloc_graph;
decltype(ggml_sched_get_error) ggml_ours_sched_get_error;
}

namespace {

using ggml_sched::call;
using ggml_sched::Record;
using ggml_sched::record_of;
using ggml_sched::Running;
using ggml_sched::host::Choice;

void log_out_of_memory() {
    ggml_sched::host::log_error("out of host memory");
}

// Notes what ggml's scheduler must know if it takes over. Returns false, with an error in the log, if memory runs out.
template <typename Note> bool note(ggml_backend_sched_t sched, Note note_in) {
    Record * record = record_of(sched);
    if (!record) {
        return true;
    }
    try {
        note_in(*record);
        return true;
    } catch (const std::bad_alloc &) {
        log_out_of_memory();
        return false;
    }
}

void note_reset(ggml_backend_sched_t sched) {
    if (Record * record = record_of(sched)) {
        record->reset();
    }
}

// Calls one of the two functions that compute a graph.
template <typename Compute>
ggml_status compute(Compute * stock, Compute * ours, ggml_backend_sched_t sched, ggml_cgraph * graph) {
    const Running running(sched);
    const bool noted = note(sched, [graph](Record & record) {
        if (record.graph && !record.is_allocated(graph)) {
            record.forget_graph(); // Our scheduler forgets it, too.
        }
        record.begin_allocation(graph);
    });
    if (!noted) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    const ggml_status status = call(stock, ours, sched, graph);
    if (Record * record = record_of(sched)) {
        record->end_run(graph, status);
    }
    return status;
}

void give_eval_callback(ggml_backend_sched & sched) {
    const auto callback = reinterpret_cast<ggml_backend_sched_eval_callback>(sched.callbacks.eval.function);
    call(ggml_stock_sched_set_eval_callback, ggml_ours_sched_set_eval_callback, &sched, callback,
         sched.callbacks.eval.user_data);
}

bool is_ours(ggml_backend_sched_t sched) {
    return sched && sched->is_ours;
}

// Calls a function that only our scheduler has. Does nothing for one of ggml's.
template <typename... Parameters, typename... Arguments>
void call_ours(void (*function)(ggml_backend_sched_t, Parameters...), ggml_backend_sched_t sched,
               Arguments... arguments) {
    if (is_ours(sched)) {
        function(sched->scheduler, arguments...);
    }
}

// Writes the text "", for a scheduler of ggml's, and returns its length.
size_t no_text(char * buf, size_t size) {
    if (buf && size > 0) {
        buf[0] = '\0';
    }
    return 0;
}

} // namespace

ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                            int n_backends, size_t graph_size, bool parallel, bool op_offload) {
    try {
        const Choice choice = ggml_sched::host::read_choice();
        auto sched = std::make_unique<ggml_backend_sched>();
        sched->is_ours = choice != Choice::Stock;
        sched->stays_ours = choice == Choice::Ours;
        ggml_sched::host::log_debug(std::string("ggml-sched: scheduler made by ") +
                                    (sched->is_ours ? "ours" : "stock") + "\n");
        if (backends && n_backends > 0) {
            ggml_sched::Arguments & arguments = sched->record.arguments;
            arguments.backends.assign(backends, backends + n_backends);
            if (bufts) {
                arguments.bufts.assign(bufts, bufts + n_backends);
            }
            arguments.graph_size = graph_size;
            arguments.parallel = parallel;
            arguments.op_offload = op_offload;
        }
        const auto make = sched->is_ours ? ggml_ours_sched_new : ggml_stock_sched_new;
        sched->scheduler = make(backends, bufts, n_backends, graph_size, parallel, op_offload);
        if (sched->scheduler && !sched->is_ours) {
            ggml_sched::host::announce_scheduler("ggml's own");
        }
        return sched->scheduler ? sched.release() : nullptr;
    } catch (const std::bad_alloc &) {
        log_out_of_memory();
        return nullptr;
    }
}

void ggml_backend_sched_free(ggml_backend_sched_t sched) {
    if (!sched) {
        return;
    }
    call(ggml_stock_sched_free, ggml_ours_sched_free, sched);
    const bool is_refused = sched->is_ours && sched->n_running > 0; // Our scheduler frees nothing in a callback.
    if (!is_refused) {
        delete sched;
    }
}

bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, ggml_cgraph * measure_graph) {
    const Running running(sched);
    note_reset(sched); // Our scheduler resets, whether it fails or not.
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
    const Running running(sched);
    if (note(sched, [=](Record & record) { record.assign(node, backend); })) {
        call(ggml_stock_sched_set_tensor_backend, ggml_ours_sched_set_tensor_backend, sched, node, backend);
    }
}

ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node) {
    return call(ggml_stock_sched_get_tensor_backend, ggml_ours_sched_get_tensor_backend, sched, node);
}

bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    const Running running(sched);
    if (!note(sched, [=](Record & record) { record.begin_allocation(graph); })) {
        return false;
    }
    const bool succeeded = call(ggml_stock_sched_alloc_graph, ggml_ours_sched_alloc_graph, sched, graph);
    if (Record * record = record_of(sched)) {
        record->end_allocation(graph, succeeded);
    }
    return succeeded;
}

ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return compute(ggml_stock_sched_graph_compute, ggml_ours_sched_graph_compute, sched, graph);
}

ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return compute(ggml_stock_sched_graph_compute_async, ggml_ours_sched_graph_compute_async, sched, graph);
}

void ggml_backend_sched_synchronize(ggml_backend_sched_t sched) {
    call(ggml_stock_sched_synchronize, ggml_ours_sched_synchronize, sched);
}

void ggml_backend_sched_reset(ggml_backend_sched_t sched) {
    const Running running(sched);
    note_reset(sched);
    call(ggml_stock_sched_reset, ggml_ours_sched_reset, sched);
}

void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched, ggml_backend_sched_eval_callback callback,
                                          void * user_data) {
    if (!sched) {
        ggml_ours_sched_set_eval_callback(nullptr, callback, user_data); // It logs that the scheduler is NULL.
        return;
    }
    ggml_sched::set_callback(*sched, sched->callbacks.eval, give_eval_callback, callback, user_data);
}

// The functions of ggml-sched.h do nothing for a scheduler of ggml's.

const char * ggml_sched_version(void) {
    return ggml_ours_sched_version();
}

const char * ggml_sched_stream_decision_text(uint64_t decision) {
    return ggml_ours_sched_stream_decision_text(decision);
}

void ggml_sched_set_sync_mode(ggml_backend_sched_t sched, ggml_sched_sync_mode mode) {
    call_ours(ggml_ours_sched_set_sync_mode, sched, mode);
}

ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched) {
    return is_ours(sched) ? ggml_ours_sched_get_sync_mode(sched->scheduler) : GGML_SCHED_SYNC_SERIAL;
}

void ggml_sched_get_stats(ggml_backend_sched_t sched, ggml_sched_stats * stats, size_t size) {
    if (is_ours(sched)) {
        ggml_ours_sched_get_stats(sched->scheduler, stats, size);
    } else if (stats) {
        std::memset(static_cast<void *>(stats), 0, size);
    }
}

void ggml_sched_reset_stats(ggml_backend_sched_t sched) {
    call_ours(ggml_ours_sched_reset_stats, sched);
}

int ggml_sched_get_expert_stats(ggml_backend_sched_t sched, ggml_sched_expert_stats * stats, int n, size_t stats_size) {
    if (is_ours(sched)) {
        return ggml_ours_sched_get_expert_stats(sched->scheduler, stats, n, stats_size);
    }
    if (stats && n > 0) {
        std::memset(static_cast<void *>(stats), 0, static_cast<size_t>(n) * stats_size);
    }
    return 0;
}

size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size) {
    return is_ours(sched) ? ggml_ours_sched_get_pattern(sched->scheduler, split, buf, size) : no_text(buf, size);
}

size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size) {
    return is_ours(sched) ? ggml_ours_sched_get_plan_text(sched->scheduler, buf, size) : no_text(buf, size);
}

void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify) {
    call_ours(ggml_ours_sched_set_verify, sched, verify);
}

void ggml_sched_set_reuse(ggml_backend_sched_t sched, bool reuse) {
    call_ours(ggml_ours_sched_set_reuse, sched, reuse);
}

void ggml_sched_set_debug(ggml_backend_sched_t sched, int level) {
    call_ours(ggml_ours_sched_set_debug, sched, level);
}

void ggml_sched_set_debug_realloc(ggml_backend_sched_t sched, int level) {
    call_ours(ggml_ours_sched_set_debug_realloc, sched, level);
}

void ggml_sched_set_streaming(ggml_backend_sched_t sched, const ggml_sched_stream_params * params) {
    if (is_ours(sched)) {
        const Running running(sched);
        note_reset(sched);
        ggml_ours_sched_set_streaming(sched->scheduler, params);
    }
}

void ggml_sched_set_experts(ggml_backend_sched_t sched, const ggml_sched_expert_params * params) {
    if (is_ours(sched)) {
        const Running running(sched);
        note_reset(sched);
        ggml_ours_sched_set_experts(sched->scheduler, params);
    }
}

void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep) {
    call_ours(ggml_ours_sched_keep_weights, sched, keep);
}

bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path) {
    return is_ours(sched) && ggml_ours_sched_trace_start(sched->scheduler, path);
}

bool ggml_sched_trace_stop(ggml_backend_sched_t sched) {
    return is_ours(sched) && ggml_ours_sched_trace_stop(sched->scheduler);
}

void ggml_sched_unalloc_graph(ggml_backend_sched_t sched) {
    if (is_ours(sched)) {
        const Running running(sched);
        note_reset(sched);
        ggml_ours_sched_unalloc_graph(sched->scheduler);
    }
}

const char * ggml_sched_get_error(ggml_backend_sched_t sched) {
    return is_ours(sched) ? ggml_ours_sched_get_error(sched->scheduler) : "";
}
