// The operation that calls a function of the program.

#include "ggml-impl.h"
#include "ops/build.h"
#include "tensor/context.h"

#include <cstddef>
#include <cstring>

using namespace ggml_sched::core;

namespace {

using Params = ggml_custom_op_params;
static_assert(sizeof(Params) <= GGML_MAX_OP_PARAMS, "op_params have room for the struct");

// Leaves the padding of the struct 0, so that equal parameters are equal bytes.
template <class Field> void set_param(ggml_tensor * tensor, size_t offset, Field field) {
    std::memcpy(reinterpret_cast<char *>(tensor->op_params) + offset, &field, sizeof(field));
}

bool check_arguments(const char * builder, ggml_tensor ** args, int n_args, ggml_custom_op_t fun, int n_tasks) {
    if (!require(n_args >= 0 && n_args < GGML_MAX_SRC, builder, "there must be 0 to GGML_MAX_SRC - 1 operands", {}) ||
        !require(args || n_args == 0, builder, "args is NULL; pass the operands", {}) ||
        !require(fun, builder, "fun is NULL; pass a function", {}) ||
        !require(n_tasks > 0 || n_tasks == GGML_N_TASKS_MAX, builder,
                 "the number of tasks must be positive or GGML_N_TASKS_MAX", {})) {
        return false;
    }
    for (int i = 0; args && i < n_args; i++) {
        if (!args[i]) {
            GGML_LOG_ERROR("%s: operand %d is NULL; an earlier call failed\n", builder, i);
            return false;
        }
    }
    return true;
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_custom_4d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1,
                                    int64_t ne2, int64_t ne3, struct ggml_tensor ** args, int n_args,
                                    ggml_custom_op_t fun, int n_tasks, void * userdata) {
    const char * builder = "ggml_custom_4d";
    const int64_t ne[] = {ne0, ne1, ne2, ne3};
    Layout layout;
    if (!given(builder, ctx, {}) || !check_arguments(builder, args, n_args, fun, n_tasks) ||
        !contiguous_layout(builder, type, GGML_MAX_DIMS, ne, layout)) {
        return nullptr;
    }
    ggml_tensor * result = finish(new_tensor(ctx, layout), GGML_OP_CUSTOM, {});
    if (result) {
        set_param(result, offsetof(Params, fun), fun);
        set_param(result, offsetof(Params, n_tasks), n_tasks);
        set_param(result, offsetof(Params, userdata), userdata);
        for (int i = 0; args && i < n_args; i++) {
            result->src[i] = args[i];
        }
    }
    return result;
}

} // extern "C"
