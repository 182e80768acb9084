// ComputeBuffers - the memory that a graph's tensors are placed in: for each buffer type as many buffers as a plan has
// parts there. They grow, and never shrink.

#pragma once

#include <vector>

#include "alloc/memory_plan.h"

namespace ggml_sched {

class ComputeBuffers {
  public:
    explicit ComputeBuffers(const std::vector<host::Backend> & backends); // which must stay
    ~ComputeBuffers();
    ComputeBuffers(const ComputeBuffers &) = delete;
    ComputeBuffers & operator=(const ComputeBuffers &) = delete;

    bool have_room_for(const MemoryPlan & plan) const;
    // The buffers that grow_for() would free, to get larger ones
    std::vector<ggml_backend_buffer_t> too_small_for(const MemoryPlan & plan) const;
    // Replaces buffers that are too small. Frees them first: there may not be memory for both. False: memory ran out.
    bool grow_for(const MemoryPlan & plan);

    // All that they hold may be overwritten.
    void reset() const;

    struct Buffer {
        ggml_backend_buffer_t handle = nullptr;
        char * base = nullptr; // of one of no bytes it may be NULL
        size_t size = 0;
        bool inits_tensors = false; // has to be told of each

        bool has_room_for(size_t bytes) const { return handle && size >= bytes; }
    };
    const Buffer & of(const Place & place) const { return pools_[place.pool][place.range.part]; }
    // In bytes; 0 for a backend whose memory is in the pool of another
    size_t size(BackendId backend) const;
    uint64_t number() const { return number_; } // changes when buffers do
    const void * owner() const { return this; } // by which host::owner_of() names the scheduler

  private:
    template <typename Visitor> void visit_too_small(const MemoryPlan & plan, Visitor visit) const;
    void retire(size_t pool, size_t part);

    const std::vector<host::Backend> & backends_;
    std::vector<std::vector<Buffer>> pools_;     // by pool and part
    std::vector<ggml_backend_buffer_t> retired_; // handles of buffers whose memory has been freed
    uint64_t number_ = 0;
};

} // namespace ggml_sched
