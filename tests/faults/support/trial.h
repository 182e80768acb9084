// Trial - a new scheduler and the graphs of a scene, which it runs with a fault and without.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/scene.h"

namespace ggml_sched::test {

// The outcome of a series of calls
struct Outcome {
    bool ok = false;
    bool returned_failure = false; // a call did; else what is wrong was only told
    std::string text;              // of the first call that failed: what ggml_sched_get_error says
};

class Trial {
  public:
    explicit Trial(const Scene & scene);
    ~Trial();
    Trial(const Trial &) = delete;
    Trial & operator=(const Trial &) = delete;

    // Describes the graphs. This precedes the first run and must not fail.
    void describe();

    // The calls of a caller who runs a graph. Host faults are armed within the scheduler's functions only.
    enum class Again { Reset, Keep };                 // Keep: the scheduler is not reset before
    enum class Compute { Blocking, ThenSynchronize }; // graph_compute, or graph_compute_async and synchronize
    Outcome run(size_t graph, Again again, Compute compute);
    // Gives up the description of a graph; the next run() describes it anew.
    void forget(size_t graph) { built_[graph].reset(); }

    Results read(size_t graph) const { return tensors_.read(*built_[graph]); }
    ggml_backend_sched_t sched() const { return rig_.sched(); }
    const Rig & rig() const { return rig_; }
    bool ends_trace(); // true if there is none

  private:
    BuiltGraph & built(size_t graph);
    ggml_backend_t backend(int place) const { return place == kOnCpu ? rig_.cpu() : rig_.device(place - 1); }
    std::vector<ggml_backend_t> backends(const std::vector<int> & places) const;
    PersistentPlaces places() const;
    ggml_backend_buffer_type_t cpu_weights() const;
    void attach_callbacks();
    bool place(const BuiltGraph & built);
    Outcome failure() const;

    const Scene & scene_;
    Rig rig_;
    Tensors tensors_;
    std::optional<BuiltGraph> built_[2];
    std::optional<BuiltGraph> measured_;
    std::string trace_;
    bool traces_ = false;
    int n_asked_ = 0;
};

} // namespace ggml_sched::test
