// Stream layout - where streamed weights lie. Each backend has a ring of memory for them: weights follow one another in
// the order of their use, and begin again at the start when the end is reached. What was there before must have been
// used by then; how far copies can run ahead is the size of the ring.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "split/split.h"

namespace ggml_sched {

constexpr int32_t kBeforeTheRun = -1;

// One streamed weight, or cache
struct StreamSlot {
    uint32_t copy; // index into Splits::copies
    int32_t split; // that needs it
    size_t offset; // in the ring
    size_t size;
    int32_t known_after = kBeforeTheRun;  // the split that computes the ids of the experts to copy
    int32_t free_after = kBeforeTheRun;   // once this split of the run has been launched, nobody needs what lay there
    int32_t issued_after = kBeforeTheRun; // the copy, once this split has been launched; kBeforeTheRun: before any

    friend bool operator==(const StreamSlot & a, const StreamSlot & b) {
        return a.copy == b.copy && a.split == b.split && a.offset == b.offset && a.size == b.size &&
               a.known_after == b.known_after && a.free_after == b.free_after && a.issued_after == b.issued_after;
    }
};

// The weights that are streamed to a backend, with sizes; they have no offsets yet.
std::vector<StreamSlot> streamed_to(BackendId backend, const GraphView & graph, const Splits & splits,
                                    const std::vector<host::Backend> & backends);

// The bytes of ring, at most `capacity`, to use for these. Every lap round it is about as long: the next run begins at
// the start again, and would have to wait for the end of this one if the last lap were a short one.
size_t ring_size(const std::vector<StreamSlot> & slots, size_t capacity);

// Gives each slot its offset. False if a split needs more than the ring holds.
bool lay_out(std::vector<StreamSlot> & slots, size_t ring);

} // namespace ggml_sched
