// The functions of ggml-sched.h, for a program that looks for them. They do nothing for a scheduler of ggml's.

#include "ggml-sched.h"

#include <dlfcn.h>

#include <cstring>

#include "schedulers.h"

using ggml_sched::attach::KnownScheduler;
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
GGML_SCHED_DECLARE(get_expert_stats)
GGML_SCHED_DECLARE(get_pattern)
GGML_SCHED_DECLARE(get_plan_text)
GGML_SCHED_DECLARE(set_verify)
GGML_SCHED_DECLARE(set_reuse)
GGML_SCHED_DECLARE(set_debug)
GGML_SCHED_DECLARE(set_debug_realloc)
GGML_SCHED_DECLARE(trace_start)
GGML_SCHED_DECLARE(trace_stop)
GGML_SCHED_DECLARE(set_streaming)
GGML_SCHED_DECLARE(set_experts)
GGML_SCHED_DECLARE(keep_weights)
GGML_SCHED_DECLARE(unalloc_graph)
GGML_SCHED_DECLARE(get_error)
#undef GGML_SCHED_DECLARE
}

namespace {

// Returns the function of a ggml that has ggml-sched in it already, for a scheduler that it has made. NULL if there is
// none.
void * function_of_its_own(const KnownScheduler & known, const char * name) {
    return known.ggml && known.ggml->handle ? dlsym(known.ggml->handle, name) : nullptr;
}

// Calls our function for a scheduler of ours, and the one of the ggml itself if it has one. Otherwise returns
// `otherwise`.
template <typename Result, typename... Parameters, typename... Arguments>
Result call_or(Result otherwise, Result (*ours)(ggml_backend_sched_t, Parameters...), const char * name,
               ggml_backend_sched_t sched, Arguments... arguments) {
    const KnownScheduler known = Schedulers::all().find(sched);
    if (known.is_ours) {
        const Scope scope(*known.ggml);
        return ours(sched, arguments...);
    }
    void * const its_own = function_of_its_own(known, name);
    return its_own ? reinterpret_cast<decltype(ours)>(its_own)(sched, arguments...) : otherwise;
}

template <typename... Parameters, typename... Arguments>
void call(void (*ours)(ggml_backend_sched_t, Parameters...), const char * name, ggml_backend_sched_t sched,
          Arguments... arguments) {
    const KnownScheduler known = Schedulers::all().find(sched);
    if (known.is_ours) {
        const Scope scope(*known.ggml);
        ours(sched, arguments...);
    } else if (void * const its_own = function_of_its_own(known, name)) {
        reinterpret_cast<decltype(ours)>(its_own)(sched, arguments...);
    }
}

} // namespace

#define CALL(function, ...) call(ggml_ours_sched_##function, "ggml_sched_" #function, __VA_ARGS__)
#define CALL_OR(otherwise, function, ...)                                                                              \
    call_or(otherwise, ggml_ours_sched_##function, "ggml_sched_" #function, __VA_ARGS__)

EXPORTED const char * ggml_sched_version(void) {
    return ggml_ours_sched_version();
}

EXPORTED const char * ggml_sched_stream_decision_text(uint64_t decision) {
    return ggml_ours_sched_stream_decision_text(decision);
}

EXPORTED void ggml_sched_set_sync_mode(ggml_backend_sched_t sched, ggml_sched_sync_mode mode) {
    CALL(set_sync_mode, sched, mode);
}

EXPORTED ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched) {
    return CALL_OR(GGML_SCHED_SYNC_SERIAL, get_sync_mode, sched);
}

EXPORTED void ggml_sched_get_stats(ggml_backend_sched_t sched, ggml_sched_stats * stats, size_t size) {
    if (stats) {
        std::memset(static_cast<void *>(stats), 0, size);
    }
    CALL(get_stats, sched, stats, size);
}

EXPORTED void ggml_sched_reset_stats(ggml_backend_sched_t sched) {
    CALL(reset_stats, sched);
}

EXPORTED int ggml_sched_get_expert_stats(ggml_backend_sched_t sched, ggml_sched_expert_stats * stats, int n,
                                         size_t stats_size) {
    if (stats && n > 0) {
        std::memset(static_cast<void *>(stats), 0, static_cast<size_t>(n) * stats_size);
    }
    return CALL_OR(0, get_expert_stats, sched, stats, n, stats_size);
}

EXPORTED size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size) {
    return CALL_OR(size_t{0}, get_pattern, sched, split, buf, size);
}

EXPORTED size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size) {
    return CALL_OR(size_t{0}, get_plan_text, sched, buf, size);
}

EXPORTED void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify) {
    CALL(set_verify, sched, verify);
}

EXPORTED void ggml_sched_set_reuse(ggml_backend_sched_t sched, bool reuse) {
    CALL(set_reuse, sched, reuse);
}

EXPORTED void ggml_sched_set_debug(ggml_backend_sched_t sched, int level) {
    CALL(set_debug, sched, level);
}

EXPORTED void ggml_sched_set_debug_realloc(ggml_backend_sched_t sched, int level) {
    CALL(set_debug_realloc, sched, level);
}

EXPORTED bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path) {
    return CALL_OR(false, trace_start, sched, path);
}

EXPORTED bool ggml_sched_trace_stop(ggml_backend_sched_t sched) {
    return CALL_OR(false, trace_stop, sched);
}

EXPORTED void ggml_sched_set_streaming(ggml_backend_sched_t sched, const ggml_sched_stream_params * params) {
    CALL(set_streaming, sched, params);
}

EXPORTED void ggml_sched_set_experts(ggml_backend_sched_t sched, const ggml_sched_expert_params * params) {
    CALL(set_experts, sched, params);
}

EXPORTED void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep) {
    CALL(keep_weights, sched, keep);
}

EXPORTED void ggml_sched_unalloc_graph(ggml_backend_sched_t sched) {
    CALL(unalloc_graph, sched);
}

EXPORTED const char * ggml_sched_get_error(ggml_backend_sched_t sched) {
    return CALL_OR(static_cast<const char *>(""), get_error, sched);
}
