#include "ggml-impl.h"
#include "tensor/context.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

using namespace ggml_sched;

namespace {

ggml_tensor * new_tensor(ggml_context * ctx, const ggml_type & type, int n_dims, const int64_t * ne) {
    if (!ctx) {
        GGML_LOG_ERROR("ggml_new_tensor: the context is NULL; create one with ggml_init\n");
        return nullptr;
    }
    core::Layout layout;
    return core::contiguous_layout("ggml_new_tensor", type, n_dims, ne, layout) ? core::new_tensor(ctx, layout)
                                                                                : nullptr;
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_new_tensor(struct ggml_context * ctx, enum ggml_type type, int n_dims, const int64_t * ne) {
    return new_tensor(ctx, type, n_dims, ne);
}

struct ggml_tensor * ggml_new_tensor_1d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0) {
    return new_tensor(ctx, type, 1, &ne0);
}

struct ggml_tensor * ggml_new_tensor_2d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1) {
    const int64_t ne[] = {ne0, ne1};
    return new_tensor(ctx, type, 2, ne);
}

struct ggml_tensor * ggml_new_tensor_3d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1,
                                        int64_t ne2) {
    const int64_t ne[] = {ne0, ne1, ne2};
    return new_tensor(ctx, type, 3, ne);
}

struct ggml_tensor * ggml_new_tensor_4d(struct ggml_context * ctx, enum ggml_type type, int64_t ne0, int64_t ne1,
                                        int64_t ne2, int64_t ne3) {
    const int64_t ne[] = {ne0, ne1, ne2, ne3};
    return new_tensor(ctx, type, 4, ne);
}

struct ggml_tensor * ggml_dup_tensor(struct ggml_context * ctx, const struct ggml_tensor * src) {
    if (!src) {
        GGML_LOG_ERROR("ggml_dup_tensor: the tensor is NULL; an earlier call failed\n");
        return nullptr;
    }
    return ggml_new_tensor(ctx, src->type, GGML_MAX_DIMS, src->ne);
}

struct ggml_tensor * ggml_dup_tensor_layout(struct ggml_context * ctx, const struct ggml_tensor * tensor) {
    if (!ctx || !tensor) {
        GGML_LOG_ERROR("ggml_dup_tensor_layout: the context or the tensor is NULL; an earlier call failed\n");
        return nullptr;
    }
    return core::new_tensor_without_data(ctx, core::layout_of(tensor));
}

struct ggml_tensor * ggml_view_tensor(struct ggml_context * ctx, struct ggml_tensor * src) {
    if (!ctx || !src) {
        GGML_LOG_ERROR("ggml_view_tensor: the context or the tensor is NULL; an earlier call failed\n");
        return nullptr;
    }
    return ggml_format_name(core::new_view("ggml_view_tensor", ctx, core::layout_of(src), src, 0), "%s (view)",
                            src->name);
}

void * ggml_get_data(const struct ggml_tensor * tensor) {
    return tensor ? tensor->data : nullptr;
}

float * ggml_get_data_f32(const struct ggml_tensor * tensor) {
    return tensor && tensor->type == GGML_TYPE_F32 ? static_cast<float *>(tensor->data) : nullptr;
}

const char * ggml_get_name(const struct ggml_tensor * tensor) {
    return tensor ? tensor->name : "";
}

struct ggml_tensor * ggml_set_name(struct ggml_tensor * tensor, const char * name) {
    return ggml_format_name(tensor, "%s", name ? name : "");
}

struct ggml_tensor * ggml_format_name(struct ggml_tensor * tensor, const char * fmt, ...) {
    if (tensor && fmt) {
        // The arguments may include the old name.
        char name[GGML_MAX_NAME];
        va_list args;
        va_start(args, fmt);
        std::vsnprintf(name, sizeof(name), fmt, args);
        va_end(args);
        std::memcpy(tensor->name, name, sizeof(name));
    }
    return tensor;
}

void ggml_set_input(struct ggml_tensor * tensor) {
    if (tensor) {
        tensor->flags |= GGML_TENSOR_FLAG_INPUT;
    }
}

void ggml_set_output(struct ggml_tensor * tensor) {
    if (tensor) {
        tensor->flags |= GGML_TENSOR_FLAG_OUTPUT;
    }
}

void ggml_set_param(struct ggml_tensor * tensor) {
    if (!tensor || tensor->op != GGML_OP_NONE) {
        GGML_LOG_ERROR("ggml_set_param: '%s' is computed; only a tensor without an operation can be a parameter\n",
                       ggml_get_name(tensor));
        return;
    }
    tensor->flags |= GGML_TENSOR_FLAG_PARAM;
}

} // extern "C"
