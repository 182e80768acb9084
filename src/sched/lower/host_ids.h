// HostIds - the ids that the host reads when it issues a copy. They say which experts, or which rows, the copy moves.
//
// Ids in a device's memory are fetched into the ring, by a blocking copy if the device has no asynchronous one. Ids
// that are in host memory before the run get a snapshot in the ring. So a copy does not depend on memory that the
// caller or a later node writes again. Ids that the host computes during the run are read where they are.
//
// One lowering owns it. One thread at a time.

#pragma once

#include <map>
#include <utility>

#include "lower/experts.h"
#include "lower/program_builder.h"
#include "lower/shared_snapshots.h"

namespace ggml_sched {

// HostIds - brings ids to the host, each once for a run.
class HostIds {
  public:
    // The references must outlive it.
    HostIds(const GraphView & graph, const Assignment & assignment, const std::vector<host::Backend> & backends,
            SharedSnapshots & snapshots, ProgramBuilder & out)
        : graph_(graph)
        , assignment_(assignment)
        , backends_(backends)
        , snapshots_(snapshots)
        , out_(out) {}

    // Adds a task to `split` that brings the ids to the host, unless there is one. The graph is allocated. The ids must
    // have been written, and not yet overwritten.
    void read(int32_t split, const WrittenIds & ids);
    // Returns the binding by which copies name the ids; kNoBinding if read() has not been called for them.
    uint32_t binding_of(const WrittenIds & ids) const;

  private:
    // Returns a binding that says where the ids are.
    CopyBinding binding_for(TensorId ids) const;

    const GraphView & graph_;
    const Assignment & assignment_;
    const std::vector<host::Backend> & backends_;
    SharedSnapshots & snapshots_;
    ProgramBuilder & out_;
    std::map<std::pair<TensorId, int32_t>, uint32_t> bindings_; // by ids and the index of their writer
};

} // namespace ggml_sched
