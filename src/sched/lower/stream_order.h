// StreamOrder - when the copies of streamed weights are issued, and what else takes their queue.
//
// Weights go as soon as there is room for them, and a device's copy engine may stay with a queue as long as something
// is ready there. On another queue, what the first launch needs would wait until the ring is full, and the device with
// it. So it takes the queue of the weights, behind the first of them: their lead.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "alloc/stream_layout.h"
#include "lower/lower.h"
#include "split/split.h"

namespace ggml_sched {

class StreamOrder {
  public:
    using OfCopy = std::function<bool(uint32_t copy)>; // index into Splits::copies

    // `is_pinned`: the device reads the source by itself. `is_from_host`: it is copied out of host memory.
    StreamOrder(const Splits & splits, const std::vector<StreamSlots> & streams, const Topology & topology,
                bool whole_experts, OfCopy is_pinned, const OfCopy & is_from_host);

    // The next weight to copy to the backend, once this split has been launched; NULL: none of them yet.
    const StreamSlot * next(BackendId backend, int32_t split);

    // Do other copies from the host for this split take the queue of the weights?
    bool is_first(BackendId backend, int32_t split) const {
        return !lanes_.empty() && lanes_[backend].first_split == split;
    }

  private:
    struct Lane {
        size_t next = 0;                     // the first slot that has not been issued
        int32_t first_split = kBeforeTheRun; // of the backend, if it needs other copies than those of weights
        size_t lead = 0;                     // bytes of weights that may still be issued before these
    };

    bool is_ahead(const StreamSlot & first) const;
    static size_t ring_of(const StreamSlots & slots);
    static bool is_in_the_lead(Lane & lane, const StreamSlot & slot, int32_t split);

    const std::vector<StreamSlots> & streams_; // by backend
    const bool whole_experts_;
    const OfCopy is_pinned_;
    std::vector<Lane> lanes_; // by backend
};

} // namespace ggml_sched
