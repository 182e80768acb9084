// The functions of ggml's scheduler, as the engine sees them where this library is loaded before its ggml.
//
// A scheduler is ours or ggml's own from its birth. The functions tell which by the handle. They pass a call on ggml's
// scheduler to the ggml of the caller. That includes calls that ggml's scheduler makes of its own functions.

#include <atomic>
#include <new>
#include <string>
#include <type_traits>

#include "bound_ggml.h"
#include "fields.h"
#include "foreign.h"
#include "handle.h"
#include "host/log.h"
#include "host/switches.h"
#include "imports.h"
#include "schedulers.h"

using ggml_sched::attach::bind;
using ggml_sched::attach::BoundGgml;
using ggml_sched::attach::KnownScheduler;
using ggml_sched::attach::Schedulers;
using ggml_sched::attach::Scope;

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Declares our scheduler's functions. src/sched/capi.cpp is compiled with these names.
#define GGML_SCHED_DECLARE(name) extern "C" decltype(ggml_backend_sched_##name) ggml_ours_sched_##name;
GGML_SCHED_STOCK_FUNCTIONS(GGML_SCHED_DECLARE)
GGML_SCHED_LATE_STOCK_FUNCTIONS(GGML_SCHED_DECLARE)

namespace {

// Returns what a call returns that could not be passed on.
template <typename Result> Result failed() {
    if constexpr (std::is_same_v<Result, ggml_status>) {
        return GGML_STATUS_FAILED;
    } else {
        return Result();
    }
}

// Calls our function for a scheduler of ours, and otherwise the one of the scheduler's ggml, or of the caller's if the
// scheduler was made elsewhere. Fails if that ggml lacks the function.
template <typename Result, typename... Parameters, typename... Arguments>
Result dispatch(void * caller, ggml_sched::attach::StockIndex function,
                Result (*ours)(ggml_backend_sched_t, Parameters...), ggml_backend_sched_t sched,
                Arguments... arguments) {
    const KnownScheduler known = Schedulers::all().find(sched);
    if (known.is_ours) {
        const Scope scope(*known.ggml);
        return ours(sched, arguments...);
    }
    const BoundGgml * const ggml = known.ggml ? known.ggml : bind(caller);
    if (void * const stock = ggml ? ggml->stock[function] : nullptr) {
        return reinterpret_cast<decltype(ours)>(stock)(sched, arguments...);
    }
    ggml_sched::attach::log_line("a function of ggml's scheduler was called that was not found in any ggml");
    return failed<Result>();
}

// Returns the code by which a backend tells its name, the second word of its struct in every layout. A backend belongs
// to the ggml of its scheduler, whoever calls. NULL if there is no backend.
const void * code_of(ggml_backend_t * backends, int n_backends) {
    return backends && n_backends > 0 && backends[0]
               ? ggml_sched::attach::read_field<const void *>(backends[0], sizeof(void *))
               : nullptr;
}

// Returns true if some code in this process calls a function that only ggml's scheduler has. Says so once.
bool has_unknown_import() try {
    static std::atomic<bool> is_told = false;
    const std::string unknown = ggml_sched::attach::unknown_import();
    if (!unknown.empty() && !is_told.exchange(true)) {
        ggml_sched::attach::log_line(("not attached, ggml's scheduler is used: " + unknown).c_str());
    }
    return !unknown.empty();
} catch (const std::bad_alloc &) {
    return true; // It is not known that there is none.
}

// Returns true if the next scheduler for this ggml is to be ours, and says so in ggml's log. Says on stderr where the
// user gets ggml's own.
bool is_ours_chosen(const BoundGgml & ggml) try {
    if (!ggml.is_attached || has_unknown_import()) {
        return false;
    }
    const bool is_ours = ggml_sched::host::read_choice() != ggml_sched::host::Choice::Stock;
    ggml_sched::host::log_debug(is_ours ? "ggml-sched: scheduler made by ours\n"
                                        : "ggml-sched: scheduler made by stock\n");
    if (!is_ours) {
        ggml_sched::host::announce_scheduler("ggml's own");
    }
    return is_ours;
} catch (const std::bad_alloc &) {
    ggml_sched::attach::log_line("not attached, ggml's scheduler is used: out of host memory");
    return false;
}

} // namespace

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))
#define DISPATCH(name, ...) dispatch(CALLER, ggml_sched::attach::S_##name, ggml_ours_sched_##name, __VA_ARGS__)

