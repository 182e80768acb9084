// supports_op tells the truth: what it accepts computes (every other test asks it first), what it refuses is refused by
// graph_compute too, rather than computed wrongly.

#include "bench.h"

#include <cstring>

using namespace bench;

namespace {

constexpr ggml_type kAllTypes[] = {GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_I32, GGML_TYPE_I64,
                                   GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_I8,   GGML_TYPE_I16, GGML_TYPE_F64};

void expect_refused(Bench & bench, ggml_tensor * node) {
    SCOPED_TRACE(describe(node));
    const LogCapture log;
    EXPECT_FALSE(ggml_backend_supports_op(bench.backend(), node));
    const std::vector<uint8_t> before = bytes_of(node);
    ggml_cgraph * graph = ggml_new_graph_custom(bench.ctx(), 8, false);
    ggml_graph_add_node(graph, node);
    node->flags |= GGML_TENSOR_FLAG_COMPUTE;
    EXPECT_EQ(ggml_backend_graph_compute(bench.backend(), graph), GGML_STATUS_FAILED);
    EXPECT_EQ(bytes_of(node), before);
    EXPECT_NE(log.text.find("ggml_backend_supports_op"), std::string::npos) << log.text;
}

// Made by hand, because builders refuse most of what supports_op refuses, rows of broken blocks for example.
ggml_tensor * zeros(Bench & bench, ggml_type type, const Index & shape) {
    Index stored = shape;
    stored[0] = (shape[0] + 31) / 32 * 32;
    ggml_tensor * t = ggml_new_tensor(bench.ctx(), type, 4, stored.data());
    std::fill_n(static_cast<char *>(t->data), ggml_nbytes(t), '\0'); // memset may not be given the NULL of no elements
    std::copy(shape.begin(), shape.end(), t->ne);
    return t;
}

ggml_tensor * make_node(Bench & bench, ggml_op op, ggml_type type, const Index & shape,
                        std::vector<ggml_tensor *> srcs) {
    ggml_tensor * node = zeros(bench, type, shape);
    node->op = op;
    std::copy(srcs.begin(), srcs.end(), node->src);
    return node;
}

bool is_float(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16;
}

bool is_number(ggml_type type) {
    return is_float(type) || ggml_is_quantized(type);
}

bool is_computed(ggml_type type) {
    return is_number(type) || type == GGML_TYPE_I32 || type == GGML_TYPE_I64;
}

struct Combination {
    ggml_type result, first, second;
};

// Tries every combination of three types: what should be supported computes, the rest is refused.
void try_types(const std::function<ggml_tensor *(Bench &, const Combination &)> & build,
               const std::function<bool(const Combination &)> & supported) {
    int n_supported = 0;
    for (const ggml_type result : kAllTypes) {
        for (const ggml_type first : kAllTypes) {
            for (const ggml_type second : kAllTypes) {
                Bench bench(61, 1, 256u << 10);
                const Combination c = {result, first, second};
                ggml_tensor * node = build(bench, c);
                if (supported(c)) {
                    ++n_supported;
                    SCOPED_TRACE(describe(node));
                    EXPECT_TRUE(ggml_backend_supports_op(bench.backend(), node));
                    EXPECT_EQ(bench.compute(node), GGML_STATUS_SUCCESS);
                } else {
                    expect_refused(bench, node);
                }
            }
        }
    }
    EXPECT_GT(n_supported, 0);
}

} // namespace

TEST(SupportsOp, ElementwiseOperationsTakeFloatsOnly) {
    const Index shape = {32, 2, 1, 1};
    for (const ggml_op op : {GGML_OP_ADD, GGML_OP_MUL, GGML_OP_DIV}) {
        try_types(
            [&](Bench & b, const Combination & c) {
                return make_node(b, op, c.result, shape, {zeros(b, c.first, shape), zeros(b, c.second, shape)});
            },
            [](const Combination & c) {
                return is_float(c.result) && c.first == c.result && (c.second == GGML_TYPE_F32 || c.second == c.first);
            });
    }
    for (const ggml_op op : {GGML_OP_SCALE, GGML_OP_UNARY, GGML_OP_RMS_NORM}) {
        try_types([&](Bench & b,
                      const Combination & c) { return make_node(b, op, c.result, shape, {zeros(b, c.first, shape)}); },
                  [](const Combination & c) { return is_float(c.result) && c.first == c.result; });
    }
}

