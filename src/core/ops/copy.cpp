// Operations that move elements: copies, repetitions, rows by index, writes into a part.

#include "checked.h"
#include "ops/build.h"
#include "tensor/context.h"

using namespace ggml_sched;
using namespace ggml_sched::core;

namespace {

ggml_tensor * finish_cont(ggml_tensor * result, ggml_tensor * a) {
    return finish(ggml_format_name(result, "%s (cont)", a->name), GGML_OP_CONT, {a});
}

ggml_tensor * build_cont(const char * builder, ggml_context * ctx, ggml_tensor * a, int n_dims, const int64_t * ne) {
    Layout layout;
    if (!given(builder, ctx, {a}) || !contiguous_layout(builder, a->type, n_dims, ne, layout) ||
        !require(layout.ne[0] * layout.ne[1] * layout.ne[2] * layout.ne[3] == ggml_nelements(a), builder,
                 "the new shape must have as many elements as a", {a})) {
        return nullptr;
    }
    return finish_cont(new_tensor(ctx, layout), a);
}

// Where ggml_set writes b in a.
struct Part {
    size_t nb1;
    size_t nb2;
    size_t nb3;
    size_t offset;
};

Layout layout_in(const Part & part, const ggml_tensor * b) {
    Layout layout = layout_of(b);
    layout.nb[0] = ggml_type_size(b->type);
    layout.nb[1] = part.nb1;
    layout.nb[2] = part.nb2;
    layout.nb[3] = part.nb3;
    return layout;
}

bool is_inside(const Layout & layout, size_t offset, size_t available) {
    size_t extent = 0;
    size_t end = 0;
    return byte_extent(layout, extent) && checked_add(extent, offset, end) && end <= available;
}

ggml_tensor * build_set(const char * builder, ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, const Part & part,
                        bool inplace) {
    if (!given(builder, ctx, {a, b}) || !require(a->type == b->type, builder, "a and b must have one type", {a, b}) ||
        !require(ggml_nelements(a) >= ggml_nelements(b), builder, "b must not be larger than a", {a, b})) {
        return nullptr;
    }
    const size_t params[] = {part.nb1, part.nb2, part.nb3, part.offset};
    for (const size_t param : params) {
        if (!require(param <= INT32_MAX, builder, "strides and offset must be below 2^31", {a, b})) {
            return nullptr;
        }
    }
    const int64_t rows = ggml_nrows(a);
    const size_t available = inplace ? ggml_nbytes(a) : ggml_row_size(a->type, a->ne[0]) * static_cast<size_t>(rows);
    const Layout layout = layout_in(part, b);
    if (!require(is_aligned(layout, part.offset), builder, "offset and strides must be multiples of the type's size",
                 {a, b}) ||
        !require(is_inside(layout, part.offset, available), builder, "b at this offset, with these strides, leaves a",
                 {a, b})) {
        return nullptr;
    }
    ggml_tensor * result = result_like(ctx, a, inplace);
    for (int i = 0; i < 4; i++) {
        set_param_i32(result, i, static_cast<int32_t>(params[i]));
    }
    set_param_i32(result, 4, inplace ? 1 : 0);
    return finish(result, GGML_OP_SET, {a, b});
}

ggml_tensor * build_set_1d(const char * builder, ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, size_t offset,
                           bool inplace) {
    if (!given(builder, ctx, {a, b})) {
        return nullptr;
    }
    return build_set(builder, ctx, a, b, {a->nb[1], a->nb[2], a->nb[3], offset}, inplace);
}

ggml_tensor * build_set_2d(const char * builder, ggml_context * ctx, ggml_tensor * a, ggml_tensor * b, size_t nb1,
                           size_t offset, bool inplace) {
    if (!given(builder, ctx, {a, b})) {
        return nullptr;
    }
    return build_set(builder, ctx, a, b, {nb1, a->nb[2], a->nb[3], offset}, inplace);
}

} // namespace

