// The C API: finds the Scheduler of a handle, and turns its Status into what ggml's signatures allow. No exception
// leaves this file.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

#include "call_guards.h"
#include "ggml-sched.h"
#include "handle.h"
#include "host/log.h"
#include "host/switches.h"
#include "observe/stream_text.h"

namespace {

using ggml_sched::guarded;
using ggml_sched::is_valid;
using ggml_sched::kName;
using ggml_sched::kOutOfMemory;
using ggml_sched::read_params;
using ggml_sched::Scheduler;
using ggml_sched::set_level;
using ggml_sched::Status;
using ggml_sched::text_of;
using ggml_sched::write_text;

constexpr const char * kVersion = kName + sizeof("ggml-sched");

Status read_params(const ggml_sched_stream_params * params, ggml_sched::StreamSettings & settings) {
    ggml_sched_stream_params known = {};
    constexpr size_t kLeast = offsetof(ggml_sched_stream_params, lookahead_bytes) + sizeof(known.lookahead_bytes);
    Status status = read_params("set_streaming", "ggml_sched_stream_default_params", params, kLeast, known);
    settings.budget = known.budget_bytes;
    settings.lookahead = known.lookahead_bytes == GGML_SCHED_STREAM_AUTO ? 0 : known.lookahead_bytes;
    return status;
}

} // namespace

const char * ggml_sched_version(void) {
    return kVersion;
}

ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                            int n_backends, size_t /* graph_size */, bool parallel, bool op_offload) {
    try {
        Status status;
        auto sched = std::make_unique<ggml_backend_sched>();
        const Scheduler::Options options = {parallel, op_offload};
        sched->scheduler = Scheduler::create(backends, bufts, n_backends, options, status);
        if (!sched->scheduler) {
            ggml_sched::host::log_error(status.message);
            return nullptr;
        }
        sched->error.reserve(std::strlen(kOutOfMemory));
        ggml_sched::host::announce_scheduler(kName);
        return sched.release();
    } catch (const std::bad_alloc &) {
        ggml_sched::host::log_error("out of host memory");
        return nullptr;
    }
}

void ggml_backend_sched_free(ggml_backend_sched_t sched) {
    if (!sched) {
        return;
    }
    const char * running = nullptr;
    if (!sched->running.compare_exchange_strong(running, __func__)) {
        ggml_sched::host::log_error(std::string(__func__) + " was called while " + running +
                                    " runs, and frees nothing; call it after that has returned");
        return;
    }
    sched->scheduler->end_trace(); // It may log, and the log callback may call, so `running` is set.
    delete sched;
}

void ggml_backend_sched_reserve_size(ggml_backend_sched_t sched, ggml_cgraph * measure_graph, size_t * sizes) {
    if (sched && sizes) {
        std::memset(sizes, 0, sched->scheduler->backends().size() * sizeof(*sizes));
    }
    guarded(sched, __func__, [&](Scheduler & scheduler) {
        if (!sizes) {
            return Status::failed("reserve_size needs an array for the sizes");
        }
        return scheduler.reserve_size(measure_graph, sizes);
    });
}

bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, ggml_cgraph * measure_graph) {
    return guarded(sched, __func__, [&](Scheduler & scheduler) { return scheduler.reserve(measure_graph); }) ==
           GGML_STATUS_SUCCESS;
}

int ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched) {
    return is_valid(sched, __func__) ? static_cast<int>(sched->scheduler->backends().size()) : 0;
}

ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i) {
    if (i < 0 || i >= ggml_backend_sched_get_n_backends(sched)) {
        return nullptr;
    }
    return sched->scheduler->backends()[i].handle;
}

int ggml_backend_sched_get_n_splits(ggml_backend_sched_t sched) {
    return is_valid(sched, __func__) ? sched->scheduler->n_splits() : 0;
}

int ggml_backend_sched_get_n_copies(ggml_backend_sched_t sched) {
    return is_valid(sched, __func__) ? sched->scheduler->n_copies() : 0;
}