TEST(SupportsOp, CopiesKeepTheTypeOrConvertNumbers) {
    const Index shape = {32, 2, 1, 1};
    for (const ggml_op op : {GGML_OP_CPY, GGML_OP_CONT, GGML_OP_DUP}) {
        try_types([&](Bench & b,
                      const Combination & c) { return make_node(b, op, c.result, shape, {zeros(b, c.first, shape)}); },
                  [](const Combination & c) {
                      return is_computed(c.result) &&
                             (c.first == c.result || (is_number(c.first) && is_number(c.result)));
                  });
    }
}

TEST(SupportsOp, ProductsTakeNumbersTimesFloats) {
    try_types(
        [](Bench & b, const Combination & c) {
            return make_node(b, GGML_OP_MUL_MAT, c.result, {32, 3, 1, 1},
                             {zeros(b, c.first, {32, 32, 1, 1}), zeros(b, c.second, {32, 3, 1, 1})});
        },
        [](const Combination & c) { return c.result == GGML_TYPE_F32 && is_number(c.first) && is_float(c.second); });
    try_types(
        [](Bench & b, const Combination & c) {
            ggml_tensor * ids = zeros(b, GGML_TYPE_I32, {2, 3, 1, 1});
            return make_node(b, GGML_OP_MUL_MAT_ID, c.result, {32, 2, 3, 1},
                             {zeros(b, c.first, {32, 32, 2, 1}), zeros(b, c.second, {32, 1, 3, 1}), ids});
        },
        [](const Combination & c) { return c.result == GGML_TYPE_F32 && is_number(c.first) && is_float(c.second); });
}

TEST(SupportsOp, RowsAreTakenAndPutByIntegerIndices) {
    try_types(
        [](Bench & b, const Combination & c) {
            return make_node(b, GGML_OP_GET_ROWS, c.result, {32, 3, 1, 1},
                             {zeros(b, c.first, {32, 5, 1, 1}), zeros(b, c.second, {3, 1, 1, 1})});
        },
        [](const Combination & c) {
            return c.second == GGML_TYPE_I32 && ((c.result == GGML_TYPE_F32 && is_number(c.first)) ||
                                                 (c.result == GGML_TYPE_I32 && c.first == GGML_TYPE_I32));
        });
    try_types(
        [](Bench & b, const Combination & c) {
            return make_node(b, GGML_OP_SET_ROWS, c.result, {32, 5, 1, 1},
                             {zeros(b, c.first, {32, 3, 1, 1}), zeros(b, c.second, {3, 1, 1, 1})});
        },
        [](const Combination & c) {
            return is_number(c.result) && is_float(c.first) && (c.second == GGML_TYPE_I32 || c.second == GGML_TYPE_I64);
        });
}

TEST(SupportsOp, SoftMaxSortingAndRopeTakeTheirTypes) {
    const Index shape = {32, 2, 1, 1};
    try_types(
        [&](Bench & b, const Combination & c) {
            return make_node(b, GGML_OP_SOFT_MAX, c.result, shape,
                             {zeros(b, c.first, shape), zeros(b, c.second, shape)});
        },
        [](const Combination & c) {
            return c.result == GGML_TYPE_F32 && c.first == GGML_TYPE_F32 &&
                   (c.second == GGML_TYPE_F32 || c.second == GGML_TYPE_F16);
        });
    for (const ggml_op op : {GGML_OP_ARGSORT, GGML_OP_TOP_K}) {
        try_types([&](Bench & b,
                      const Combination & c) { return make_node(b, op, c.result, shape, {zeros(b, c.first, shape)}); },
                  [](const Combination & c) { return c.result == GGML_TYPE_I32 && c.first == GGML_TYPE_F32; });
    }
    try_types(
        [&](Bench & b, const Combination & c) {
            ggml_tensor * node = make_node(b, GGML_OP_ROPE, c.result, shape,
                                           {zeros(b, c.first, shape), zeros(b, c.second, {1, 1, 1, 1})});
            node->op_params[1] = 16;
            return node;
        },
        [](const Combination & c) { return is_float(c.result) && c.first == c.result && c.second == GGML_TYPE_I32; });
}

