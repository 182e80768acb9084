#include "bench.h"

using namespace bench;

namespace {

const Index kShapes[] = {{1, 1, 1, 1}, {7, 3, 2, 1}, {31, 1, 5, 2}, {33, 2, 1, 3}, {64, 5, 1, 1}, {1025, 2, 1, 1}};

using Binary = ggml_tensor * (*) (ggml_context *, ggml_tensor *, ggml_tensor *);
using Unary = ggml_tensor * (*) (ggml_context *, ggml_tensor *);

// b for DIV must stay away from zero.
void move_away_from_zero(ggml_tensor * b) {
    ggml_tensor * root = b->view_src != nullptr ? b->view_src : b;
    for (int64_t i = 0; i < ggml_nelements(root); ++i) {
        char * p = static_cast<char *>(root->data) + static_cast<size_t>(i) * ggml_type_size(root->type);
        if (root->type == GGML_TYPE_F32) {
            float & v = *reinterpret_cast<float *>(p);
            v += v < 0 ? -0.5f : 0.5f;
        } else if (root->type == GGML_TYPE_F16) {
            ggml_fp16_t & v = *reinterpret_cast<ggml_fp16_t *>(p);
            const float f = ggml_fp16_to_fp32(v);
            v = ggml_fp32_to_fp16(f + (f < 0 ? -0.5f : 0.5f));
        } else {
            ggml_bf16_t & v = *reinterpret_cast<ggml_bf16_t *>(p);
            const float f = ggml_bf16_to_fp32(v);
            v = ggml_fp32_to_bf16(f + (f < 0 ? -0.5f : 0.5f));
        }
    }
}

void check_binary(Binary build, Layout layout_a, Layout layout_b) {
    for (const ggml_type type_a : kFloatTypes) {
        for (const ggml_type type_b : {GGML_TYPE_F32, type_a}) {
            for (const Index & shape : kShapes) {
                Bench bench(static_cast<uint32_t>(shape[0]));
                ggml_tensor * a = bench.random(type_a, shape, layout_a);
                ggml_tensor * b = bench.random(type_b, shape, layout_b);
                move_away_from_zero(b);
                bench.check(build(bench.ctx(), a, b));
                if (::testing::Test::HasFatalFailure()) {
                    return;
                }
            }
        }
    }
}

} // namespace

TEST(Elementwise, AddMulAndDivMatchTheReference) {
    for (const Binary build : {Binary(ggml_add), Binary(ggml_mul), Binary(ggml_div)}) {
        for (const Layout layout : kAllLayouts) {
            check_binary(build, layout, Layout::Contiguous);
            check_binary(build, Layout::Contiguous, layout);
        }
    }
}

TEST(Elementwise, TheSecondOperandIsRepeatedOverEveryDimension) {
    const Index small[] = {{1, 1, 1, 1}, {6, 1, 1, 1}, {1, 4, 1, 1}, {6, 4, 3, 1},
                           {6, 1, 1, 5}, {2, 2, 3, 5}, {3, 4, 1, 1}};
    for (const Binary build : {Binary(ggml_add), Binary(ggml_mul), Binary(ggml_div)}) {
        for (const Index & shape : small) {
            for (const Layout layout : kAllLayouts) {
                Bench bench(7);
                ggml_tensor * a = bench.random(GGML_TYPE_F32, {6, 4, 3, 5});
                ggml_tensor * b = bench.random(GGML_TYPE_F32, shape, layout);
                move_away_from_zero(b);
                bench.check(build(bench.ctx(), a, b));
            }
        }
    }
}

TEST(Elementwise, RepetitionCrossesTheBordersOfPieces) {
    for (const int64_t n : {1, 3, 1000, 1023, 1024, 1500}) {
        Bench bench(static_cast<uint32_t>(n));
        bench.check(ggml_add(bench.ctx(), bench.random(GGML_TYPE_F32, {3 * n, 2, 1, 1}),
                             bench.random(GGML_TYPE_F32, {n, 1, 1, 1})));
    }
}

TEST(Elementwise, InplaceResultsOverwriteTheirOperandOnly) {
    Bench bench(3);
    const Index shape = {37, 5, 2, 1};
    for (const ggml_type type : kFloatTypes) {
        for (const Layout layout : kRowLayouts) {
            bench.check(ggml_add_inplace(bench.ctx(), bench.random(type, shape, layout), bench.random(type, shape)));
            bench.check(ggml_scale_inplace(bench.ctx(), bench.random(type, shape), 0.5f));
            bench.check(ggml_silu_inplace(bench.ctx(), bench.random(type, shape, layout)));
        }
    }
    ggml_tensor * a = bench.random(GGML_TYPE_F32, shape);
    bench.check(ggml_mul(bench.ctx(), a, a)); // one tensor as both operands
}

TEST(Elementwise, UnaryOperationsMatchTheReference) {
    for (const Unary build : {Unary(ggml_relu), Unary(ggml_gelu), Unary(ggml_silu)}) {
        for (const ggml_type type : kFloatTypes) {
            for (const Index & shape : kShapes) {
                for (const Layout layout : kRowLayouts) {
                    Bench bench(static_cast<uint32_t>(shape[0]) + 1);
                    bench.check(build(bench.ctx(), bench.random(type, shape, layout)));
                }
            }
        }
    }
}

TEST(Elementwise, SiluAndGeluAreFiniteFarFromZero) {
    Bench bench;
    ggml_tensor * a = ggml_new_tensor_1d(bench.ctx(), GGML_TYPE_F32, 6);
    const float values[] = {-1e30f, -1000.0f, -100.0f, 100.0f, 1000.0f, 1e9f};
    std::copy(values, values + 6, static_cast<float *>(a->data));
    bench.check(ggml_silu(bench.ctx(), a));
    bench.check(ggml_gelu(bench.ctx(), a));
}

TEST(Elementwise, ScaleMultipliesAndAddsInEveryType) {
    for (const ggml_type type : kFloatTypes) {
        for (const Index & shape : kShapes) {
            Bench bench(static_cast<uint32_t>(shape[0]) + 2);
            bench.check(ggml_scale_bias(bench.ctx(), bench.random(type, shape), -1.5f, 0.25f));
        }
    }
}

TEST(Elementwise, SwigluTakesOneOperandTwoOperandsAndSwappedHalves) {
    for (const ggml_type type : kFloatTypes) {
        for (const Index & shape : kShapes) {
            Bench bench(static_cast<uint32_t>(shape[0]) + 3);
            const Index twice = {2 * shape[0], shape[1], shape[2], shape[3]};
            bench.check(ggml_swiglu(bench.ctx(), bench.random(type, twice)));
            bench.check(ggml_glu(bench.ctx(), bench.random(type, twice), GGML_GLU_OP_SWIGLU, true));
            bench.check(ggml_swiglu_split(bench.ctx(), bench.random(type, shape), bench.random(type, shape)));
            bench.check(ggml_swiglu_split(bench.ctx(), bench.random(type, shape, Layout::GapsBetweenRows),
                                          bench.random(type, shape, Layout::GapsBetweenRows)));
        }
    }
}
