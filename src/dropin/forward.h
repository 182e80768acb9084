// Forward - the functions that forwarders call. A forwarder passes a function that ggml-sched does not have on to
// ggml's own scheduler. cmake/ggml-sched-forward.cmake writes the forwarders.
//
// Each function returns zero where the call could not be passed on. One thread at a time uses a scheduler.

#pragma once

#include <initializer_list>

#include "become_stock.h"

namespace ggml_sched {

using Schedulers = std::initializer_list<const ggml_backend_sched *>;

// Passes on a call with these schedulers, which become ggml's own first.
template <typename Call> auto forward(const char * function, Schedulers schedulers, Call call) -> decltype(call()) {
    return become_stock(function, schedulers) ? call() : decltype(call())();
}

// Returns the engine's handle for a scheduler that ggml has made: a new wrapper, or the one of `given` that has the
// scheduler already. Returns NULL, and frees the scheduler, if memory runs out.
ggml_backend_sched_t wrap_stock(const char * function, Schedulers given, ggml_backend_sched_t stock);

// Returns true if a new scheduler may be ggml's own, and warns unless GGML_SCHED=stock asks for it. Returns false, with
// an error in the log, for GGML_SCHED=ours.
bool can_make_stock(const char * function);

// Passes on a call that returns a scheduler.
template <typename Call> ggml_backend_sched_t forward_maker(const char * function, Schedulers schedulers, Call call) {
    const bool can_call = schedulers.size() == 0 ? can_make_stock(function) : become_stock(function, schedulers);
    return can_call ? wrap_stock(function, schedulers, call()) : nullptr;
}

} // namespace ggml_sched
