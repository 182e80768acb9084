// ProgramBuilder - writes down tasks with the bytes that they touch, and what copies move. What there is to do, and how
// it travels, is Lowering's business.

#pragma once

#include <utility>
#include <vector>

#include "lower/buffer_table.h"
#include "lower/lower.h"

namespace ggml_sched {

class ProgramBuilder {
  public:
    // All of them must stay.
    ProgramBuilder(const std::vector<host::Backend> & backends, const Topology & topology,
                   const AdjacentCopies & adjacent_copies, Spaces & spaces)
        : backends_(backends)
        , topology_(topology)
        , adjacent_copies_(adjacent_copies)
        , buffers_(spaces) {}

    Lowered & lowered() { return lowered_; }
    const Lowered & lowered() const { return lowered_; }
    Lowered take() { return std::move(lowered_); }
    std::vector<plan::Access> & accesses() { return lowered_.program.accesses; }
    BufferTable & buffers() { return buffers_; }

    // Gives the copy its part of the ring: behind the one that was bound last as on the device, if both may be merged.
    void reserve_ring(CopyBinding & copy);
    // Writes down what a copy moves, and returns the binding by which its tasks name it.
    uint32_t bind(const CopyBinding & copy);
    // Returns a task that is one end of the copy, or all of it. Its accesses are written down, the task is not.
    plan::Task copy_task(plan::TaskKind kind, int32_t split, uint32_t binding);
    void push_copy(plan::TaskKind kind, int32_t split, uint32_t binding) {
        lowered_.program.tasks.push_back(copy_task(kind, split, binding));
    }

    // All accesses between the two are the task's.
    void begin(plan::Task & task) const;
    void push(plan::Task task);

    plan::Lane lane_of(BackendId backend) const { return topology_.lane_of[backend]; }
    bool is_host(const ggml_tensor * tensor);
    // True if an Offer of this copy is made on the device's queue; otherwise the host makes it.
    bool sets_async(const CopyBinding & copy);
    ggml_backend_buffer_type_t source_buft(const CopyBinding & copy) const; // of what the device reads

  private:
    void set_lanes(plan::Task & task, const CopyBinding & copy);
    void add_ids(plan::Task & task, const CopyBinding & ids);

    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    const AdjacentCopies & adjacent_copies_;
    BufferTable buffers_;
    Lowered lowered_;
};

} // namespace ggml_sched