extern "C" {

struct ggml_tensor * ggml_cpy(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    if (!given("ggml_cpy", ctx, {a, b}) ||
        !require(ggml_nelements(a) == ggml_nelements(b), "ggml_cpy", "a and b must have as many elements", {a, b})) {
        return nullptr;
    }
    ggml_tensor * result = ggml_view_tensor(ctx, b);
    if (b->name[0] != '\0') {
        ggml_format_name(result, "%s (copy of %s)", b->name, a->name);
    } else {
        ggml_format_name(result, "%s (copy)", a->name);
    }
    return finish(result, GGML_OP_CPY, {a, b});
}

struct ggml_tensor * ggml_cast(struct ggml_context * ctx, struct ggml_tensor * a, enum ggml_type type) {
    Layout layout;
    if (!given("ggml_cast", ctx, {a}) || !contiguous_layout("ggml_cast", type, GGML_MAX_DIMS, a->ne, layout)) {
        return nullptr;
    }
    ggml_tensor * result = ggml_format_name(new_tensor(ctx, layout), "%s (copy)", a->name);
    return finish(result, GGML_OP_CPY, {a, result});
}

struct ggml_tensor * ggml_cont(struct ggml_context * ctx, struct ggml_tensor * a) {
    return given("ggml_cont", ctx, {a}) ? finish_cont(ggml_dup_tensor(ctx, a), a) : nullptr;
}

struct ggml_tensor * ggml_cont_1d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0) {
    return build_cont("ggml_cont_1d", ctx, a, 1, &ne0);
}

struct ggml_tensor * ggml_cont_2d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1) {
    const int64_t ne[] = {ne0, ne1};
    return build_cont("ggml_cont_2d", ctx, a, 2, ne);
}

struct ggml_tensor * ggml_cont_3d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                  int64_t ne2) {
    const int64_t ne[] = {ne0, ne1, ne2};
    return build_cont("ggml_cont_3d", ctx, a, 3, ne);
}

struct ggml_tensor * ggml_cont_4d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                  int64_t ne2, int64_t ne3) {
    const int64_t ne[] = {ne0, ne1, ne2, ne3};
    return build_cont("ggml_cont_4d", ctx, a, 4, ne);
}

struct ggml_tensor * ggml_repeat(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    if (!given("ggml_repeat", ctx, {a, b}) ||
        !require(ggml_can_repeat(a, b), "ggml_repeat", "each dimension of a must divide that of b", {a, b})) {
        return nullptr;
    }
    return finish(ggml_new_tensor(ctx, a->type, GGML_MAX_DIMS, b->ne), GGML_OP_REPEAT, {a});
}

struct ggml_tensor * ggml_repeat_4d(struct ggml_context * ctx, struct ggml_tensor * a, int64_t ne0, int64_t ne1,
                                    int64_t ne2, int64_t ne3) {
    const int64_t ne[] = {ne0, ne1, ne2, ne3};
    Layout layout;
    if (!given("ggml_repeat_4d", ctx, {a}) ||
        !contiguous_layout("ggml_repeat_4d", a->type, GGML_MAX_DIMS, ne, layout)) {
        return nullptr;
    }
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        if (!require(divides(a->ne[i], ne[i]), "ggml_repeat_4d", "each dimension of a must divide the new one", {a})) {
            return nullptr;
        }
    }
    return finish(new_tensor(ctx, layout), GGML_OP_REPEAT, {a});
}

struct ggml_tensor * ggml_concat(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b, int dim) {
    const char * builder = "ggml_concat";
    if (!given(builder, ctx, {a, b}) ||
        !require(dim >= 0 && dim < GGML_MAX_DIMS, builder, "the dimension must be 0 to 3", {a, b}) ||
        !require(a->type == b->type, builder, "a and b must have one type", {a, b})) {
        return nullptr;
    }
    int64_t ne[GGML_MAX_DIMS];
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        if (!require(i == dim || a->ne[i] == b->ne[i], builder, "a and b may differ in the given dimension only",
                     {a, b})) {
            return nullptr;
        }
        ne[i] = a->ne[i];
    }
    Layout layout;
    if (!require(b->ne[dim] <= INT64_MAX - ne[dim], builder, "the result is too large to address", {a, b})) {
        return nullptr;
    }
    ne[dim] += b->ne[dim];
    if (!contiguous_layout(builder, a->type, GGML_MAX_DIMS, ne, layout)) {
        return nullptr;
    }
    ggml_tensor * result = new_tensor(ctx, layout);
    set_param_i32(result, 0, dim);
    return finish(result, GGML_OP_CONCAT, {a, b});
}

