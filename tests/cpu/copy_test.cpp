#include "bench.h"

using namespace bench;

namespace {

const Index kShapes[] = {{1, 1, 1, 1}, {7, 3, 2, 1}, {31, 1, 5, 2}, {33, 2, 1, 3}, {64, 5, 1, 1}, {1056, 2, 1, 1}};
const Index kBlockShapes[] = {{32, 1, 1, 1}, {64, 7, 1, 2}, {96, 3, 5, 1}, {1056, 2, 1, 1}};
constexpr ggml_type kPlainTypes[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_I32, GGML_TYPE_I64};
constexpr ggml_type kQuantizedTypes[] = {GGML_TYPE_Q8_0, GGML_TYPE_Q4_0};

} // namespace

TEST(Copy, ContAndDupKeepEveryElementOfEveryLayout) {
    for (const ggml_type type : kPlainTypes) {
        for (const Index & shape : kShapes) {
            for (const Layout layout : kAllLayouts) {
                Bench bench(static_cast<uint32_t>(shape[0]));
                bench.check(ggml_cont(bench.ctx(), bench.random(type, shape, layout)));
                bench.check(ggml_dup(bench.ctx(), bench.random(type, shape, layout)));
            }
        }
    }
    for (const ggml_type type : kQuantizedTypes) {
        for (const Index & shape : kBlockShapes) {
            for (const Layout layout : kRowLayouts) {
                Bench bench(static_cast<uint32_t>(shape[0]));
                ggml_tensor * copy = ggml_cont(bench.ctx(), bench.random(type, shape, layout));
                bench.check(copy);
                const reference::Array exact = reference::decode(copy->src[0]);
                EXPECT_EQ(reference::decode(copy).values, exact.values);
            }
        }
    }
}

TEST(Copy, CpyWritesIntoEveryLayoutOfTheSameType) {
    for (const ggml_type type : kPlainTypes) {
        for (const Index & shape : kShapes) {
            for (const Layout layout : kAllLayouts) {
                Bench bench(static_cast<uint32_t>(shape[0]));
                bench.check(ggml_cpy(bench.ctx(), bench.random(type, shape), bench.random(type, shape, layout)));
            }
        }
    }
}

TEST(Copy, CpyConvertsBetweenFloatTypesInEveryLayout) {
    for (const ggml_type from : kFloatTypes) {
        for (const ggml_type to : kFloatTypes) {
            for (const Index & shape : kShapes) {
                for (const Layout layout : kAllLayouts) {
                    Bench bench(static_cast<uint32_t>(shape[0]));
                    bench.check(ggml_cpy(bench.ctx(), bench.random(from, shape, layout), bench.random(to, shape)));
                    bench.check(ggml_cpy(bench.ctx(), bench.random(from, shape), bench.random(to, shape, layout)));
                }
            }
        }
    }
}

TEST(Copy, CpyQuantizesAndDequantizes) {
    for (const ggml_type quantized : kQuantizedTypes) {
        for (const ggml_type type : kFloatTypes) {
            for (const Index & shape : kBlockShapes) {
                Bench bench(static_cast<uint32_t>(shape[0]), 2, 16u << 20);
                for (const Layout layout : kAllLayouts) {
                    bench.check(
                        ggml_cpy(bench.ctx(), bench.random(type, shape, layout), bench.random(quantized, shape)));
                    bench.check(
                        ggml_cpy(bench.ctx(), bench.random(quantized, shape), bench.random(type, shape, layout)));
                }
                for (const Layout layout : kRowLayouts) {
                    bench.check(
                        ggml_cpy(bench.ctx(), bench.random(type, shape), bench.random(quantized, shape, layout)));
                    bench.check(
                        ggml_cpy(bench.ctx(), bench.random(quantized, shape, layout), bench.random(type, shape)));
                }
            }
        }
    }
}

TEST(Copy, ElementsKeepTheirOrderWhenTheShapeChanges) {
    for (const ggml_type from : kFloatTypes) {
        for (const ggml_type to : kFloatTypes) {
            for (const Layout layout : kAllLayouts) {
                Bench bench(11);
                bench.check(ggml_cpy(bench.ctx(), bench.random(from, {6, 35, 2, 1}, layout),
                                     bench.random(to, {14, 3, 5, 2}, Layout::GapsBetweenRows)));
            }
        }
    }
    Bench bench(12);
    bench.check(ggml_cont_2d(bench.ctx(), bench.random(GGML_TYPE_I32, {6, 35, 2, 1}, Layout::Transposed), 210, 2));
    bench.check(
        ggml_cpy(bench.ctx(), bench.random(GGML_TYPE_F32, {5, 64, 1, 1}), bench.random(GGML_TYPE_Q8_0, {64, 5, 1, 1})));
    bench.check(
        ggml_cpy(bench.ctx(), bench.random(GGML_TYPE_Q8_0, {32, 6, 1, 1}), bench.random(GGML_TYPE_F16, {64, 3, 1, 1})));
}

