// queue.h - what a backend is: a stream of a device, and what has gone wrong on it.
//
// A vendor call that fails is logged, and remembered until the next launch, which fails for it once. If the device does
// not answer any more the queue is broken for good: every launch fails, and nothing else is enqueued.
// Threading: one thread at a time.

#pragma once

#include "device.h"
#include "graph_cache.h"
#include "mul_mat_blas.h"

#include <cstdint>
#include <memory>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

class Queue {
  public:
    // NULL, and a line in the log, if the device gives no stream or memory runs out.
    static std::unique_ptr<Queue> open(Device & device);
    ~Queue(); // waits
    Queue(const Queue &) = delete;
    Queue & operator=(const Queue &) = delete;

    Device & device() const { return device_; }
    Stream stream() const { return stream_; }

    // Makes the device the calling thread's. False if nothing can be enqueued.
    bool select();
    // Remembers a failure.
    bool check(Error error, const char * what);
    void note_failure() { has_failed_ = true; }

    void synchronize();
    // What is enqueued on `other` later runs after all that is enqueued here.
    void let_wait(Queue & other);

    // False, with a line in the log, if something has failed since the last launch, or is to fail now.
    bool may_launch();
    // Answers the scheduler; see ggml_backend_take_failure_t. Which operation has failed is not known.
    bool take_failure(uint64_t & mark);

    int32_t * fault() const { return fault_; }
    GraphCache & graphs() { return graphs_; }
    BlasMultiplier & blas() { return blas_; }

  private:
    explicit Queue(Device & device)
        : device_(device) {}

    Device & device_;
    Stream stream_ = nullptr;
    EventHandle reached_ = nullptr; // for let_wait
    int32_t * fault_ = nullptr;     // pinned: kernels leave a Fault there
    GraphCache graphs_;
    BlasMultiplier blas_;
    void forget_failure();

    bool has_failed_ = false;
    bool was_told_ = false; // by a launch that was not started
    uint64_t mark_ = 0;     // of what is enqueued now
    bool is_broken_ = false;
};

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
