#include "forward.h"

#include <new>
#include <string>

#include "host/log.h"
#include "host/switches.h"

GGML_SCHED_DECLARE_BOTH(free)

namespace ggml_sched {

ggml_backend_sched_t wrap_stock(const char * function, Schedulers given, ggml_backend_sched_t stock) {
    if (!stock) {
        return nullptr;
    }
    for (const ggml_backend_sched * sched : given) {
        if (sched->scheduler == stock) {
            return const_cast<ggml_backend_sched_t>(sched); // The wrapper is not const.
        }
    }
    auto * sched = new (std::nothrow) ggml_backend_sched{stock, false};
    if (!sched) {
        ggml_stock_sched_free(stock);
        host::log_error(std::string(function) + ": out of host memory");
    } else {
        host::announce_scheduler("ggml's own");
    }
    return sched;
}

bool can_make_stock(const char * function) {
    switch (host::read_choice()) {
    case host::Choice::Stock: return true;
    case host::Choice::Ours:
        host::log_error(std::string(function) + " made no scheduler: it makes ggml's own, and GGML_SCHED=ours asks for "
                                                "ggml-sched's. Unset GGML_SCHED, or set it to stock.");
        return false;
    default:
        host::log_warning(std::string(function) +
                          " is not a function of ggml-sched: the scheduler that it makes is ggml's "
                          "own. Call ggml_backend_sched_new to get ggml-sched's.");
        return true;
    }
}

} // namespace ggml_sched
