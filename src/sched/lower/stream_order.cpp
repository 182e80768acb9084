#include "lower/stream_order.h"

#include <algorithm>
#include <utility>

namespace ggml_sched {

namespace {

// The lead, as a part of the ring: enough to keep the device busy until the link has caught up. Where the host computes
// before the first launch, the link should have something to do meanwhile.
constexpr size_t kRingToLead = 4;
constexpr size_t kRingToLeadOfHost = 2;

} // namespace

StreamOrder::StreamOrder(const Splits & splits, const std::vector<StreamSlots> & streams, const Topology & topology,
                         bool whole_experts, OfCopy is_pinned, const OfCopy & is_from_host)
    : streams_(streams)
    , whole_experts_(whole_experts)
    , is_pinned_(std::move(is_pinned))
    , lanes_(streams.size()) {
    std::vector<bool> seen(streams.size(), false);
    bool host_computes = false;
    for (size_t i = 0; i < splits.splits.size() && !streams.empty(); i++) {
        const Split & split = splits.splits[i];
        host_computes = host_computes || topology.lane_of[split.backend] == plan::kHost;
        const StreamSlots & slots = streams[split.backend];
        if (seen[split.backend] || slots.empty()) {
            continue;
        }
        seen[split.backend] = true;
        const bool has_others = std::any_of(split.inputs.begin(), split.inputs.end(), [&](uint32_t input) {
            return !splits.copies[input].streamed && is_from_host(input);
        });
        if (has_others && is_ahead(slots.front())) {
            lanes_[split.backend].first_split = static_cast<int32_t>(i);
            lanes_[split.backend].lead = ring_of(slots) / (host_computes ? kRingToLeadOfHost : kRingToLead);
        }
    }
}

bool StreamOrder::is_ahead(const StreamSlot & first) const {
    return is_pinned_(first.copy) && (whole_experts_ || first.known_after == kBeforeTheRun);
}

size_t StreamOrder::ring_of(const StreamSlots & slots) {
    size_t end = 0;
    for (const StreamSlot & slot : slots) {
        end = std::max(end, slot.offset + slot.size);
    }
    return end;
}

const StreamSlot * StreamOrder::next(BackendId backend, int32_t split) {
    const StreamSlots & slots = streams_[backend];
    Lane & lane = lanes_[backend];
    if (lane.next == slots.size()) {
        return nullptr;
    }
    const StreamSlot & slot = slots[lane.next];
    const bool has_room = slot.free_after <= split;
    const bool is_known = whole_experts_ || slot.known_after <= split;
    const bool is_near = slot.split <= split + 1 || is_pinned_(slot.copy); // the host is busy with others
    if (!has_room || !is_known || !is_near || !is_in_the_lead(lane, slot, split)) {
        return nullptr;
    }
    lane.next++;
    return &slot;
}

// The last of them may reach beyond it.
bool StreamOrder::is_in_the_lead(Lane & lane, const StreamSlot & slot, int32_t split) {
    if (split < lane.first_split && slot.split > lane.first_split && lane.lead == 0) {
        return false;
    }
    lane.lead -= std::min(lane.lead, slot.size);
    return true;
}

} // namespace ggml_sched
