#include "host/in_place.h"

namespace ggml_sched::host {

namespace {

constexpr int n_to_take_over(ggml_op op) {
    switch (op) {
#ifdef GGML_SCHED_DROP_IN
    case GGML_OP_SUB:
#endif
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: return 2;
#ifdef GGML_SCHED_DROP_IN
    case GGML_OP_ADD1:
    case GGML_OP_DIAG_MASK_INF:
    case GGML_OP_DIAG_MASK_ZERO:
    case GGML_OP_LOG:
    case GGML_OP_SQR:
    case GGML_OP_SQRT:
#endif
    case GGML_OP_RMS_NORM:
    case GGML_OP_ROPE:
    case GGML_OP_SCALE:
    case GGML_OP_SOFT_MAX:
    case GGML_OP_UNARY: return 1;
    default: return 0;
    }
}

constexpr std::array<uint8_t, GGML_OP_COUNT> by_operation() {
    std::array<uint8_t, GGML_OP_COUNT> result = {};
    for (int op = 0; op < GGML_OP_COUNT; op++) {
        result[op] = static_cast<uint8_t>(n_to_take_over(static_cast<ggml_op>(op)));
    }
    return result;
}

} // namespace

constexpr std::array<uint8_t, GGML_OP_COUNT> kOperandsToTakeOver = by_operation();

bool results_may_stay_in_other_memory() {
#ifdef GGML_SCHED_DROP_IN
    return true;
#else
    return false;
#endif
}

} // namespace ggml_sched::host
