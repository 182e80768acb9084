// Scribbler - a copy callback that takes every liberty: it spoils and restores the weights that it is asked for while
// the devices go on, and makes some of the copies itself.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ggml-sched.h"

namespace ggml_sched::test {

class Scribbler {
  public:
    explicit Scribbler(uint64_t seed)
        : state_(seed * 2 + 1) {}

    void attach_to(ggml_backend_sched_t sched) { ggml_backend_sched_set_copy_callback(sched, call, this); }
    static void detach_from(ggml_backend_sched_t sched) {
        ggml_backend_sched_set_copy_callback(sched, nullptr, nullptr);
    }
    // Must be called before each run: tables that were asked for before it may be something else in the next graph.
    void begin_run() { asked_.clear(); }

    int n_asked() const { return n_asked_; }
    const std::string & mistake() const { return mistake_; } // "" if all calls were as they should be

  private:
    static bool call(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                     void * self);
    bool copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, const ggml_cgraph * graph);
    void spoil_and_restore(ggml_backend_t backend);
    void wait_for_own_copies();
    void check(const ggml_tensor * src, const ggml_tensor * dst, const ggml_cgraph * graph);

    uint64_t state_;
    int n_asked_ = 0;
    std::vector<const ggml_tensor *> asked_; // in this run
    std::vector<ggml_backend_t> own_copies_; // backends on which copies of its own may be in flight
    std::string mistake_;
};

} // namespace ggml_sched::test
