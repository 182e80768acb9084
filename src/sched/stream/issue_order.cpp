#include "stream/issue_order.h"

#include <algorithm>
#include <utility>

namespace ggml_sched {

namespace {

// The lead, as a part of the ring: enough to keep the device busy until the link has caught up. Where the host computes
// before the first launch, the link should have something to do meanwhile. Where it computes between launches, all have
// to wait for the lead: it is what the link has to do while the host computes.
constexpr size_t kRingToLead = 4;
constexpr size_t kRingToLeadOfHost = 2;
constexpr size_t kRingToLeadOfMany = 8;
constexpr size_t kNever = SIZE_MAX;

} // namespace

StreamOrder::StreamOrder(const Splits & splits, const WritesByCache & writes, const std::vector<StreamSlots> & streams,
                         const Topology & topology, bool whole_experts, OfCopy is_pinned, const OfCopy & is_from_host)
    : splits_(splits)
    , topology_(topology)
    , whole_experts_(whole_experts)
    , is_pinned_(std::move(is_pinned))
    , lanes_(streams.size()) {
    bool streams_any = false;
    for (size_t backend = 0; backend < streams.size(); backend++) {
        Lane & lane = lanes_[backend];
        for (const StreamSlot & slot : streams[backend]) {
            const bool waits = splits_.copies[slot.copy].cache && !is_pinned_(slot.copy);
            (waits ? lane.caches : lane.weights).push_back(&slot);
        }
        lane.lead = ring_of(streams[backend]);
        streams_any = streams_any || !streams[backend].empty();
    }
    if (streams_any) {
        find_fed(writes, is_from_host);
    }
}

// The first split of each backend, and the first after each time that the host computes.
void StreamOrder::find_fed(const WritesByCache & writes, const OfCopy & is_from_host) {
    std::vector<size_t> fed_at(lanes_.size(), kNever); // host splits before the backend's last one that is fed
    std::vector<bool> after_host(lanes_.size(), false);
    size_t n_host_splits = 0;
    for (int32_t i = 0; i < static_cast<int32_t>(splits_.splits.size()); i++) {
        const BackendId backend = splits_.splits[static_cast<size_t>(i)].backend;
        Lane & lane = lanes_[backend];
        n_host_splits += is_of_host(i) ? 1 : 0;
        if (fed_at[backend] != n_host_splits && is_ahead(backend) && needs_others(writes, i, is_from_host)) {
            after_host[backend] = after_host[backend] || (lane.fed.empty() && n_host_splits > 0);
            fed_at[backend] = n_host_splits;
            lane.fed.push_back(i);
        }
    }
    for (size_t backend = 0; backend < lanes_.size(); backend++) {
        Lane & lane = lanes_[backend];
        lane.lead /= lane.fed.size() > 1 ? kRingToLeadOfMany : after_host[backend] ? kRingToLeadOfHost : kRingToLead;
    }
}

// Other copies from the host than those of weights, and of what caches hold from the start
bool StreamOrder::needs_others(const WritesByCache & writes, int32_t split, const OfCopy & is_from_host) const {
    const Split & needs = splits_.splits[static_cast<size_t>(split)];
    return std::any_of(needs.inputs.begin(), needs.inputs.end(), [&](uint32_t input) {
        const InputCopy & copy = splits_.copies[input];
        return copy.streamed ? copy.cache && writes.any(copy.tensor, needs.begin) : is_from_host(input);
    });
}

bool StreamOrder::is_fed(BackendId backend, int32_t split) const {
    return !lanes_.empty() && std::binary_search(lanes_[backend].fed.begin(), lanes_[backend].fed.end(), split);
}

bool StreamOrder::is_ahead(BackendId backend) const {
    const Lane & lane = lanes_[backend];
    if (lane.weights.empty()) {
        return !lane.caches.empty();
    }
    const StreamSlot & first = *lane.weights.front();
    return is_pinned_(first.copy) && (whole_experts_ || first.known_after == kBeforeTheRun);
}

bool StreamOrder::is_of_host(int32_t split) const {
    return topology_.lane_of[splits_.splits[static_cast<size_t>(split)].backend] == plan::kHost;
}

// The next split, or if the host computes that, the backend's next.
int32_t StreamOrder::next_of(BackendId backend, int32_t split) const {
    const auto n = static_cast<int32_t>(splits_.splits.size());
    int32_t next = split + 1;
    while (next < n && is_of_host(split + 1) && splits_.splits[static_cast<size_t>(next)].backend != backend) {
        next++;
    }
    return next;
}

size_t StreamOrder::ring_of(const StreamSlots & slots) {
    size_t end = 0;
    for (const StreamSlot & slot : slots) {
        end = std::max(end, slot.offset + slot.size);
    }
    return end;
}

const StreamSlot * StreamOrder::next(BackendId backend, int32_t split) {
    Lane & lane = lanes_[backend];
    if (lane.next < lane.weights.size()) {
        const StreamSlot & slot = *lane.weights[lane.next];
        const bool is_near = slot.split <= split + 1 || is_pinned_(slot.copy);
        if (is_near && may_go(slot, split) && is_in_the_lead(lane, slot, split)) {
            lane.next++;
            lane.ahead += slot.size;
            return &slot;
        }
    }
    if (lane.next_cache < lane.caches.size()) {
        const StreamSlot & slot = *lane.caches[lane.next_cache];
        if (slot.split <= next_of(backend, split) && may_go(slot, split)) {
            lane.next_cache++;
            return &slot;
        }
    }
    return nullptr;
}

// There is room, and it is known what to copy.
bool StreamOrder::may_go(const StreamSlot & slot, int32_t split) const {
    return slot.free_after <= split && (whole_experts_ || slot.known_after <= split);
}

// The last of them may reach beyond it.
bool StreamOrder::is_in_the_lead(Lane & lane, const StreamSlot & slot, int32_t split) {
    for (; lane.launched < lane.next && lane.weights[lane.launched]->split <= split; lane.launched++) {
        lane.ahead -= lane.weights[lane.launched]->size;
    }
    const auto fed = std::upper_bound(lane.fed.begin(), lane.fed.end(), split);
    return fed == lane.fed.end() || slot.split <= *fed || lane.ahead < lane.lead;
}

} // namespace ggml_sched
