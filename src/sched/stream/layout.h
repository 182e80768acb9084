// Stream layout - where streamed weights lie. Each backend has a ring of memory for them, and each copy has a slot of
// the ring. Slots follow one another in the order of their use, and begin again at the start when the end is reached.
// A copy may only overwrite what has been used by then, so the size of the ring limits how far copies run ahead.
//
// These are values and pure functions, and so any thread may call them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "split/split.h"

namespace ggml_sched {

// Stands for a split before the first one: the moment when the run begins.
constexpr int32_t kBeforeTheRun = -1;

// StreamSlot - the place of one streamed weight, or cache, in the ring, and when it is copied there
struct StreamSlot {
    uint32_t copy; // index into Splits::copies
    int32_t split; // split that reads the copy
    size_t offset; // offset in the ring
    size_t size;
    int32_t known_after = kBeforeTheRun;  // split that computes the ids of the experts to copy
    int32_t free_after = kBeforeTheRun;   // once this split has been launched, nothing reads what lay there before
    int32_t issued_after = kBeforeTheRun; // split after whose launch the copy is issued

    friend bool operator==(const StreamSlot & a, const StreamSlot & b) {
        return a.copy == b.copy && a.split == b.split && a.offset == b.offset && a.size == b.size &&
               a.known_after == b.known_after && a.free_after == b.free_after && a.issued_after == b.issued_after;
    }
};

// Returns the slots of all weights and caches that are streamed to a backend. They have no offsets yet.
std::vector<StreamSlot> streamed_to(BackendId backend, const GraphView & graph, const Splits & splits,
                                    const std::vector<host::Backend> & backends);

// Returns how many bytes the ring of these slots should have, at most `capacity`. All laps round the ring get about the
// same length. The next run begins at the start again, and a short last lap would make it wait for the end of this run.
size_t ring_size(const std::vector<StreamSlot> & slots, size_t capacity);

// Gives each slot its offset. Returns false if a split needs more than the ring holds.
bool lay_out(std::vector<StreamSlot> & slots, size_t ring);

} // namespace ggml_sched
