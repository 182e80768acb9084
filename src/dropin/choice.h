// The drop-in has two schedulers in one library: ggml's own, whose functions are renamed to ggml_stock_sched_*, and
// this one, ggml_ours_sched_*. The functions that engines call are here; each scheduler is of the kind that GGML_SCHED
// said when it was made.
//
// Threading: as the schedulers'.

#pragma once

#include "ggml-backend.h"

// Declares both with the type of ggml's function. C linkage: that the struct has another name there makes no
// difference.
#define GGML_SCHED_DECLARE_BOTH(name)                                                                                  \
    extern "C" decltype(ggml_backend_sched_##name) ggml_stock_sched_##name;                                            \
    extern "C" decltype(ggml_backend_sched_##name) ggml_ours_sched_##name;

struct ggml_backend_sched {
    ggml_backend_sched_t scheduler; // what the stock functions, or ours, made
    bool is_ours;
};

namespace ggml_sched {

// Calls the function of the scheduler's kind.
template <typename Result, typename... Parameters, typename... Arguments>
Result call(Result (*stock)(ggml_backend_sched_t, Parameters...), Result (*ours)(ggml_backend_sched_t, Parameters...),
            ggml_backend_sched_t sched, Arguments... arguments) {
    if (!sched) {
        return ours(nullptr, arguments...); // it says what is wrong
    }
    return (sched->is_ours ? ours : stock)(sched->scheduler, arguments...);
}

} // namespace ggml_sched
