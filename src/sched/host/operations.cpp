#include "host/operations.h"

#include <algorithm>
#include <cstring>

#include "host/ggml_api.h"

namespace ggml_sched::host {

namespace {

#ifndef GGML_SCHED_DROP_IN

int n_to_take_over(ggml_op op) {
    switch (op) {
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: return 2;
    case GGML_OP_RMS_NORM:
    case GGML_OP_ROPE:
    case GGML_OP_SCALE:
    case GGML_OP_SOFT_MAX:
    case GGML_OP_UNARY: return 1;
    default: return 0;
    }
}

#else

#if !GGML_SCHED_HAS_OP_CAN_INPLACE
// Returns the operations that every older ggml computes in place.
bool ggml_op_can_inplace(ggml_op op) {
    switch (op) {
    case GGML_OP_ADD:
    case GGML_OP_ADD1:
    case GGML_OP_DIAG_MASK_INF:
    case GGML_OP_DIAG_MASK_ZERO:
    case GGML_OP_DIV:
    case GGML_OP_LOG:
    case GGML_OP_MUL:
    case GGML_OP_RMS_NORM:
    case GGML_OP_ROPE:
    case GGML_OP_SCALE:
    case GGML_OP_SOFT_MAX:
    case GGML_OP_SQR:
    case GGML_OP_SQRT:
    case GGML_OP_SUB:
    case GGML_OP_UNARY: return true;
    default: return false;
    }
}
#endif

int n_to_take_over(ggml_op op) {
    return ggml_op_can_inplace(op) ? GGML_MAX_SRC : 0;
}

#endif

// OperationSet - operations by their names, of which a ggml may lack some
class OperationSet {
  public:
    OperationSet(std::initializer_list<const char *> names) {
        for (int op = 0; op < GGML_OP_COUNT; op++) {
            const char * const own = ggml_op_name(static_cast<ggml_op>(op));
            has_[static_cast<size_t>(op)] = std::any_of(
                names.begin(), names.end(), [own](const char * name) { return std::strcmp(own, name) == 0; });
        }
    }
    bool has(const ggml_tensor * tensor) const { return has_[static_cast<size_t>(tensor->op)]; }

  private:
    std::array<bool, GGML_OP_COUNT> has_ = {};
};

} // namespace

bool is_placed_by_weights(const ggml_tensor * tensor) {
#if GGML_SCHED_PLACES_FLASH_ATTN_FREELY
    if (tensor->op == GGML_OP_FLASH_ATTN_EXT) {
        return false;
    }
#endif
    return tensor->op != GGML_OP_ROPE;
}

bool is_set_rows(const ggml_tensor * tensor) {
    static const OperationSet set_rows({"SET_ROWS"});
    return set_rows.has(tensor);
}

bool is_add_id(const ggml_tensor * tensor) {
    static const OperationSet add_id({"ADD_ID"});
    return add_id.has(tensor);
}

bool is_row_by_row(const ggml_tensor * tensor) {
    static const OperationSet row_by_row(kRowByRow);
    return row_by_row.has(tensor);
}

OperandsToTakeOver operands_to_take_over() {
    OperandsToTakeOver result = {};
    for (int op = 0; op < GGML_OP_COUNT; op++) {
        result[op] = static_cast<uint8_t>(n_to_take_over(static_cast<ggml_op>(op)));
    }
    return result;
}

bool views_can_be_taken_over() {
#ifdef GGML_SCHED_DROP_IN
    return false;
#else
    return true;
#endif
}

bool results_may_stay_in_other_memory() {
#ifdef GGML_SCHED_DROP_IN
    return true;
#else
    return false;
#endif
}

} // namespace ggml_sched::host
