// The forwarders that cmake/ggml-sched-forward.cmake writes call these functions. A forwarder passes a function that
// ggml-sched does not have on to ggml's own scheduler. Each function returns zero where the call could not be passed
// on.

#pragma once

#include <initializer_list>

#include "become_stock.h"

namespace ggml_sched {

using Schedulers = std::initializer_list<const ggml_backend_sched *>;

// Passes on a call with these schedulers, which become ggml's own first.
template <typename Call> auto forward(const char * function, Schedulers schedulers, Call call) -> decltype(call()) {
    return become_stock(function, schedulers) ? call() : decltype(call())();
}

// Returns the engine's handle for a scheduler that ggml has made. A scheduler that one of `given` has is not wrapped
// again.
ggml_backend_sched_t wrap_stock(const char * function, Schedulers given, ggml_backend_sched_t stock);

// True if a scheduler may be ggml's own from its making on. Warns, if the user has not asked for it; false, with an
// error in the log, for GGML_SCHED=ours.
bool can_make_stock(const char * function);

// Passes on a call that returns a scheduler.
template <typename Call> ggml_backend_sched_t forward_maker(const char * function, Schedulers schedulers, Call call) {
    const bool can_call = schedulers.size() == 0 ? can_make_stock(function) : become_stock(function, schedulers);
    return can_call ? wrap_stock(function, schedulers, call()) : nullptr;
}

} // namespace ggml_sched
