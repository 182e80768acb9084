// Which operations may put their result where an operand was.

#pragma once

#include <array>
#include <cstdint>

#include "ggml.h"

namespace ggml_sched::host {

// By operation, for how many of the operands, from the first one on, this holds: each element of the result depends on
// no other element of such an operand, or on others of its row only, if both have the same layout. Every backend can
// work in place then. In a foreign ggml it is all operations that its allocator puts in place: where tensors lie
// decides which of them a backend fuses, and that shows in the bits of the results.
using OperandsToTakeOver = std::array<uint8_t, GGML_OP_COUNT>;
OperandsToTakeOver operands_to_take_over();

// May the operand be a view, which nobody else reads and which begins where that begins which it views? A foreign
// ggml's allocator does not do that.
bool views_can_be_taken_over();

// May the operand be in memory of another backend, which the one that computes the result can use? A foreign ggml's
// scheduler does that, and sends fewer bytes where that other backend reads the result. Ours would rather have a device
// wait for the host less often.
bool results_may_stay_in_other_memory();

} // namespace ggml_sched::host
