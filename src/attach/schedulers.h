// Schedulers - the schedulers that were made through this library, ours and ggml's own, each with its ggml.
//
// It owns nothing. Any thread may use it.

#pragma once

#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "bound_ggml.h"
#include "ggml-backend.h"

namespace ggml_sched::attach {

// KnownScheduler - what is known of a handle. `ggml` is NULL if the scheduler was made elsewhere.
struct KnownScheduler {
    const BoundGgml * ggml = nullptr;
    bool is_ours = false;
    uint64_t number = 0; // tells schedulers apart that had the same address one after the other
};

class Schedulers {
  public:
    // Returns the only object, which is never destroyed, since schedulers may be freed while the process ends.
    static Schedulers & all() {
        static auto * const schedulers = new Schedulers;
        return *schedulers;
    }
    // Throws std::bad_alloc.
    void add(ggml_backend_sched_t sched, const BoundGgml * ggml, bool is_ours) {
        const std::unique_lock<std::shared_mutex> lock(mutex_);
        known_[sched] = {ggml, is_ours, ++last_number_};
    }
    // Forgets a scheduler that has been freed, unless its address has become another one's.
    void remove(ggml_backend_sched_t sched, uint64_t number) {
        const std::unique_lock<std::shared_mutex> lock(mutex_);
        const auto found = known_.find(sched);
        if (found != known_.end() && found->second.number == number) {
            known_.erase(found);
        }
    }
    KnownScheduler find(ggml_backend_sched_t sched) const {
        const std::shared_lock<std::shared_mutex> lock(mutex_);
        const auto found = known_.find(sched);
        return found == known_.end() ? KnownScheduler() : found->second;
    }

  private:
    mutable std::shared_mutex mutex_;
    std::unordered_map<ggml_backend_sched_t, KnownScheduler> known_;
    uint64_t last_number_ = 0;
};

} // namespace ggml_sched::attach
