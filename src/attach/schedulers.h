// Schedulers - the schedulers that were made through this library, ours and ggml's own, each with its ggml.
//
// It owns nothing. Any thread may use it.

#pragma once

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
};

class Schedulers {
  public:
    // Returns the only object, which is never destroyed, since schedulers may be freed while the process ends.
    static Schedulers & all() {
        static auto * const schedulers = new Schedulers;
        return *schedulers;
    }
    // Throws std::bad_alloc.
    void add(ggml_backend_sched_t sched, const KnownScheduler & known) {
        const std::unique_lock<std::shared_mutex> lock(mutex_);
        known_[sched] = known;
    }
    void remove(ggml_backend_sched_t sched) {
        const std::unique_lock<std::shared_mutex> lock(mutex_);
        known_.erase(sched);
    }
    KnownScheduler find(ggml_backend_sched_t sched) const {
        const std::shared_lock<std::shared_mutex> lock(mutex_);
        const auto found = known_.find(sched);
        return found == known_.end() ? KnownScheduler() : found->second;
    }
    // Returns the ggml of a scheduler of ours; NULL if it is none.
    const BoundGgml * ggml_of_ours(ggml_backend_sched_t sched) const {
        const KnownScheduler known = find(sched);
        return known.is_ours ? known.ggml : nullptr;
    }

  private:
    mutable std::shared_mutex mutex_;
    std::unordered_map<ggml_backend_sched_t, KnownScheduler> known_;
};

} // namespace ggml_sched::attach
