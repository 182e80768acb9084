// Merged copies - one call sends small inputs that are adjacent both on the device and in the ring. A call takes the
// host longer than the bytes take, and a decode has several such inputs.
//
// The functions change only their arguments.

#pragma once

#include "lower/lower.h"

namespace ggml_sched {

// Returns the offset in the ring at which `next` can be merged with `last`: as far behind `last` as on the device.
// Returns `free`, the end of what is used in the ring, if the two are not adjacent.
size_t ring_offset_behind(const CopyBinding & last, const CopyBinding & next, const AdjacentCopies & adjacent_copies,
                          size_t free);

// Merges adjacent copies among the tasks of one split: the first of them does the work of all. The order of a split's
// copies does not matter, since all get their places before the first of their sources is released.
void merge_neighbours(std::vector<plan::Task> & tasks, const AdjacentCopies & adjacent_copies, Lowered & lowered);

} // namespace ggml_sched
