// StreamOrder - when the copies of streamed weights are issued, and what else takes their queue.
//
// Weights go as soon as there is room for them, and a device's copy engine may stay with a queue as long as something
// is ready there. On another queue, what a launch needs besides would wait until the ring is full, and the device with
// it; then the link, for the ring to be used. So what the first launch needs, and what the host computes for later
// ones, takes the queue of the weights, behind those of that launch and a few more: their lead.
//
// Out of pageable memory the host has to copy itself, and is busy. It copies weights one split ahead, and caches when
// there is nothing that it could launch instead: before it computes. Other weights do not wait for them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "host/topology.h"
#include "split/split.h"
#include "stream/layout.h"

namespace ggml_sched {

class StreamOrder {
  public:
    using OfCopy = std::function<bool(uint32_t copy)>; // index into Splits::copies

    // `is_pinned`: the device reads the source by itself. `is_from_host`: it is copied out of host memory.
    StreamOrder(const Splits & splits, const WritesByCache & writes, const std::vector<StreamSlots> & streams,
                const Topology & topology, bool whole_experts, OfCopy is_pinned, const OfCopy & is_from_host);

    // The next weight or cache to copy to the backend, once this split has been launched; NULL: none of them yet.
    const StreamSlot * next(BackendId backend, int32_t split);

    // Is anything streamed to it without the host's waiting for the copies?
    bool is_ahead(BackendId backend) const;
    // Do other copies from the host for this split take the queue of the weights?
    bool is_fed(BackendId backend, int32_t split) const;

  private:
    struct Lane {
        std::vector<const StreamSlot *> weights; // and all else that does not wait for the host
        std::vector<const StreamSlot *> caches;  // in pageable memory
        size_t next = 0;                         // the first of the weights that has not been issued,
        size_t next_cache = 0;                   // and of the caches
        size_t launched = 0;                     // weights of splits that have been launched
        size_t ahead = 0;                        // bytes of the others that have been issued
        size_t lead = 0;                         // the most that they may be while splits are fed
        std::vector<int32_t> fed;                // splits, in order, that need copies which take this queue
    };

    void find_fed(const WritesByCache & writes, const OfCopy & is_from_host);
    bool needs_others(const WritesByCache & writes, int32_t split, const OfCopy & is_from_host) const;
    bool is_of_host(int32_t split) const;
    int32_t next_of(BackendId backend, int32_t split) const;
    bool may_go(const StreamSlot & slot, int32_t split) const;
    static size_t ring_of(const StreamSlots & slots);
    static bool is_in_the_lead(Lane & lane, const StreamSlot & slot, int32_t split);

    const Splits & splits_;
    const Topology & topology_;
    const bool whole_experts_;
    const OfCopy is_pinned_;
    std::vector<Lane> lanes_; // by backend
};

} // namespace ggml_sched
