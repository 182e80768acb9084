// The functions of ggml-sched.h, for a program that looks for them. They do nothing for a scheduler of ggml's.

#include "ggml-sched.h"

#include <cstring>

#include "schedulers.h"

using ggml_sched::attach::Schedulers;
using ggml_sched::attach::Scope;

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Declares our scheduler's functions. src/sched/capi.cpp is compiled with these names.
extern "C" {
#define GGML_SCHED_DECLARE(name) decltype(ggml_sched_##name) ggml_ours_sched_##name;
GGML_SCHED_DECLARE(version)
GGML_SCHED_DECLARE(set_sync_mode)
GGML_SCHED_DECLARE(get_sync_mode)
GGML_SCHED_DECLARE(stream_decision_text)
GGML_SCHED_DECLARE(get_stats)
GGML_SCHED_DECLARE(reset_stats)
GGML_SCHED_DECLARE(get_pattern)
GGML_SCHED_DECLARE(get_plan_text)
GGML_SCHED_DECLARE(set_verify)
GGML_SCHED_DECLARE(set_reuse)
GGML_SCHED_DECLARE(set_debug)
GGML_SCHED_DECLARE(set_debug_realloc)
GGML_SCHED_DECLARE(trace_start)
GGML_SCHED_DECLARE(trace_stop)
GGML_SCHED_DECLARE(set_streaming)
GGML_SCHED_DECLARE(keep_weights)
GGML_SCHED_DECLARE(unalloc_graph)
GGML_SCHED_DECLARE(get_error)
#undef GGML_SCHED_DECLARE
}

namespace {

// Calls our function for a scheduler of ours. Returns `otherwise` for one of ggml's.
template <typename Result, typename... Parameters, typename... Arguments>
Result call_or(Result otherwise, Result (*ours)(ggml_backend_sched_t, Parameters...), ggml_backend_sched_t sched,
               Arguments... arguments) {
    const auto * const ggml = Schedulers::all().ggml_of_ours(sched);
    if (!ggml) {
        return otherwise;
    }
    const Scope scope(*ggml);
    return ours(sched, arguments...);
}

template <typename... Parameters, typename... Arguments>
void call(void (*ours)(ggml_backend_sched_t, Parameters...), ggml_backend_sched_t sched, Arguments... arguments) {
    if (const auto * const ggml = Schedulers::all().ggml_of_ours(sched)) {
        const Scope scope(*ggml);
        ours(sched, arguments...);
    }
}

} // namespace

EXPORTED const char * ggml_sched_version(void) {
    return ggml_ours_sched_version();
}

EXPORTED const char * ggml_sched_stream_decision_text(uint64_t decision) {
    return ggml_ours_sched_stream_decision_text(decision);
}

EXPORTED void ggml_sched_set_sync_mode(ggml_backend_sched_t sched, ggml_sched_sync_mode mode) {
    call(ggml_ours_sched_set_sync_mode, sched, mode);
}

EXPORTED ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched) {
    return call_or(GGML_SCHED_SYNC_SERIAL, ggml_ours_sched_get_sync_mode, sched);
}

EXPORTED void ggml_sched_get_stats(ggml_backend_sched_t sched, ggml_sched_stats * stats, size_t size) {
    if (stats) {
        std::memset(static_cast<void *>(stats), 0, size);
    }
    call(ggml_ours_sched_get_stats, sched, stats, size);
}

EXPORTED void ggml_sched_reset_stats(ggml_backend_sched_t sched) {
    call(ggml_ours_sched_reset_stats, sched);
}

EXPORTED size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size) {
    return call_or(size_t{0}, ggml_ours_sched_get_pattern, sched, split, buf, size);
}

EXPORTED size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size) {
    return call_or(size_t{0}, ggml_ours_sched_get_plan_text, sched, buf, size);
}

EXPORTED void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify) {
    call(ggml_ours_sched_set_verify, sched, verify);
}

EXPORTED void ggml_sched_set_reuse(ggml_backend_sched_t sched, bool reuse) {
    call(ggml_ours_sched_set_reuse, sched, reuse);
}

EXPORTED void ggml_sched_set_debug(ggml_backend_sched_t sched, int level) {
    call(ggml_ours_sched_set_debug, sched, level);
}

EXPORTED void ggml_sched_set_debug_realloc(ggml_backend_sched_t sched, int level) {
    call(ggml_ours_sched_set_debug_realloc, sched, level);
}

EXPORTED bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path) {
    return call_or(false, ggml_ours_sched_trace_start, sched, path);
}

EXPORTED bool ggml_sched_trace_stop(ggml_backend_sched_t sched) {
    return call_or(false, ggml_ours_sched_trace_stop, sched);
}

EXPORTED void ggml_sched_set_streaming(ggml_backend_sched_t sched, const ggml_sched_stream_params * params) {
    call(ggml_ours_sched_set_streaming, sched, params);
}

EXPORTED void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep) {
    call(ggml_ours_sched_keep_weights, sched, keep);
}

EXPORTED void ggml_sched_unalloc_graph(ggml_backend_sched_t sched) {
    call(ggml_ours_sched_unalloc_graph, sched);
}

EXPORTED const char * ggml_sched_get_error(ggml_backend_sched_t sched) {
    return call_or<const char *>("", ggml_ours_sched_get_error, sched);
}
