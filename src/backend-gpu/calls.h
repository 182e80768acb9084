// calls.h - counts of the calls into a vendor's runtime. Any thread; counting is all that these do.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ggml_sched::gpu {

enum class Call {
    StreamSynchronize,
    EventSynchronize,
    EventRecord,
    StreamWait,
    CopyHostToDevice,
    CopyDeviceToHost,
    CopyWithinDevice,
    CopyPeer,
    CopyPageable, // those of the copies above that involve memory that is not pinned: the host may block
    Fill,
    KernelLaunch, // captured ones included
    GraphLaunch,
    GraphInstantiate,
    Allocate,
    Count,
};

class CallCounts {
  public:
    void add(Call call) { counts_[static_cast<size_t>(call)].fetch_add(1, std::memory_order_relaxed); }
    uint64_t of(Call call) const { return counts_[static_cast<size_t>(call)].load(std::memory_order_relaxed); }
    void reset() {
        for (std::atomic<uint64_t> & count : counts_) {
            count.store(0, std::memory_order_relaxed);
        }
    }

  private:
    std::array<std::atomic<uint64_t>, static_cast<size_t>(Call::Count)> counts_{};
};

} // namespace ggml_sched::gpu
