#include "ops/build.h"

#include "ggml-impl.h"

#include <cstdio>
#include <cstring>

namespace ggml_sched::core {

bool given(const char * builder, const ggml_context * ctx, Operands operands) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL; create one with ggml_init\n", builder);
        return false;
    }
    int index = 0;
    for (const ggml_tensor * operand : operands) {
        if (!operand) {
            GGML_LOG_ERROR("%s: operand %d is NULL; an earlier call failed\n", builder, index);
            return false;
        }
        index++;
    }
    return true;
}

bool require(bool ok, const char * builder, const char * rule, Operands operands) {
    if (ok) {
        return true;
    }
    char shapes[512] = "";
    size_t length = 0;
    for (const ggml_tensor * t : operands) {
        if (t && length < sizeof(shapes)) {
            const int n = std::snprintf(shapes + length, sizeof(shapes) - length, " %s[%lld, %lld, %lld, %lld]",
                                        ggml_type_name(t->type), (long long) t->ne[0], (long long) t->ne[1],
                                        (long long) t->ne[2], (long long) t->ne[3]);
            length += n > 0 ? static_cast<size_t>(n) : 0;
        }
    }
    GGML_LOG_ERROR("%s: %s; operands:%s\n", builder, rule, shapes);
    return false;
}

bool divides(int64_t part, int64_t whole) {
    return part == 0 ? whole == 0 : whole % part == 0;
}

ggml_tensor * result_like(ggml_context * ctx, ggml_tensor * a, bool inplace) {
    return inplace ? ggml_view_tensor(ctx, a) : ggml_dup_tensor(ctx, a);
}

ggml_tensor * finish(ggml_tensor * result, ggml_op op, std::initializer_list<ggml_tensor *> sources) {
    if (result) {
        result->op = op;
        int i = 0;
        for (ggml_tensor * source : sources) {
            result->src[i++] = source;
        }
    }
    return result;
}

void set_param_i32(ggml_tensor * tensor, int index, int32_t value) {
    if (tensor) {
        tensor->op_params[index] = value;
    }
}

void set_param_f32(ggml_tensor * tensor, int index, float value) {
    if (tensor) {
        std::memcpy(&tensor->op_params[index], &value, sizeof(value));
    }
}

} // namespace ggml_sched::core
