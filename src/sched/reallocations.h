// Reallocations - why compute buffers are replaced by larger ones: compares each graph with the one before, tells the
// caller, and fails where the user has asked for that (GGML_SCHED_DEBUG_REALLOC).

#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "alloc/memory_plan.h"
#include "settings.h"
#include "status.h"

namespace ggml_sched {

class Reallocations {
  public:
    // ggml_backend_sched_realloc_callback, without scheduler and user data
    using Callback = std::function<void(ggml_cgraph * graph, bool backends_changed, bool size_changed)>;

    // Both must stay.
    Reallocations(const std::vector<host::Backend> & backends, const Settings & settings)
        : backends_(backends)
        , settings_(settings) {}

    void set_callback(Callback callback) { callback_ = std::move(callback); }

    // A buffer is about to be replaced for this graph.
    Status tell(ggml_cgraph * graph, const CutGraph & cut) const;
    // The next graph will be compared with this one.
    void note(const CutGraph & cut);
    // The next graph is compared with none: its size counts as changed.
    void forget() { last_size_ = 0; }

  private:
    bool have_backends_changed(const std::vector<BackendId> & now) const;
    static size_t size_of(const CutGraph & cut) { return cut.view.n_tensors() + cut.splits.copies.size(); }

    const std::vector<host::Backend> & backends_;
    const Settings & settings_;
    Callback callback_;
    std::vector<BackendId> last_; // the backends of the last graph's tensors
    size_t last_size_ = 0;        // how many tensors and copies the last graph had
};

} // namespace ggml_sched