TEST(Copy, CastToEveryFloatAndQuantizedType) {
    for (const ggml_type from : kWeightTypes) {
        for (const ggml_type to : kWeightTypes) {
            Bench bench(13);
            bench.check(ggml_cast(bench.ctx(), bench.random(from, {64, 3, 2, 1}), to));
        }
    }
}

TEST(Copy, DupInplaceChangesNothing) {
    Bench bench(14);
    bench.check(ggml_dup_inplace(bench.ctx(), bench.random(GGML_TYPE_F32, {7, 3, 1, 1}, Layout::Transposed)));
}

TEST(Copy, SetWritesAPartAndKeepsTheRest) {
    for (const ggml_type type : kPlainTypes) {
        for (const Layout layout : kAllLayouts) {
            Bench bench(15);
            const size_t size = ggml_type_size(type);
            ggml_tensor * a = bench.random(type, {31, 5, 3, 2});
            ggml_tensor * b = bench.random(type, {7, 3, 2, 2}, layout);
            const size_t offset = 4 * size + 2 * a->nb[1] + a->nb[2];
            bench.check(ggml_set(bench.ctx(), a, b, a->nb[1], a->nb[2], a->nb[3], offset));
            bench.check(ggml_set_inplace(bench.ctx(), a, b, a->nb[1], a->nb[2], a->nb[3], offset));
            bench.check(ggml_set_1d(bench.ctx(), a, bench.random(type, {9, 1, 1, 1}), 3 * size));
            bench.check(ggml_set_2d(bench.ctx(), a, bench.random(type, {9, 4, 1, 1}), a->nb[1], 5 * size));
        }
    }
}

TEST(Copy, RepeatFillsEveryDimension) {
    const Index small[] = {{1, 1, 1, 1}, {6, 1, 1, 1}, {1, 4, 1, 1}, {2, 2, 3, 5}, {3, 4, 1, 1}, {6, 4, 3, 5}};
    for (const ggml_type type : kPlainTypes) {
        for (const Index & shape : small) {
            for (const Layout layout : kAllLayouts) {
                Bench bench(16);
                bench.check(ggml_repeat_4d(bench.ctx(), bench.random(type, shape, layout), 6, 4, 3, 5));
            }
        }
    }
    Bench bench(17);
    bench.check(ggml_repeat_4d(bench.ctx(), bench.random(GGML_TYPE_F32, {1000, 1, 1, 1}), 3000, 2, 1, 1));
}

TEST(Copy, ConcatPutsBBehindAInEveryDimension) {
    const Index shape = {7, 4, 3, 2};
    for (const ggml_type type : kPlainTypes) {
        for (int dim = 0; dim < 4; ++dim) {
            for (const int64_t n : {0, 1, 5}) {
                Index other = shape;
                other[static_cast<size_t>(dim)] = n;
                Bench bench(18, 2, 8u << 20);
                for (const Layout layout : kAllLayouts) {
                    ggml_tensor * a = bench.random(type, shape, layout);
                    bench.check(ggml_concat(bench.ctx(), a, bench.random(type, other), dim));
                    bench.check(ggml_concat(bench.ctx(), bench.random(type, other), a, dim));
                    bench.check(ggml_concat(bench.ctx(), a, bench.random(type, shape, Layout::Transposed), dim));
                }
            }
        }
    }
    Bench bench(19);
    bench.check(ggml_concat(bench.ctx(), bench.random(GGML_TYPE_F32, {1000, 3, 1, 1}),
                            bench.random(GGML_TYPE_F32, {2000, 3, 1, 1}), 0));
}

TEST(Copy, ConcatWritesIntoEveryLayout) {
    for (const ggml_type type : kPlainTypes) {
        for (const Layout layout : kAllLayouts) {
            Bench bench(20);
            ggml_tensor * node = bench.random(type, {7, 5, 3, 2}, layout);
            node->op = GGML_OP_CONCAT;
            node->op_params[0] = 1;
            node->src[0] = bench.random(type, {7, 2, 3, 2});
            node->src[1] = bench.random(type, {7, 3, 3, 2});
            bench.check(node);
        }
    }
}
