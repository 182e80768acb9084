// call_guards.h - what every C function does around its call of the Scheduler: it refuses calls while another works,
// clears and keeps the error, and turns a lack of memory into a status. No exception passes.
//
// capi.cpp alone includes it. Calls of several threads may meet here; handle.h says which one goes on.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <string>

#include "ggml-sched.h"
#include "handle.h"
#include "host/log.h"

#define TEXT_OF(number) #number
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

namespace ggml_sched {

inline constexpr const char * kName =
    "ggml-sched " VERSION_TEXT(GGML_SCHED_VERSION_MAJOR, GGML_SCHED_VERSION_MINOR, GGML_SCHED_VERSION_PATCH);

#undef TEXT_OF
#undef VERSION_TEXT

inline constexpr const char * kOutOfMemory = "out of host memory; free some and call again";

// Refuses a call of a callback or another thread while the scheduler works, and logs that. A call that the log callback
// makes meanwhile is not logged.
inline Status refuse(ggml_backend_sched_t sched, const char * name, const char * running) {
    Status status = Status::failed(std::string(name) + " was called while " + running +
                                   " runs, by a callback or by another thread; call it after that has returned");
    if (!sched->is_refusing.exchange(true)) {
        host::log_error(status.message);
        sched->is_refusing = false;
    }
    return status;
}

// Keeps the text of the status as the scheduler's error. Logs it, unless the eval callback ended the run.
inline ggml_status report(ggml_backend_sched_t sched, const Status & status) {
    sched->error = status.message;
    if (!status.message.empty() && status.code != GGML_STATUS_ABORTED) {
        host::log_error(status.message);
    }
    return status.code;
}

inline bool is_valid(ggml_backend_sched_t sched, const char * function) {
    if (!sched) {
        host::log_error(std::string(function) + ": the scheduler is NULL");
    }
    return sched != nullptr;
}

// Running - marks a call as the one that works with a scheduler. Only one call at a time can be it.
class Running {
  public:
    Running(ggml_backend_sched_t sched, const char * name)
        : sched_(sched)
        , is_first_(sched->running.compare_exchange_strong(other_, name)) {}
    ~Running() {
        if (is_first_) {
            sched_->running = nullptr;
        }
    }
    Running(const Running &) = delete;
    Running & operator=(const Running &) = delete;

    // Returns the name of the call that works already; NULL if there is none.
    const char * other() const { return is_first_ ? nullptr : other_; }

  private:
    ggml_backend_sched_t sched_;
    const char * other_ = nullptr;
    const bool is_first_;
};

// Runs a function that returns a Status. Running out of memory is an error, too. Clears the error of the call before,
// unless this call is refused.
template <typename Function> ggml_status guarded(ggml_backend_sched_t sched, const char * name, Function function) {
    if (!is_valid(sched, name)) {
        return GGML_STATUS_FAILED;
    }
    const Running running(sched, name);
    if (!running.other()) {
        sched->error.clear();
    }
    try {
        return running.other() ? refuse(sched, name, running.other()).code : report(sched, function(*sched->scheduler));
    } catch (const std::bad_alloc &) {
        if (!running.other()) {
            sched->scheduler->recover();
            sched->error = kOutOfMemory; // needs no memory: see ggml_backend_sched_new
        }
        host::log_error(kOutOfMemory);
        return GGML_STATUS_ALLOC_FAILED;
    }
}

// Runs a getter that may need memory. Callbacks may call it.
template <typename Function> std::string text_of(ggml_backend_sched_t sched, const char * name, Function function) {
    if (!is_valid(sched, name)) {
        return "";
    }
    try {
        return function(*sched->scheduler);
    } catch (const std::bad_alloc &) {
        host::log_error(kOutOfMemory);
        return "";
    }
}

inline size_t write_text(const std::string & text, char * buf, size_t size) {
    if (buf && size > 0) {
        const size_t n = text.size() < size - 1 ? text.size() : size - 1;
        std::memcpy(buf, text.data(), n);
        buf[n] = '\0';
    }
    return text.size();
}

// Reads the caller's parameters; fields that its version lacks are zero. `least` is the size of the first version.
// `defaults` names the function that fills the struct.
template <typename Params>
Status read_params(const char * name, const char * defaults, const Params * params, size_t least, Params & known) {
    constexpr size_t kMost = 4096; // A larger size means that the caller has not filled the struct.
    if (!params || params->size < least || params->size > kMost) {
        return Status::failed(std::string(name) + " needs parameters; begin with " + defaults + "()");
    }
    const auto * bytes = reinterpret_cast<const char *>(params);
    if (std::any_of(bytes + std::min(params->size, sizeof(known)), bytes + params->size,
                    [](char c) { return c != 0; })) {
        return Status::failed(std::string(name) + " was given parameters that " + kName +
                              " does not have; leave them zero");
    }
    std::memcpy(&known, params, std::min(params->size, sizeof(known)));
    return {};
}

// Calls `set` for a switch with levels, if the level exists.
template <typename Set> void set_level(ggml_backend_sched_t sched, const char * name, int level, Set set) {
    guarded(sched, name, [&](Scheduler & scheduler) {
        if (level < 0 || level > 2) {
            return Status::failed(std::string(name) + ": there is no level " + std::to_string(level) +
                                  "; use 0, 1 or 2");
        }
        set(scheduler);
        return Status{};
    });
}

} // namespace ggml_sched
