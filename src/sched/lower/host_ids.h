// HostIds - ids that the host reads when it issues a copy: they say which experts, or which rows, the copy moves.
//
// Ids in a device's memory are fetched into the ring, by a blocking copy if the device has no asynchronous one. Ids
// that are in host memory before the run begins are copied aside into the ring: a copy on a device's queue then reads
// nothing that the caller, or a later node, writes again. Ids that the host computes during the run are read where they
// are.

#pragma once

#include <map>
#include <utility>

#include "lower/experts.h"
#include "lower/program_builder.h"
#include "lower/shared_snapshots.h"

namespace ggml_sched {

class HostIds {
  public:
    // All of them must stay.
    HostIds(const GraphView & graph, const Assignment & assignment, const std::vector<host::Backend> & backends,
            SharedSnapshots & snapshots, ProgramBuilder & out)
        : graph_(graph)
        , assignment_(assignment)
        , backends_(backends)
        , snapshots_(snapshots)
        , out_(out) {}

    // Issues, in the section of `split`, what brings the ids to the host; nothing if that has been issued. The graph is
    // allocated, and the ids must be known, and not be overwritten yet.
    void read(int32_t split, const WrittenIds & ids);
    // The binding by which copies name the ids; kNoBinding: read() has not issued anything for them.
    uint32_t binding_of(const WrittenIds & ids) const;

  private:
    CopyBinding binding_for(TensorId ids) const;

    const GraphView & graph_;
    const Assignment & assignment_;
    const std::vector<host::Backend> & backends_;
    SharedSnapshots & snapshots_;
    ProgramBuilder & out_;
    std::map<std::pair<TensorId, int32_t>, uint32_t> bindings_; // by ids and the node that has written them
};

} // namespace ggml_sched
