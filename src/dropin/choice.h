// The drop-in has two schedulers in one library: ggml's own, whose functions are renamed to ggml_stock_sched_*, and
// this one, ggml_ours_sched_*. The functions that engines call are here. GGML_SCHED chooses the kind of a scheduler
// when it is made; one of ours may become ggml's own later (become_stock.h).
//
// Threading: as the schedulers'.

#pragma once

#include "ggml-backend.h"
#include "record.h"

// Declares both with the type of ggml's function. C linkage: that the struct has another name there makes no
// difference.
#define GGML_SCHED_DECLARE_BOTH(name)                                                                                  \
    extern "C" decltype(ggml_backend_sched_##name) ggml_stock_sched_##name;                                            \
    extern "C" decltype(ggml_backend_sched_##name) ggml_ours_sched_##name;

struct ggml_backend_sched {
    ggml_backend_sched_t scheduler; // what the stock functions, or ours, made
    bool is_ours;
    bool stays_ours = false; // GGML_SCHED=ours: the scheduler never becomes ggml's own.
    int n_running = 0;       // How many calls work with it: more than one if a callback calls.
    ggml_sched::Callbacks callbacks = {};
    ggml_sched::Record record = {};
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

// Returns the record of a scheduler that may become ggml's own, during a call that is Running. Returns NULL if there is
// nothing to record. What a callback calls is refused by our scheduler, so it is not recorded.
inline Record * record_of(ggml_backend_sched_t sched) {
    const bool records = GGML_SCHED_PASSES_ON && sched && sched->is_ours && !sched->stays_ours;
    return records && sched->n_running == 1 ? &sched->record : nullptr;
}

// Keeps the engine's callback, and gives it to the scheduler by `give`. A scheduler must be there.
template <typename Function>
void set_callback(ggml_backend_sched & sched, Callback & callback, void (*give)(ggml_backend_sched & sched),
                  Function function, void * user_data) {
    callback = {give, reinterpret_cast<void (*)()>(function), user_data};
    give(sched);
}

// Marks a scheduler as running as long as the object lives.
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
