// ProgramBuilder - writes the tasks of a program, with the bytes that they touch, and the bindings of copies. Lowering
// decides which tasks there are.
//
// It owns the Lowered until take(). One thread at a time.

#pragma once

#include <utility>
#include <vector>

#include "lower/buffer_table.h"
#include "lower/lower.h"

namespace ggml_sched {

// ProgramBuilder - the program that is being written.
class ProgramBuilder {
  public:
    // The references must outlive it.
    ProgramBuilder(const std::vector<host::Backend> & backends, const Topology & topology,
                   const AdjacentCopies & adjacent_copies, Spaces & spaces)
        : backends_(backends)
        , topology_(topology)
        , adjacent_copies_(adjacent_copies)
        , buffers_(spaces) {}

    Lowered & lowered() { return lowered_; }
    const Lowered & lowered() const { return lowered_; }
    // Hands the program over.
    Lowered take() { return std::move(lowered_); }
    std::vector<plan::Access> & accesses() { return lowered_.program.accesses; }
    BufferTable & buffers() { return buffers_; }

    // Gives the copy a range of the ring: directly behind the copy that was bound last, if both can be merged.
    void reserve_ring(CopyBinding & copy);
    // Adds a binding, and returns the index by which tasks name it.
    uint32_t bind(const CopyBinding & copy);
    // Returns a task that makes the copy, or one half of it. Adds its accesses to the program, but not the task.
    plan::Task copy_task(plan::TaskKind kind, int32_t split, uint32_t binding);
    // Adds such a task to the program.
    void push_copy(plan::TaskKind kind, int32_t split, uint32_t binding) {
        lowered_.program.tasks.push_back(copy_task(kind, split, binding));
    }

    // Begins a task. All accesses that are added until push() are its own.
    void begin(plan::Task & task) const;
    // Adds the task to the program.
    void push(plan::Task task);

    plan::Lane lane_of(BackendId backend) const { return topology_.lane_of[backend]; }
    // True if the tensor lies in host memory.
    bool is_host(const ggml_tensor * tensor);
    // True if an Offer of this copy goes on the device's queue. Otherwise the host makes the copy during the call.
    bool sets_async(const CopyBinding & copy);
    // True if the device reads the source, or the ring, by itself when the copy executes.
    bool reads_pinned(const CopyBinding & copy);

  private:
    // Sets the lanes of a copy, and when its source is read.
    void set_lanes(plan::Task & task, const CopyBinding & copy);
    // True if the host may write the copy to the device by itself.
    bool may_be_now(const CopyBinding & copy);
    // Adds the read of the ids. The host must know them when it issues the task.
    void add_ids(plan::Task & task, const CopyBinding & ids);

    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    const AdjacentCopies & adjacent_copies_;
    BufferTable buffers_;
    Lowered lowered_;
};

} // namespace ggml_sched