EXPORTED ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                                     int n_backends, size_t graph_size, bool parallel,
                                                     bool op_offload) {
    const void * const code = code_of(backends, n_backends);
    const BoundGgml * ggml = code ? bind(code) : nullptr;
    ggml = ggml ? ggml : bind(CALLER);
    if (!ggml || !ggml->stock[ggml_sched::attach::S_new]) {
        ggml_sched::attach::log_line("no ggml was found behind ggml_backend_sched_new");
        return nullptr;
    }
    const Scope scope(*ggml);
    const bool is_ours = is_ours_chosen(*ggml);
    const auto make_stock = reinterpret_cast<decltype(&ggml_backend_sched_new)>(ggml->stock[ggml_sched::attach::S_new]);
    ggml_backend_sched_t const sched =
        (is_ours ? ggml_ours_sched_new : make_stock)(backends, bufts, n_backends, graph_size, parallel, op_offload);
    try {
        if (sched) {
            Schedulers::all().add(sched, ggml, is_ours);
        }
        return sched;
    } catch (const std::bad_alloc &) {
        ggml_sched::attach::log_line("out of host memory");
        const auto free_stock =
            reinterpret_cast<decltype(&ggml_backend_sched_free)>(ggml->stock[ggml_sched::attach::S_free]);
        (is_ours ? ggml_ours_sched_free : free_stock)(sched);
        return nullptr;
    }
}

EXPORTED void ggml_backend_sched_free(ggml_backend_sched_t sched) {
    const KnownScheduler known = Schedulers::all().find(sched);
    const BoundGgml * const ggml = known.ggml ? known.ggml : bind(CALLER);
    if (!ggml) {
        return;
    }
    const Scope scope(*ggml);
    if (known.is_ours) {
        // It stays known while it is freed, because the log callback may call. A callback cannot free it.
        const bool is_refused = sched->running != nullptr;
        ggml_ours_sched_free(sched);
        if (is_refused) {
            return;
        }
    } else if (void * const stock = ggml->stock[ggml_sched::attach::S_free]) {
        reinterpret_cast<decltype(&ggml_backend_sched_free)>(stock)(sched);
    }
    Schedulers::all().remove(sched, known.number);
}

EXPORTED bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, ggml_cgraph * measure_graph) {
    return DISPATCH(reserve, sched, measure_graph);
}

EXPORTED void ggml_backend_sched_reserve_size(ggml_backend_sched_t sched, ggml_cgraph * measure_graph, size_t * sizes) {
    DISPATCH(reserve_size, sched, measure_graph, sizes);
}

EXPORTED int ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched) {
    return DISPATCH(get_n_backends, sched);
}

EXPORTED ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i) {
    return DISPATCH(get_backend, sched, i);
}

EXPORTED int ggml_backend_sched_get_n_splits(ggml_backend_sched_t sched) {
    return DISPATCH(get_n_splits, sched);
}

EXPORTED int ggml_backend_sched_get_n_copies(ggml_backend_sched_t sched) {
    return DISPATCH(get_n_copies, sched);
}

EXPORTED ggml_backend_buffer_type_t ggml_backend_sched_get_buffer_type(ggml_backend_sched_t sched,
                                                                       ggml_backend_t backend) {
    return DISPATCH(get_buffer_type, sched, backend);
}

EXPORTED size_t ggml_backend_sched_get_buffer_size(ggml_backend_sched_t sched, ggml_backend_t backend) {
    return DISPATCH(get_buffer_size, sched, backend);
}

EXPORTED void ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node,
                                                    ggml_backend_t backend) {
    DISPATCH(set_tensor_backend, sched, node, backend);
}

EXPORTED ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, ggml_tensor * node) {
    return DISPATCH(get_tensor_backend, sched, node);
}

EXPORTED void ggml_backend_sched_split_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    DISPATCH(split_graph, sched, graph);
}

EXPORTED bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return DISPATCH(alloc_graph, sched, graph);
}

EXPORTED ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return DISPATCH(graph_compute, sched, graph);
}

EXPORTED ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    return DISPATCH(graph_compute_async, sched, graph);
}

EXPORTED void ggml_backend_sched_synchronize(ggml_backend_sched_t sched) {
    DISPATCH(synchronize, sched);
}

EXPORTED void ggml_backend_sched_reset(ggml_backend_sched_t sched) {
    DISPATCH(reset, sched);
}

EXPORTED void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched,
                                                   ggml_backend_sched_eval_callback callback, void * user_data) {
    DISPATCH(set_eval_callback, sched, callback, user_data);
}

EXPORTED void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched,
                                                   ggml_backend_sched_copy_callback callback, void * user_data) {
    DISPATCH(set_copy_callback, sched, callback, user_data);
}

EXPORTED void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched,
                                                      ggml_backend_sched_realloc_callback callback, void * user_data) {
    DISPATCH(set_realloc_callback, sched, callback, user_data);
}