TEST(SupportsOp, RepeatConcatAndSetKeepTheType) {
    const Index shape = {32, 2, 1, 1};
    try_types(
        [&](Bench & b, const Combination & c) {
            return make_node(b, GGML_OP_REPEAT, c.result, shape, {zeros(b, c.first, {32, 1, 1, 1})});
        },
        [](const Combination & c) {
            return c.result == c.first && is_computed(c.result) && !ggml_is_quantized(c.result);
        });
    const auto is_one_plain_type = [](const Combination & c) {
        return c.result == c.first && c.result == c.second && is_computed(c.result) && !ggml_is_quantized(c.result);
    };
    try_types(
        [&](Bench & b, const Combination & c) {
            return make_node(b, GGML_OP_SET, c.result, shape,
                             {zeros(b, c.first, shape), zeros(b, c.second, {32, 1, 1, 1})});
        },
        is_one_plain_type);
    for (const int dim : {0, 1}) {
        const Index doubled = dim == 0 ? Index{64, 2, 1, 1} : Index{32, 4, 1, 1};
        try_types(
            [&](Bench & b, const Combination & c) {
                ggml_tensor * node = make_node(b, GGML_OP_CONCAT, c.result, doubled,
                                               {zeros(b, c.first, shape), zeros(b, c.second, shape)});
                node->op_params[0] = dim;
                return node;
            },
            is_one_plain_type);
    }
}

TEST(SupportsOp, ShapesThatDoNotFitAreRefused) {
    Bench bench(62);
    const auto f32 = [&](const Index & shape) { return zeros(bench, GGML_TYPE_F32, shape); };
    const auto refuse = [&](ggml_op op, const Index & shape, std::vector<ggml_tensor *> srcs) {
        expect_refused(bench, make_node(bench, op, GGML_TYPE_F32, shape, std::move(srcs)));
    };
    refuse(GGML_OP_ADD, {32, 2, 1, 1}, {f32({32, 2, 1, 1}), f32({5, 1, 1, 1})});
    refuse(GGML_OP_ADD, {32, 2, 1, 1}, {f32({32, 1, 1, 1}), f32({32, 2, 1, 1})});
    refuse(GGML_OP_ADD, {32, 2, 1, 1}, {f32({32, 2, 1, 1})});
    refuse(GGML_OP_CPY, {32, 2, 1, 1}, {f32({32, 3, 1, 1})});
    refuse(GGML_OP_REPEAT, {32, 2, 1, 1}, {f32({5, 1, 1, 1})});
    refuse(GGML_OP_REPEAT, {32, 2, 1, 1}, {f32({0, 1, 1, 1})});
    refuse(GGML_OP_CONCAT, {32, 2, 1, 1}, {f32({20, 2, 1, 1})});
    refuse(GGML_OP_CONCAT, {32, 2, 1, 1}, {f32({20, 2, 1, 1}), f32({13, 2, 1, 1})});
    refuse(GGML_OP_CONCAT, {32, 2, 1, 1}, {f32({20, 2, 1, 1}), f32({12, 1, 1, 1})});
    refuse(GGML_OP_CONCAT, {32, 2, 1, 1}, {f32({20, 1, 1, 1}), f32({12, 2, 1, 1})});
    refuse(GGML_OP_CONCAT, {32, 2, 1, 1}, {f32({33, 2, 1, 1}), f32({12, 2, 1, 1})});
    refuse(GGML_OP_SUM_ROWS, {2, 2, 1, 1}, {f32({32, 2, 1, 1})});
    refuse(GGML_OP_MUL_MAT, {5, 3, 1, 1}, {f32({32, 5, 1, 1}), f32({31, 3, 1, 1})});
    refuse(GGML_OP_MUL_MAT, {5, 4, 1, 1}, {f32({32, 5, 1, 1}), f32({32, 3, 1, 1})});
    refuse(GGML_OP_MUL_MAT, {5, 3, 3, 1}, {f32({32, 5, 2, 1}), f32({32, 3, 3, 1})});
    refuse(GGML_OP_MUL_MAT, {5, 3, 2, 1}, {f32({32, 5, 0, 1}), f32({32, 3, 2, 1})});
    refuse(GGML_OP_SOFT_MAX, {32, 3, 1, 1}, {f32({32, 3, 1, 1}), f32({32, 2, 1, 1})});
    refuse(GGML_OP_SOFT_MAX, {32, 3, 1, 1}, {f32({32, 3, 1, 1}), nullptr, f32({1, 1, 1, 1})});
    refuse(GGML_OP_GLU, {32, 3, 1, 1}, {f32({63, 3, 1, 1})});
    refuse(GGML_OP_GET_ROWS, {32, 3, 1, 1}, {f32({32, 5, 1, 1})});
    refuse(GGML_OP_GET_ROWS, {32, 3, 2, 1}, {f32({32, 5, 1, 1}), zeros(bench, GGML_TYPE_I32, {3, 2, 1, 1})});
    refuse(GGML_OP_SET_ROWS, {32, 5, 1, 1}, {f32({32, 3, 1, 1}), zeros(bench, GGML_TYPE_I32, {2, 1, 1, 1})});
}

