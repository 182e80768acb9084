// Choice - the functions that engines call in the drop-in, and the wrapper that their handles point to.
//
// The drop-in has two schedulers in one library. The functions of ggml's own are renamed to ggml_stock_sched_*, those
// of ours to ggml_ours_sched_*. A wrapper owns one scheduler of either kind. GGML_SCHED chooses the kind when the
// scheduler is made. A scheduler of ours may become ggml's own later (become_stock.h). One thread at a time uses a
// wrapper.

#pragma once

#include "ggml-backend.h"
#include "record.h"

// Declares both functions with the type of ggml's function. The struct has other names where they are defined. With C
// linkage that makes no difference.
#define GGML_SCHED_DECLARE_BOTH(name)                                                                                  \
    extern "C" decltype(ggml_backend_sched_##name) ggml_stock_sched_##name;                                            \
    extern "C" decltype(ggml_backend_sched_##name) ggml_ours_sched_##name;

// The wrapper
struct ggml_backend_sched {
    ggml_backend_sched_t scheduler; // scheduler of ggml's or of ours, whose functions made it
    bool is_ours;
    bool stays_ours = false;              // true for GGML_SCHED=ours: the scheduler never becomes ggml's own
    int n_running = 0;                    // number of calls that work with it; more than one if a callback calls
    ggml_sched::Callbacks callbacks = {}; // callbacks that the engine has set
    ggml_sched::Record record = {};       // see record_of()
};

namespace ggml_sched {

// Calls the function of the scheduler's kind, with the scheduler of the wrapper.
template <typename Result, typename... Parameters, typename... Arguments>
Result call(Result (*stock)(ggml_backend_sched_t, Parameters...), Result (*ours)(ggml_backend_sched_t, Parameters...),
            ggml_backend_sched_t sched, Arguments... arguments) {
    if (!sched) {
        return ours(nullptr, arguments...); // It logs that the scheduler is NULL.
    }
    return (sched->is_ours ? ours : stock)(sched->scheduler, arguments...);
}

// Returns the record of a scheduler that may become ggml's own, during a call that is Running. Returns NULL if nothing
// is recorded. Our scheduler refuses a call of a callback, so such a call is not recorded.
inline Record * record_of(ggml_backend_sched_t sched) {
    const bool records = GGML_SCHED_PASSES_ON && sched && sched->is_ours && !sched->stays_ours;
    return records && sched->n_running == 1 ? &sched->record : nullptr;
}

// Keeps the engine's callback in the wrapper, and sets it on the wrapper's scheduler by `give`.
template <typename Function>
void set_callback(ggml_backend_sched & sched, Callback & callback, void (*give)(ggml_backend_sched & sched),
                  Function function, void * user_data) {
    callback = {give, reinterpret_cast<void (*)()>(function), user_data};
    give(sched);
}

// Running - marks a scheduler as running as long as the object lives. The scheduler may be NULL.
class Running {
  public:
    explicit Running(ggml_backend_sched_t sched)
        : sched_(sched) {
        if (sched_) {
            sched_->n_running++;
        }
    }
    ~Running() {
        if (sched_) {
            sched_->n_running--;
        }
    }
    Running(const Running &) = delete;
    Running & operator=(const Running &) = delete;

  private:
    ggml_backend_sched_t sched_;
};

} // namespace ggml_sched
