// Views: operations that describe other tensors' memory and move nothing.

#include "ops/build.h"
#include "tensor/context.h"

#include <cstring>

using namespace ggml_sched;
using namespace ggml_sched::core;

namespace {

ggml_tensor * build_reshape(const char * builder, ggml_context * ctx, ggml_tensor * a, int n_dims, const int64_t * ne) {
    Layout layout;
    if (!given(builder, ctx, {a}) ||
        !require(ggml_is_contiguous(a), builder, "a must be contiguous; use ggml_cont", {a}) ||
        !contiguous_layout(builder, a->type, n_dims, ne, layout) ||
        !require(layout.ne[0] * layout.ne[1] * layout.ne[2] * layout.ne[3] == ggml_nelements(a), builder,
                 "the new shape must have as many elements as a", {a})) {
        return nullptr;
    }
    ggml_tensor * result = new_view(builder, ctx, layout, a, 0);
    return finish(ggml_format_name(result, "%s (reshaped)", a->name), GGML_OP_RESHAPE, {a});
}

// The n_dims - 1 strides replace those of the dimensions from 1 on; what is above them is contiguous.
ggml_tensor * build_view(const char * builder, ggml_context * ctx, ggml_tensor * a, int n_dims, const int64_t * ne,
                         const size_t * strides, size_t offset) {
    Layout layout;
    if (!given(builder, ctx, {a}) || !contiguous_layout(builder, a->type, n_dims, ne, layout)) {
        return nullptr;
    }
    for (int i = 1; i < GGML_MAX_DIMS && n_dims > 1; i++) {
        layout.nb[i] = i < n_dims ? strides[i - 1] : layout.nb[i - 1] * static_cast<size_t>(layout.ne[i - 1]);
    }
    if (!require(is_aligned(layout, offset), builder, "offset and strides must be multiples of the type's size", {a})) {
        return nullptr;
    }
    ggml_tensor * result = new_view(builder, ctx, layout, a, offset);
    if (result) {
        ggml_format_name(result, "%s (view)", a->name);
        std::memcpy(result->op_params, &offset, sizeof(offset));
    }
    return finish(result, GGML_OP_VIEW, {a});
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_reshape(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    return given("ggml_reshape", ctx, {a, b}) ? build_reshape("ggml_reshape", ctx, a, GGML_MAX_DIMS, b->ne) : nullptr;
}

struct ggml_tensor * ggml_reshape_1d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0) {
    return build_reshape("ggml_reshape_1d", ctx, a, 1, &ne0);
}

struct ggml_tensor * ggml_reshape_2d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1) {
    const int64_t ne[] = {ne0, ne1};
    return build_reshape("ggml_reshape_2d", ctx, a, 2, ne);
}

struct ggml_tensor * ggml_reshape_3d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                     int64_t ne2) {
    const int64_t ne[] = {ne0, ne1, ne2};
    return build_reshape("ggml_reshape_3d", ctx, a, 3, ne);
}

struct ggml_tensor * ggml_reshape_4d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                     int64_t ne2, int64_t ne3) {
    const int64_t ne[] = {ne0, ne1, ne2, ne3};
    return build_reshape("ggml_reshape_4d", ctx, a, 4, ne);
}

struct ggml_tensor * ggml_view_1d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, size_t offset) {
    return build_view("ggml_view_1d", ctx, a, 1, &ne0, nullptr, offset);
}

struct ggml_tensor * ggml_view_2d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                  size_t nb1, size_t offset) {
    const int64_t ne[] = {ne0, ne1};
    return build_view("ggml_view_2d", ctx, a, 2, ne, &nb1, offset);
}

struct ggml_tensor * ggml_view_3d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                  int64_t ne2, size_t nb1, size_t nb2, size_t offset) {
    const int64_t ne[] = {ne0, ne1, ne2};
    const size_t strides[] = {nb1, nb2};
    return build_view("ggml_view_3d", ctx, a, 3, ne, strides, offset);
}

struct ggml_tensor * ggml_view_4d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                  int64_t ne2, int64_t ne3, size_t nb1, size_t nb2, size_t nb3, size_t offset) {
    const int64_t ne[] = {ne0, ne1, ne2, ne3};
    const size_t strides[] = {nb1, nb2, nb3};
    return build_view("ggml_view_4d", ctx, a, 4, ne, strides, offset);
}

struct ggml_tensor * ggml_permute(struct ggml_context * ctx, struct ggml_tensor * a, int axis0, int axis1, int axis2,
                                  int axis3) {
    const char * builder = "ggml_permute";
    if (!given(builder, ctx, {a})) {
        return nullptr;
    }
    const int axes[] = {axis0, axis1, axis2, axis3};
    unsigned seen = 0;
    for (const int axis : axes) {
        seen |= axis >= 0 && axis < GGML_MAX_DIMS ? 1u << axis : 0u;
    }
    if (!require(seen == 15u, builder, "the axes must be 0, 1, 2 and 3 in some order", {a}) ||
        !require(axis0 == 0 || !ggml_is_quantized(a->type), builder, "the rows of quantized types must stay rows",
                 {a})) {
        return nullptr;
    }
    Layout layout = layout_of(a);
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        layout.ne[axes[i]] = a->ne[i];
        layout.nb[axes[i]] = a->nb[i];
    }
    ggml_tensor * result = new_view(builder, ctx, layout, a, 0);
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        set_param_i32(result, i, axes[i]);
    }
    return finish(ggml_format_name(result, "%s (permuted)", a->name), GGML_OP_PERMUTE, {a});
}

struct ggml_tensor * ggml_transpose(struct ggml_context * ctx, struct ggml_tensor * a) {
    const char * builder = "ggml_transpose";
    if (!given(builder, ctx, {a}) ||
        !require(!ggml_is_quantized(a->type), builder, "the rows of quantized types must stay rows", {a})) {
        return nullptr;
    }
    Layout layout = layout_of(a);
    layout.ne[0] = a->ne[1];
    layout.ne[1] = a->ne[0];
    layout.nb[0] = a->nb[1];
    layout.nb[1] = a->nb[0];
    ggml_tensor * result = new_view(builder, ctx, layout, a, 0);
    return finish(ggml_format_name(result, "%s (transposed)", a->name), GGML_OP_TRANSPOSE, {a});
}

} // extern "C"
