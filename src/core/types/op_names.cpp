#include "enumerator.h"
#include "ggml-impl.h"

namespace {

struct OpText {
    const char * name;
    const char * symbol;
};

// In the order of enum ggml_op.
constexpr OpText op_texts[] = {
    {"NONE", "none"},
    {"DUP", "x"},
    {"ADD", "x+y"},
    {"MUL", "x*y"},
    {"DIV", "x/y"},
    {"SUM_ROWS", "sum_rows(x)"},
    {"ARGMAX", "argmax(x)"},
    {"REPEAT", "repeat(x)"},
    {"CONCAT", "concat(x,y)"},
    {"RMS_NORM", "rms_norm(x)"},
    {"MUL_MAT", "X*Y"},
    {"MUL_MAT_ID", "X[i]*Y"},
    {"SCALE", "x*v"},
    {"SET", "y->view(x)"},
    {"CPY", "x->y"},
    {"CONT", "cont(x)"},
    {"RESHAPE", "reshape(x)"},
    {"VIEW", "view(x)"},
    {"PERMUTE", "permute(x)"},
    {"TRANSPOSE", "transpose(x)"},
    {"GET_ROWS", "get_rows(x)"},
    {"SET_ROWS", "set_rows(x)"},
    {"SOFT_MAX", "soft_max(x)"},
    {"ROPE", "rope(x)"},
    {"ARGSORT", "argsort(x)"},
    {"TOP_K", "top_k(x)"},
    {"UNARY", "unary(x)"},
    {"GLU", "glu(x)"},
    {"CUSTOM", "custom(x)"},
};
static_assert(sizeof(op_texts) / sizeof(op_texts[0]) == GGML_OP_COUNT, "one entry an operation");

constexpr const char * unary_names[] = {"RELU", "GELU", "SILU"};
static_assert(sizeof(unary_names) / sizeof(unary_names[0]) == GGML_UNARY_OP_COUNT, "one entry an operation");

constexpr const char * glu_names[] = {"SWIGLU"};
static_assert(sizeof(glu_names) / sizeof(glu_names[0]) == GGML_GLU_OP_COUNT, "one entry an operation");

using ggml_sched::core::is_below;

} // namespace

extern "C" {

const char * ggml_op_name(enum ggml_op op) {
    return is_below(op, GGML_OP_COUNT) ? op_texts[op].name : "?";
}

const char * ggml_op_symbol(enum ggml_op op) {
    return is_below(op, GGML_OP_COUNT) ? op_texts[op].symbol : "?";
}

const char * ggml_unary_op_name(enum ggml_unary_op op) {
    return is_below(op, GGML_UNARY_OP_COUNT) ? unary_names[op] : "?";
}

const char * ggml_glu_op_name(enum ggml_glu_op op) {
    return is_below(op, GGML_GLU_OP_COUNT) ? glu_names[op] : "?";
}

const char * ggml_op_desc(const struct ggml_tensor * t) {
    if (!t) {
        return "?";
    }
    switch (t->op) {
    case GGML_OP_UNARY: return ggml_unary_op_name(ggml_get_unary_op(t));
    case GGML_OP_GLU: return ggml_glu_op_name(ggml_get_glu_op(t));
    default: return ggml_op_name(t->op);
    }
}

enum ggml_unary_op ggml_get_unary_op(const struct ggml_tensor * tensor) {
    const bool is_unary = tensor && tensor->op == GGML_OP_UNARY;
    return is_unary ? static_cast<ggml_unary_op>(tensor->op_params[0]) : GGML_UNARY_OP_COUNT;
}

enum ggml_glu_op ggml_get_glu_op(const struct ggml_tensor * tensor) {
    const bool is_glu = tensor && tensor->op == GGML_OP_GLU;
    return is_glu ? static_cast<ggml_glu_op>(tensor->op_params[0]) : GGML_GLU_OP_COUNT;
}

bool ggml_is_view_op(enum ggml_op op) {
    switch (op) {
    case GGML_OP_RESHAPE:
    case GGML_OP_VIEW:
    case GGML_OP_PERMUTE:
    case GGML_OP_TRANSPOSE: return true;
    default: return false;
    }
}

} // extern "C"
