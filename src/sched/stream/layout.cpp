#include "stream/layout.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// Returns the split of a node; kBeforeTheRun for kNoNode.
int32_t split_of(int32_t node, const Splits & splits) {
    const auto after = std::upper_bound(splits.splits.begin(), splits.splits.end(), node,
                                        [](int32_t index, const Split & split) { return index < split.begin; });
    return static_cast<int32_t>(after - splits.splits.begin()) - 1;
}

} // namespace

std::vector<StreamSlot> streamed_to(BackendId backend, const GraphView & graph, const Splits & splits,
                                    const std::vector<host::Backend> & backends) {
    const size_t alignment = ggml_backend_buft_get_alignment(backends[backend].buft);
    std::vector<StreamSlot> slots;
    for (size_t i = 0; i < splits.splits.size(); i++) {
        for (const uint32_t input : splits.splits[i].inputs) {
            const InputCopy & copy = splits.copies[input];
            if (copy.streamed && copy.backend == backend) {
                const size_t size = size_on(backends[backend], graph.tensor(copy.tensor));
                const size_t padded = (size + alignment - 1) / alignment * alignment;
                slots.push_back({input, static_cast<int32_t>(i), 0, padded, split_of(copy.ids_node, splits)});
            }
        }
    }
    return slots;
}

size_t ring_size(const std::vector<StreamSlot> & slots, size_t capacity) {
    size_t total = 0;
    size_t largest = 0;
    for (const StreamSlot & slot : slots) {
        total += slot.size;
        largest = std::max(largest, slot.size);
    }
    if (total <= capacity) {
        return total;
    }
    const size_t n_laps = (total + capacity - 1) / capacity;
    return std::min(capacity, total / n_laps + largest);
}

bool lay_out(std::vector<StreamSlot> & slots, size_t ring) {
    if (slots.empty()) {
        return true;
    }
    size_t lap = 0;  // first slot of this lap
    size_t live = 0; // first slot of the lap before that no slot of this lap overwrites
    size_t cursor = 0;
    int32_t free_after = kBeforeTheRun;
    for (size_t i = 0; i < slots.size(); i++) {
        StreamSlot & slot = slots[i];
        if (cursor + slot.size > ring) {
            cursor = 0;
            live = lap; // Slots that were left of the lap before are older than those that are overwritten now.
            lap = i;
        }
        slot.offset = cursor;
        cursor += slot.size;
        if (cursor > ring) {
            return false;
        }
        for (; live < lap && slots[live].offset < cursor; live++) {
            free_after = slots[live].split;
        }
        slot.free_after = free_after; // An earlier slot may have overwritten a part of the same old slot.
        if (slot.free_after == slot.split) {
            return false;
        }
    }
    return true;
}

} // namespace ggml_sched
