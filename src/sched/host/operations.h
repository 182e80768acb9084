// Operations - what the scheduler knows of ggml's operations: which are views, and which may put their result where an
// operand was.
//
// The functions return constants of the ggml. Any thread may call them.

#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "ggml.h"

namespace ggml_sched::host {

// True if the weights of a node decide where it is computed. False if these are always small: the frequency factors of
// ROPE, and in newer versions of ggml the sinks of flash attention.
bool is_placed_by_weights(const ggml_tensor * tensor);

// True if the operation computes nothing, and only shows memory in another shape.
inline bool is_view_op(const ggml_tensor * tensor) {
    const ggml_op op = tensor->op;
    return op == GGML_OP_RESHAPE || op == GGML_OP_VIEW || op == GGML_OP_PERMUTE || op == GGML_OP_TRANSPOSE;
}

// True for SET_ROWS: it replaces the rows that src[1] names by those of src[0]. Older versions of ggml lack it.
bool is_set_rows(const ggml_tensor * tensor);

// True for ADD_ID: it adds to each row the one that src[2] names. Our ggml lacks it.
bool is_add_id(const ggml_tensor * tensor);

// The operations of is_row_by_row().
inline constexpr std::initializer_list<const char *> kRowByRow = {"ADD",   "SUB", "MUL", "DIV",  "SCALE", "CLAMP",
                                                                  "UNARY", "GLU", "SQR", "SQRT", "LOG"};
// True if each row of the result depends on nothing but the same row of each operand, where all have the same rows.
bool is_row_by_row(const ggml_tensor * tensor);

// Makes the tensor a node that calls the function; see ggml_custom_4d. Each thread of the backend may call it. The one
// with number 0 is the thread that computes the graph.
inline void make_custom(ggml_tensor * tensor, ggml_custom_op_t function, void * user_data) {
    struct Parameters { // as every ggml reads them
        ggml_custom_op_t function;
        int n_tasks;
        void * user_data;
    } parameters = {}; // with zeros between its members, since parameters are compared
    static_assert(sizeof(parameters) <= sizeof(tensor->op_params), "they lie there");
    parameters.function = function;
    parameters.n_tasks = 1;
    parameters.user_data = user_data;
    tensor->op = GGML_OP_CUSTOM;
    std::memcpy(tensor->op_params, &parameters, sizeof(parameters));
}

// OperandsToTakeOver - by operation: how many operands, from the first one on, may give their place to the result.
//
// Each element of the result then depends on the same element of such an operand, or on elements of the same row. So
// every backend can compute in place if the layouts are equal. In a foreign ggml these are all operations that its own
// allocator computes in place: the places decide which operations a backend fuses, and so the bits of the results.
using OperandsToTakeOver = std::array<uint8_t, GGML_OP_COUNT>;
// Returns the table.
OperandsToTakeOver operands_to_take_over();

// True if the result may take the place of a view that begins where its root begins. A foreign ggml's allocator does
// not do so.
bool views_can_be_taken_over();

// True if the result may take a place in another backend's memory that its own backend can use. A foreign ggml's
// scheduler does so, which saves copies if the other backend reads the result. Ours does not, so that devices wait for
// the host less often.
bool results_may_stay_in_other_memory();

} // namespace ggml_sched::host
