// Small inputs whose copies lie side by side, on the device as in the ring, are sent at once: a call into a backend
// takes longer than some more bytes, and for a decoded token half a dozen of them are most of what the host does.

#pragma once

#include "lower/lower.h"

namespace ggml_sched {

// Where a copy that passes through the ring should be in it to be merged with the one that was bound last: as far
// behind it as on the device. `free`, where the ring has been used up to, if they are no neighbours.
size_t ring_offset_behind(const CopyBinding & last, const CopyBinding & next, const AdjacentCopies & adjacent_copies,
                          size_t free);

// Merges neighbours among these tasks, which belong to one split and a device that sets ranges: the first of them does
// the work of all, in its turn. Inputs of a split get their places before the first of their sources is given up, so
// the order of their copies does not matter.
void merge_neighbours(std::vector<plan::Task> & tasks, const AdjacentCopies & adjacent_copies, Lowered & lowered);

} // namespace ggml_sched
