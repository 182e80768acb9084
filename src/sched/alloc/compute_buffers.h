// ComputeBuffers - the compute buffers of a scheduler: for each pool as many buffers as a MemoryPlan has parts there.
// They grow, and never shrink. ComputeBuffers owns them. One thread at a time.

#pragma once

#include <vector>

#include "alloc/memory_plan.h"

namespace ggml_sched {

// ComputeBuffers - the buffers by pool and part.
class ComputeBuffers {
  public:
    // The backends must outlive the buffers.
    explicit ComputeBuffers(const std::vector<host::Backend> & backends);
    ~ComputeBuffers();
    ComputeBuffers(const ComputeBuffers &) = delete;
    ComputeBuffers & operator=(const ComputeBuffers &) = delete;

    // True if no buffer is missing or too small for the plan.
    bool have_room_for(const MemoryPlan & plan) const;
    // Returns the buffers that grow_for() would free to get larger ones.
    std::vector<ggml_backend_buffer_t> too_small_for(const MemoryPlan & plan) const;
    // Replaces buffers that are too small. Frees them first, since there may not be memory for both. Returns false if
    // memory ran out.
    bool grow_for(const MemoryPlan & plan);

    // Tells the buffers that all their tensors are given up (ggml_backend_buffer_reset).
    void reset() const;

    // Buffer - one buffer, with what is asked about it often.
    struct Buffer {
        ggml_backend_buffer_t handle = nullptr;
        char * base = nullptr; // may be NULL if the buffer has no bytes
        size_t size = 0;
        bool inits_tensors = false; // wants to be told of each tensor in it

        // True if the buffer exists and is large enough.
        bool has_room_for(size_t bytes) const { return handle && size >= bytes; }
    };
    // Returns the buffer of a place.
    const Buffer & of(const Place & place) const { return pools_[place.pool][place.range.part]; }
    // Returns the bytes of the backend's buffers; 0 for a backend that uses the pool of another.
    size_t size(BackendId backend) const;
    // Returns a number that changes whenever a buffer does.
    uint64_t number() const { return number_; }
    // Returns the address by which host::owner_of() names this scheduler.
    const void * owner() const { return this; }

  private:
    // Calls visit(pool, part) for each buffer that the plan needs and that is missing or too small.
    template <typename Visitor> void visit_too_small(const MemoryPlan & plan, Visitor visit) const;
    // Frees the memory of a buffer. Keeps the handle, which tensors of earlier graphs may name.
    void retire(size_t pool, size_t part);

    const std::vector<host::Backend> & backends_;
    std::vector<std::vector<Buffer>> pools_;     // by pool and part
    std::vector<ggml_backend_buffer_t> retired_; // handles of buffers whose memory has been freed
    uint64_t number_ = 0;
};

} // namespace ggml_sched