struct ggml_tensor * ggml_get_rows(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b) {
    const char * builder = "ggml_get_rows";
    if (!given(builder, ctx, {a, b}) ||
        !require(b->type == GGML_TYPE_I32 && ggml_is_3d(b), builder, "b must be I32 with at most three dimensions",
                 {a, b}) ||
        !require(a->ne[2] == b->ne[1] && a->ne[3] == b->ne[2], builder,
                 "dimensions 1 and 2 of b must be dimensions 2 and 3 of a", {a, b})) {
        return nullptr;
    }
    const ggml_type type = a->type == GGML_TYPE_I32 ? GGML_TYPE_I32 : GGML_TYPE_F32;
    return finish(ggml_new_tensor_4d(ctx, type, a->ne[0], b->ne[0], b->ne[1], b->ne[2]), GGML_OP_GET_ROWS, {a, b});
}

struct ggml_tensor * ggml_set_rows(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                   struct ggml_tensor * c) {
    const char * builder = "ggml_set_rows";
    if (!given(builder, ctx, {a, b, c}) ||
        !require(b->type == GGML_TYPE_F32 || b->type == GGML_TYPE_F16, builder, "b must be F32 or F16", {a, b, c}) ||
        !require((c->type == GGML_TYPE_I64 || c->type == GGML_TYPE_I32) && ggml_is_3d(c), builder,
                 "c must be I64 or I32 with at most three dimensions", {a, b, c}) ||
        !require(a->ne[0] == b->ne[0] && a->ne[2] == b->ne[2] && a->ne[3] == b->ne[3], builder,
                 "a and b may differ in the number of rows only", {a, b, c}) ||
        !require(b->ne[1] == c->ne[0] && divides(c->ne[1], b->ne[2]) && divides(c->ne[2], b->ne[3]), builder,
                 "c must have an index for each row of b", {a, b, c}) ||
        !require(ggml_is_contiguous_rows(a) && ggml_is_contiguous_rows(b), builder,
                 "the rows of a and b must be contiguous", {a, b, c})) {
        return nullptr;
    }
    return finish(ggml_view_tensor(ctx, a), GGML_OP_SET_ROWS, {b, c, a});
}

struct ggml_tensor * ggml_set(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b, size_t nb1,
                              size_t nb2, size_t nb3, size_t offset) {
    return build_set("ggml_set", ctx, a, b, {nb1, nb2, nb3, offset}, false);
}

struct ggml_tensor * ggml_set_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                      size_t nb1, size_t nb2, size_t nb3, size_t offset) {
    return build_set("ggml_set_inplace", ctx, a, b, {nb1, nb2, nb3, offset}, true);
}

struct ggml_tensor * ggml_set_1d(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                 size_t offset) {
    return build_set_1d("ggml_set_1d", ctx, a, b, offset, false);
}

struct ggml_tensor * ggml_set_1d_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                         size_t offset) {
    return build_set_1d("ggml_set_1d_inplace", ctx, a, b, offset, true);
}

struct ggml_tensor * ggml_set_2d(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b, size_t nb1,
                                 size_t offset) {
    return build_set_2d("ggml_set_2d", ctx, a, b, nb1, offset, false);
}

struct ggml_tensor * ggml_set_2d_inplace(struct ggml_context * ctx, struct ggml_tensor * a, struct ggml_tensor * b,
                                         size_t nb1, size_t offset) {
    return build_set_2d("ggml_set_2d_inplace", ctx, a, b, nb1, offset, true);
}

} // extern "C"