TEST(SupportsOp, ParametersThatLeadOutsideAreRefused) {
    Bench bench(63);
    const auto f32 = [&](const Index & shape) { return zeros(bench, GGML_TYPE_F32, shape); };
    const Index shape = {32, 2, 1, 1};
    for (const int32_t offset : {-4, 2, 32 * 4 + 4, 1 << 29}) { // before, misaligned, past the end
        ggml_tensor * node = make_node(bench, GGML_OP_SET, GGML_TYPE_F32, shape, {f32(shape), f32({32, 1, 1, 1})});
        node->op_params[3] = offset;
        expect_refused(bench, node);
    }
    const std::pair<int32_t, int32_t> rope_params[] = {{34, 0}, {0, 0}, {-2, 0}, {15, 0}, {16, 1}, {16, 8}};
    for (const auto & [n_dims, mode] : rope_params) {
        ggml_tensor * node = make_node(bench, GGML_OP_ROPE, GGML_TYPE_F32, shape,
                                       {f32(shape), zeros(bench, GGML_TYPE_I32, {1, 1, 1, 1})});
        node->op_params[1] = n_dims;
        node->op_params[2] = mode;
        expect_refused(bench, node);
    }
    for (const int32_t dim : {-1, 4, 1}) { // 1: the operands add up in dimension 0
        ggml_tensor * node =
            make_node(bench, GGML_OP_CONCAT, GGML_TYPE_F32, shape, {f32({20, 2, 1, 1}), f32({12, 2, 1, 1})});
        node->op_params[0] = dim;
        expect_refused(bench, node);
    }
    ggml_tensor * unary = make_node(bench, GGML_OP_UNARY, GGML_TYPE_F32, shape, {f32(shape)});
    unary->op_params[0] = GGML_UNARY_OP_COUNT;
    expect_refused(bench, unary);
    ggml_tensor * glu = make_node(bench, GGML_OP_GLU, GGML_TYPE_F32, shape, {f32({64, 2, 1, 1})});
    glu->op_params[0] = GGML_GLU_OP_COUNT;
    expect_refused(bench, glu);
    expect_refused(bench, make_node(bench, GGML_OP_COUNT, GGML_TYPE_F32, shape, {f32(shape)}));
}

TEST(SupportsOp, LayoutsThatCannotBeWalkedAreRefused) {
    Bench bench(64);
    ggml_tensor * misaligned = zeros(bench, GGML_TYPE_F32, {32, 2, 1, 1});
    misaligned->nb[1] += 2;
    expect_refused(bench, make_node(bench, GGML_OP_SUM_ROWS, GGML_TYPE_F32, {1, 2, 1, 1}, {misaligned}));

    ggml_tensor * split_blocks = zeros(bench, GGML_TYPE_Q8_0, {32, 2, 1, 1});
    std::swap(split_blocks->nb[0], split_blocks->nb[1]);
    split_blocks->nb[0] *= 2;
    expect_refused(bench, make_node(bench, GGML_OP_CPY, GGML_TYPE_F32, {32, 2, 1, 1}, {split_blocks}));

    // Whole blocks cannot be cut into rows of half a block.
    ggml_tensor * blocks = zeros(bench, GGML_TYPE_Q8_0, {64, 1, 1, 1});
    expect_refused(bench, make_node(bench, GGML_OP_CPY, GGML_TYPE_F32, {16, 4, 1, 1}, {blocks}));

    ggml_tensor * columns =
        make_node(bench, GGML_OP_MUL_MAT, GGML_TYPE_F32, {4, 4, 1, 1},
                  {zeros(bench, GGML_TYPE_F32, {8, 4, 1, 1}), zeros(bench, GGML_TYPE_F32, {8, 4, 1, 1})});
    std::swap(columns->nb[0], columns->nb[1]);
    expect_refused(bench, columns);
}

TEST(SupportsOp, ViewsNeedNoComputation) {
    Bench bench(65);
    ggml_tensor * a = zeros(bench, GGML_TYPE_F64, {32, 6, 1, 1});
    for (ggml_tensor * view : {a, ggml_transpose(bench.ctx(), a), ggml_reshape_2d(bench.ctx(), a, 6, 32)}) {
        EXPECT_TRUE(ggml_backend_supports_op(bench.backend(), view));
        EXPECT_EQ(bench.compute(view), GGML_STATUS_SUCCESS);
    }
}