ggml_backend_buffer_type_t ggml_backend_sched_get_buffer_type(ggml_backend_sched_t sched, ggml_backend_t backend) {
    const int index = is_valid(sched, __func__) ? sched->scheduler->index_of(backend) : -1;
    return index < 0 ? nullptr : sched->scheduler->backends()[index].buft;
}

size_t ggml_backend_sched_get_buffer_size(ggml_backend_sched_t sched, ggml_backend_t backend) {
    const int index = is_valid(sched, __func__) ? sched->scheduler->index_of(backend) : -1;
    return index < 0 ? 0 : sched->scheduler->buffer_size(index);
}

void ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node, ggml_backend_t backend) {
    guarded(sched, __func__, [&](Scheduler & scheduler) { return scheduler.assign_by_user(node, backend); });
}

ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node) {
    return is_valid(sched, __func__) && node ? sched->scheduler->backend_of(node) : nullptr;
}

void ggml_backend_sched_split_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    guarded(sched, __func__, [&](Scheduler & scheduler) { return scheduler.split(graph); });
}

bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return guarded(sched, __func__, [&](Scheduler & scheduler) { return scheduler.allocate(graph); }) ==
           GGML_STATUS_SUCCESS;
}

ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return guarded(sched, __func__, [&](Scheduler & scheduler) { return scheduler.compute(graph); });
}

ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return guarded(sched, __func__, [&](Scheduler & scheduler) { return scheduler.compute_async(graph); });
}

void ggml_backend_sched_synchronize(ggml_backend_sched_t sched) {
    if (sched && sched->running) {
        sched->scheduler->wait(); // A callback wants to read results.
        return;
    }
    guarded(sched, __func__, [](Scheduler & scheduler) { return scheduler.synchronize(); });
}

void ggml_backend_sched_reset(ggml_backend_sched_t sched) {
    guarded(sched, __func__, [](Scheduler & scheduler) {
        scheduler.reset();
        return Status{};
    });
}

void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched, ggml_backend_sched_eval_callback callback,
                                          void * user_data) {
    if (is_valid(sched, __func__)) {
        sched->scheduler->set_observer({callback, user_data});
    }
}

// The types of the two callbacks are written out, because older versions of ggml do not declare them.

void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched,
                                          bool (*callback)(ggml_backend_t backend, const ggml_tensor * src,
                                                           ggml_tensor * dst, ggml_cgraph * graph, void * user_data),
                                          void * user_data) {
    if (is_valid(sched, __func__)) {
        sched->scheduler->set_copy_callback({callback, user_data});
    }
}

void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched,
                                             void (*callback)(ggml_backend_sched_t sched, ggml_cgraph * graph,
                                                              bool backend_ids_changed, bool size_changed,
                                                              void * user_data),
                                             void * user_data) {
    if (is_valid(sched, __func__)) {
        sched->scheduler->set_realloc_callback({callback, sched, user_data});
    }
}

void ggml_sched_unalloc_graph(ggml_backend_sched_t sched) {
    guarded(sched, __func__, [](Scheduler & scheduler) {
        scheduler.unallocate();
        return Status{};
    });
}

void ggml_sched_set_sync_mode(ggml_backend_sched_t sched, ggml_sched_sync_mode mode) {
    int value = 0; // C may pass any number. It must not be read as an enumerator before it is known to be one.
    static_assert(sizeof(value) == sizeof(mode), "the bytes are copied");
    std::memcpy(&value, &mode, sizeof(value));
    if (is_valid(sched, __func__) && value >= GGML_SCHED_SYNC_AUTO && value <= GGML_SCHED_SYNC_SERIAL) {
        sched->scheduler->set_sync_mode(mode);
        if (!sched->running) { // A callback may call this.
            sched->error.clear();
        }
    } else if (sched) {
        guarded(sched, __func__, [&](Scheduler & /*scheduler*/) {
            return Status::failed("there is no synchronization mode " + std::to_string(value) +
                                  "; use GGML_SCHED_SYNC_AUTO, _BARRIER or _SERIAL");
        });
    }
}

ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched) {
    return is_valid(sched, __func__) ? sched->scheduler->sync_mode() : GGML_SCHED_SYNC_AUTO;
}

