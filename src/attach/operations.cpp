// host/operations.h for the ggml that the current thread works with.

#include "host/operations.h"

#include "bound_ggml.h"

namespace ggml_sched::host {

using attach::current;
using attach::KnownOp;

bool is_placed_by_weights(const ggml_tensor * tensor) {
    const bool is_flash_attn = tensor->op == attach::number_of(KnownOp::FlashAttn);
    return tensor->op != attach::number_of(KnownOp::Rope) && (!is_flash_attn || current().ops.weights_place_flash_attn);
}

bool is_set_rows(const ggml_tensor * tensor) {
    return tensor->op == attach::number_of(KnownOp::SetRows);
}

bool is_add_id(const ggml_tensor * tensor) {
    return tensor->op == attach::number_of(KnownOp::AddId);
}

bool is_row_by_row(const ggml_tensor * tensor) {
    return current().ops.row_by_row[tensor->op];
}

OperandsToTakeOver operands_to_take_over() {
    OperandsToTakeOver result = {};
    for (size_t op = 0; op < result.size(); op++) {
        result[op] = current().ops.in_place[op] ? GGML_MAX_SRC : 0;
    }
    return result;
}

bool views_can_be_taken_over() {
    return false;
}

bool results_may_stay_in_other_memory() {
    return true;
}

} // namespace ggml_sched::host
