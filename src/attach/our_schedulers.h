// OurSchedulers - the schedulers of ours that exist, each with its ggml. An engine's handle is ours if it is here.
//
// It owns nothing. Any thread may use it.

#pragma once

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "bound_ggml.h"
#include "ggml-backend.h"

namespace ggml_sched::attach {

class OurSchedulers {
  public:
    // Returns the only object, which is never destroyed, since schedulers may be freed while the process ends.
    static OurSchedulers & all() {
        static auto * const schedulers = new OurSchedulers;
        return *schedulers;
    }
    void add(ggml_backend_sched_t sched, const BoundGgml * ggml) {
        const std::unique_lock<std::shared_mutex> lock(mutex_);
        ggmls_.emplace(sched, ggml);
    }
    void remove(ggml_backend_sched_t sched) {
        const std::unique_lock<std::shared_mutex> lock(mutex_);
        ggmls_.erase(sched);
    }
    // Returns the ggml of a scheduler; NULL if it is not ours.
    const BoundGgml * find(ggml_backend_sched_t sched) const {
        const std::shared_lock<std::shared_mutex> lock(mutex_);
        const auto found = ggmls_.find(sched);
        return found == ggmls_.end() ? nullptr : found->second;
    }

  private:
    mutable std::shared_mutex mutex_;
    std::unordered_map<ggml_backend_sched_t, const BoundGgml *> ggmls_;
};

} // namespace ggml_sched::attach