void ggml_sched_get_stats(ggml_backend_sched_t sched, ggml_sched_stats * stats, size_t size) {
    if (stats) {
        std::memset(static_cast<void *>(stats), 0, size);
    }
    if (is_valid(sched, __func__) && stats) {
        std::memcpy(stats, &sched->scheduler->stats(), std::min(size, sizeof(*stats)));
    }
}

void ggml_sched_reset_stats(ggml_backend_sched_t sched) {
    if (is_valid(sched, __func__)) {
        sched->scheduler->reset_stats();
    }
}

int ggml_sched_get_expert_stats(ggml_backend_sched_t sched, ggml_sched_expert_stats * stats, int n, size_t stats_size) {
    if (stats && n > 0) {
        std::memset(static_cast<void *>(stats), 0, static_cast<size_t>(n) * stats_size);
    }
    return is_valid(sched, __func__) ? sched->scheduler->write_expert_stats(stats, stats ? n : 0, stats_size) : 0;
}

const char * ggml_sched_stream_decision_text(uint64_t decision) {
    return ggml_sched::text_of(decision);
}

size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size) {
    return write_text(text_of(sched, __func__, [&](Scheduler & scheduler) { return scheduler.pattern(split); }), buf,
                      size);
}

size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size) {
    return write_text(text_of(sched, __func__, [](Scheduler & scheduler) { return scheduler.plan_text(); }), buf, size);
}

void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify) {
    if (is_valid(sched, __func__)) {
        sched->scheduler->set_verify(verify);
    }
}

void ggml_sched_set_reuse(ggml_backend_sched_t sched, bool reuse) {
    guarded(sched, __func__, [&](Scheduler & scheduler) {
        scheduler.set_reuse(reuse);
        return Status{};
    });
}

void ggml_sched_set_debug(ggml_backend_sched_t sched, int level) {
    set_level(sched, __func__, level, [&](Scheduler & scheduler) { scheduler.set_debug(level); });
}

void ggml_sched_set_debug_realloc(ggml_backend_sched_t sched, int level) {
    set_level(sched, __func__, level, [&](Scheduler & scheduler) {
        scheduler.set_realloc_check(static_cast<ggml_sched::ReallocCheck>(level));
    });
}

void ggml_sched_set_streaming(ggml_backend_sched_t sched, const ggml_sched_stream_params * params) {
    guarded(sched, __func__, [&](Scheduler & scheduler) {
        ggml_sched::StreamSettings settings;
        Status status = read_params(params, settings);
        if (status.ok()) {
            scheduler.set_streaming(settings);
        } else {
            scheduler.reset();
        }
        return status;
    });
}

void ggml_sched_set_experts(ggml_backend_sched_t sched, const ggml_sched_expert_params * params) {
    guarded(sched, __func__, [&](Scheduler & scheduler) {
        ggml_sched_expert_params known = {};
        constexpr size_t kLeast = offsetof(ggml_sched_expert_params, budget_bytes) + sizeof(known.budget_bytes);
        Status status = read_params("set_experts", "ggml_sched_expert_default_params", params, kLeast, known);
        if (status.ok()) {
            status = scheduler.set_experts(known);
        }
        if (!status.ok()) {
            scheduler.reset();
        }
        return status;
    });
}

void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep) {
    guarded(sched, __func__, [&](Scheduler & scheduler) {
        scheduler.keep_weights(keep);
        return Status{};
    });
}

bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path) {
    return guarded(sched, __func__, [&](Scheduler & scheduler) {
               if (!path || path[0] == '\0') {
                   scheduler.end_trace();
                   return Status::failed("ggml_sched_trace_start needs the path of a file to write");
               }
               return scheduler.start_trace(path);
           }) == GGML_STATUS_SUCCESS;
}

bool ggml_sched_trace_stop(ggml_backend_sched_t sched) {
    return guarded(sched, __func__, [](Scheduler & scheduler) { return scheduler.stop_trace(); }) ==
           GGML_STATUS_SUCCESS;
}

const char * ggml_sched_get_error(ggml_backend_sched_t sched) {
    return sched ? sched->error.c_str() : "the scheduler is NULL";
}
