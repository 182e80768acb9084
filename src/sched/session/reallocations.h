// Reallocations - tells why compute buffers are replaced by larger ones. It compares each graph with the one before,
// tells the caller, and fails where the user has asked for that (GGML_SCHED_DEBUG_REALLOC).
//
// It owns what it needs of the last graph. One thread at a time uses it.

#pragma once

#include <vector>

#include "alloc/memory_plan.h"
#include "host/status.h"
#include "session/settings.h"

namespace ggml_sched {

// ReallocCallback - the realloc callback of the caller. Its type is that of ggml_backend_sched_realloc_callback, which
// older versions of ggml do not declare.
struct ReallocCallback {
    using Function = void (*)(ggml_backend_sched_t sched, ggml_cgraph * graph, bool backends_changed, bool size_changed,
                              void * user_data);
    Function function = nullptr;          // NULL if there is none
    ggml_backend_sched_t sched = nullptr; // handle that the caller knows
    void * user_data = nullptr;
};

class Reallocations {
  public:
    // `backends` and `settings` must stay.
    Reallocations(const std::vector<host::Backend> & backends, const Settings & settings)
        : backends_(backends)
        , settings_(settings) {}

    void set_callback(const ReallocCallback & callback) { callback_ = callback; }

    // Calls the callback, since a buffer is about to be replaced for this graph. Fails if the user has asked for that.
    Status tell(ggml_cgraph * graph, const CutGraph & cut) const;
    // Lets the next graph be compared with this one.
    void note(const CutGraph & cut);
    // Lets the next graph be compared with none: its size counts as changed.
    void forget() noexcept { last_size_ = 0; }

  private:
    bool have_backends_changed(const std::vector<BackendId> & now) const;
    static size_t size_of(const CutGraph & cut) { return cut.view.n_tensors() + cut.splits.copies.size(); }

    const std::vector<host::Backend> & backends_;
    const Settings & settings_;
    ReallocCallback callback_;
    std::vector<BackendId> last_; // backends of the tensors of the last graph
    size_t last_size_ = 0;        // how many tensors and copies the last graph had
};

} // namespace ggml_sched
