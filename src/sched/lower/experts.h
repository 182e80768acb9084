// Which copies are of the weights of experts, and which ids say what of them is used.

#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "split/split.h"

namespace ggml_sched {

// Ids as a node has left them: others may follow in the same tensor.
struct ExpertIds {
    TensorId tensor;
    int32_t written_by;
};

using ExpertCopies = std::unordered_map<uint32_t, ExpertIds>; // by index into Splits::copies

// Finds copies that nobody but MUL_MAT_ID reads, all of them with the same ids, computed in an earlier split. Only
// those for which `is_partial` says that a part of them can be sent.
ExpertCopies find_experts(const GraphView & graph, const Splits & splits,
                          const std::function<bool(uint32_t)> & is_partial);

} // namespace ggml_sched
