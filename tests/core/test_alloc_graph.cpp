#include "test_alloc_checker.h"

using alloc_check::Checker;
using fakes::Buffer;
using fakes::FakeMemory;
using fakes::Gallocr;
using fakes::LogCapture;

class AllocGraph : public ::testing::Test {
  protected:
    FakeMemory memory;
    FakeMemory other;
    fakes::Context context = fakes::make_context(256, 256);
    ggml_context * ctx = context.get();
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 256, false);
    Gallocr galloc{ggml_gallocr_new(&memory.buft)};

    // 64 floats: 256 bytes
    ggml_tensor * tensor() { return ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 64); }
    ggml_tensor * input() {
        ggml_tensor * t = tensor();
        ggml_set_input(t);
        return t;
    }
    bool alloc(ggml_tensor * result) {
        ggml_build_forward_expand(graph, result);
        return ggml_gallocr_alloc_graph(galloc.get(), graph);
    }
    size_t size() const { return ggml_gallocr_get_buffer_size(galloc.get(), 0); }
    std::string problem() const { return Checker().check(graph); }
};

TEST_F(AllocGraph, ReusesMemoryAfterTheLastReader) {
    ggml_tensor * x = input();
    for (int i = 0; i < 10; i++) {
        x = ggml_repeat(ctx, x, x); // never in place
    }
    ASSERT_TRUE(alloc(x));
    EXPECT_EQ(problem(), "");
    EXPECT_EQ(size(), 2 * 256U);
}

TEST_F(AllocGraph, ElementwiseOperationsTakeOverTheirOnlyReadOperand) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_scale(ctx, a, 2.0F);
    ggml_tensor * c = ggml_silu(ctx, b);
    ASSERT_TRUE(alloc(c));
    EXPECT_EQ(a->data, b->data);
    EXPECT_EQ(b->data, c->data);
    EXPECT_EQ(size(), 256U);
}

TEST_F(AllocGraph, OperandsThatSomebodyElseStillReadsAreNotTakenOver) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_scale(ctx, a, 2.0F);
    ggml_tensor * c = ggml_add(ctx, b, a);
    ASSERT_TRUE(alloc(c));
    EXPECT_NE(a->data, b->data);
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, OperandsReadTwiceAtOnceAreNotTakenOver) {
    ggml_tensor * a = input();
    ggml_tensor * c = ggml_mul(ctx, a, ggml_view_1d(ctx, a, 1, 4)); // the second element scales all
    ASSERT_TRUE(alloc(c));
    EXPECT_NE(a->data, c->data);
}

TEST_F(AllocGraph, OperandsOfOthersAreNotTakenOver) {
    ggml_tensor * weight = tensor();
    const Buffer buffer(ggml_backend_buft_alloc_buffer(&other.buft, 256));
    ASSERT_EQ(ggml_backend_tensor_alloc(buffer.get(), weight, ggml_backend_buffer_get_base(buffer.get())),
              GGML_STATUS_SUCCESS);
    void * place = weight->data;
    ggml_tensor * b = ggml_scale(ctx, weight, 2.0F);
    ASSERT_TRUE(alloc(b));
    EXPECT_EQ(weight->data, place);
    EXPECT_EQ(weight->buffer, buffer.get());
    EXPECT_NE(b->buffer, buffer.get());
}

TEST_F(AllocGraph, OutputsAreNeitherReusedNorTakenOver) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_set_output(b);
    ggml_tensor * c = ggml_scale(ctx, b, 2.0F);
    ggml_tensor * d = ggml_repeat(ctx, c, c);
    ASSERT_TRUE(alloc(ggml_repeat(ctx, d, d)));
    EXPECT_NE(b->data, c->data);
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, AnOutputViewKeepsItsSource) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_tensor * view = ggml_reshape_2d(ctx, b, 8, 8);
    ggml_set_output(view);
    ggml_tensor * c = ggml_scale(ctx, view, 2.0F);
    ggml_tensor * d = ggml_repeat(ctx, c, c);
    ASSERT_TRUE(alloc(ggml_repeat(ctx, d, d)));
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, InputsDoNotOverlapEachOtherEvenIfReadLate) {
    ggml_tensor * first = input();
    ggml_tensor * x = first;
    for (int i = 0; i < 5; i++) {
        ggml_tensor * late = input();
        x = ggml_add(ctx, ggml_repeat(ctx, x, x), late);
    }
    ASSERT_TRUE(alloc(x));
    EXPECT_EQ(problem(), "");
    EXPECT_GE(size(), 6 * 256U);
}

TEST_F(AllocGraph, AViewOfUnusedKindKeepsItsSourceUntilItIsRead) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_tensor * view = ggml_view_1d(ctx, b, 32, 128);
    ggml_tensor * c = ggml_repeat(ctx, b, b); // b itself is read for the last time
    ggml_tensor * d = ggml_repeat(ctx, c, c);
    ggml_build_forward_expand(graph, view);
    ggml_build_forward_expand(graph, d);
    ASSERT_TRUE(alloc(ggml_scale(ctx, view, 2.0F)));
    EXPECT_EQ(view->data, static_cast<char *>(b->data) + 128);
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, AHelperGraphsCopiesAndDependenciesAreUnderstood) {
    // As a scheduler builds it: a copy of an input is a node and a leaf, and a node without operation keeps its source
    // alive up to there.
    ggml_tensor * x = input();
    ggml_tensor * produced = ggml_repeat(ctx, x, x);
    ggml_tensor * copy = ggml_dup_tensor(ctx, produced);
    ggml_set_input(copy);
    ggml_set_output(copy);
    ggml_tensor * dependency = ggml_view_tensor(ctx, produced);
    dependency->src[0] = produced;
    ggml_tensor * between = ggml_repeat(ctx, x, x);
    ggml_tensor * user = ggml_scale(ctx, copy, 2.0F);
    ggml_tensor * late = ggml_repeat(ctx, user, user);
    ggml_tensor * nodes[] = {produced, between, dependency, copy, user, late};
    ggml_tensor * leafs[] = {x, copy};
    ggml_cgraph helper = {};
    helper.n_nodes = 6;
    helper.nodes = nodes;
    helper.n_leafs = 2;
    helper.leafs = leafs;
    const int node_ids[] = {0, 0, 0, 1, 1, 1};
    const int leaf_ids[] = {0, 1};
    ggml_backend_buffer_type_t bufts[] = {&memory.buft, &other.buft};
    galloc.reset(ggml_gallocr_new_n(bufts, 2));
    ASSERT_TRUE(ggml_gallocr_reserve_n(galloc.get(), &helper, node_ids, leaf_ids));
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), &helper));
    EXPECT_EQ(FakeMemory::of(copy->buffer), &other);
    EXPECT_EQ(FakeMemory::of(produced->buffer), &memory);
    EXPECT_NE(between->data, produced->data);
    EXPECT_NE(user->data, copy->data) << "an output is not taken over";
    EXPECT_NE(late->data, copy->data);
    EXPECT_EQ(Checker().check(&helper), "");
}

TEST_F(AllocGraph, AnOperandInAnotherBufferIsNotTakenOver) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_tensor * c = ggml_scale(ctx, b, 2.0F);
    ggml_build_forward_expand(graph, c);
    const int node_ids[] = {0, 1};
    ggml_backend_buffer_type_t bufts[] = {&memory.buft, &other.buft};
    galloc.reset(ggml_gallocr_new_n(bufts, 2));
    ASSERT_TRUE(ggml_gallocr_reserve_n(galloc.get(), graph, node_ids, nullptr));
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(FakeMemory::of(b->buffer), &memory);
    EXPECT_EQ(FakeMemory::of(c->buffer), &other);
}

TEST_F(AllocGraph, EqualBufferTypesShareOneBufferThatIsCountedOnce) {
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_build_forward_expand(graph, ggml_repeat(ctx, b, b));
    const int node_ids[] = {0, 2};
    ggml_backend_buffer_type_t bufts[] = {&memory.buft, &other.buft, &memory.buft};
    galloc.reset(ggml_gallocr_new_n(bufts, 3));
    size_t sizes[3] = {1, 1, 1};
    ggml_gallocr_reserve_n_size(galloc.get(), graph, node_ids, nullptr, sizes);
    EXPECT_EQ(memory.n_allocations + other.n_allocations, 0) << "measuring allocates nothing";
    ASSERT_TRUE(ggml_gallocr_reserve_n(galloc.get(), graph, node_ids, nullptr));
    EXPECT_EQ(memory.n_allocations, 1);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(ggml_gallocr_get_buffer_size(galloc.get(), i), sizes[i]) << i;
    }
    EXPECT_EQ(sizes[0], 512U);
    EXPECT_EQ(sizes[1], 0U);
    EXPECT_EQ(sizes[2], 0U);
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, MeasuringLeavesThePlanInForce) {
    ASSERT_TRUE(alloc(ggml_scale(ctx, input(), 2.0F)));
    const size_t before = size();
    ggml_cgraph * larger = ggml_new_graph_custom(ctx, 16, false);
    ggml_tensor * big = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1000);
    ggml_build_forward_expand(larger, ggml_repeat(ctx, big, big));
    size_t needed = 0;
    ggml_gallocr_reserve_n_size(galloc.get(), larger, nullptr, nullptr, &needed);
    EXPECT_GE(needed, 8000U);
    EXPECT_EQ(size(), before);
    EXPECT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(memory.n_allocations, 1);
}

TEST_F(AllocGraph, ASmallerGraphOfTheSameStructureFitsThePlan) {
    ggml_tensor * big = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1000);
    ggml_cgraph * worst = ggml_new_graph_custom(ctx, 16, false);
    ggml_build_forward_expand(worst, ggml_repeat(ctx, big, big));
    ASSERT_TRUE(ggml_gallocr_reserve(galloc.get(), worst));
    const size_t reserved = size();
    ggml_tensor * a = tensor();
    ASSERT_TRUE(alloc(ggml_repeat(ctx, a, a)));
    EXPECT_EQ(size(), reserved);
    EXPECT_EQ(memory.n_allocations, 1);
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, PlanInPlaceIsDroppedForABroadcastOperand) {
    const auto build = [this](int64_t rows_of_b) {
        ggml_cgraph * g = ggml_new_graph_custom(ctx, 16, false);
        ggml_tensor * a = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 8, 8);
        ggml_tensor * b = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 8, rows_of_b);
        ggml_set_input(a);
        ggml_set_output(a); // so that only b can be taken over
        ggml_build_forward_expand(g, ggml_add(ctx, a, ggml_repeat(ctx, b, b)));
        return g;
    };
    ggml_cgraph * equal = build(8);
    ggml_cgraph * broadcast = build(1);
    ASSERT_TRUE(ggml_gallocr_reserve(galloc.get(), equal));
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), broadcast));
    EXPECT_EQ(Checker().check(broadcast), "");
    ggml_backend_buffer_type_t bufts[] = {&memory.buft, &other.buft};
    galloc.reset(ggml_gallocr_new_n(bufts, 2));
    ggml_cgraph * again = build(1);
    ASSERT_TRUE(ggml_gallocr_reserve_n(galloc.get(), build(8), nullptr, nullptr));
    EXPECT_FALSE(ggml_gallocr_alloc_graph(galloc.get(), again)) << "several buffers: the caller has to plan";
}

TEST_F(AllocGraph, AnotherGraphNeedsReserveWithManyBuffers) {
    ggml_cgraph * first = ggml_new_graph_custom(ctx, 16, false);
    ggml_build_forward_expand(first, ggml_scale(ctx, input(), 2.0F));
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ASSERT_TRUE(ggml_gallocr_reserve(galloc.get(), first));
    ASSERT_TRUE(alloc(ggml_add(ctx, ggml_repeat(ctx, b, b), a)));
    EXPECT_EQ(problem(), "");

    ggml_backend_buffer_type_t bufts[] = {&memory.buft, &other.buft};
    galloc.reset(ggml_gallocr_new_n(bufts, 2));
    EXPECT_FALSE(ggml_gallocr_alloc_graph(galloc.get(), first)) << "nothing is reserved";
    ASSERT_TRUE(ggml_gallocr_reserve_n(galloc.get(), first, nullptr, nullptr));
    ggml_cgraph * second = ggml_new_graph_custom(ctx, 16, false);
    ggml_tensor * c = ggml_scale(ctx, ggml_repeat(ctx, tensor(), a), 2.0F);
    ggml_build_forward_expand(second, c);
    EXPECT_FALSE(ggml_gallocr_alloc_graph(galloc.get(), second));
    EXPECT_EQ(c->data, nullptr);
}

TEST_F(AllocGraph, ALargerGraphOfTheSameStructureIsPlannedAnew) {
    const auto build = [this](int64_t n) {
        ggml_cgraph * g = ggml_new_graph_custom(ctx, 16, false);
        ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n);
        ggml_build_forward_expand(g, ggml_repeat(ctx, a, a));
        return g;
    };
    ASSERT_TRUE(ggml_gallocr_reserve(galloc.get(), build(8)));
    ggml_cgraph * larger = build(9);
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), larger));
    EXPECT_EQ(Checker().check(larger), "");
    EXPECT_EQ(size(), 128U);
}

TEST_F(AllocGraph, AGraphThatIsOnlyWiredDifferentlyIsPlannedAnew) {
    const auto build = [this](bool first_is_read_late) {
        ggml_cgraph * g = ggml_new_graph_custom(ctx, 16, false);
        ggml_tensor * x = input();
        ggml_tensor * a = ggml_repeat(ctx, x, x);
        ggml_tensor * b = ggml_repeat(ctx, a, a);
        ggml_tensor * c = ggml_repeat(ctx, b, b);
        ggml_build_forward_expand(g, c);
        ggml_build_forward_expand(g, ggml_mul_mat(ctx, first_is_read_late ? a : b, c));
        return g;
    };
    ASSERT_TRUE(ggml_gallocr_reserve(galloc.get(), build(false)));
    ggml_cgraph * other_wiring = build(true);
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), other_wiring));
    EXPECT_EQ(Checker().check(other_wiring), "");
}

TEST_F(AllocGraph, InputsThatAreNotListedAsLeafsArePlacedFirstToo) {
    ggml_tensor * late = input();
    ggml_tensor * x = input();
    ggml_tensor * a = ggml_repeat(ctx, x, x);
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_tensor * c = ggml_add(ctx, b, late);
    ggml_tensor * nodes[] = {a, b, c};
    ggml_cgraph helper = {};
    helper.n_nodes = 3;
    helper.nodes = nodes;
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), &helper));
    EXPECT_EQ(Checker().check(&helper), "");
}

TEST_F(AllocGraph, UnneededOperandOfAnInPlaceResultIsFreed) {
    ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 64);
    ggml_tensor * a = ggml_repeat(ctx, x, x);
    ggml_tensor * b = ggml_scale(ctx, ggml_view_1d(ctx, a, 16, 0), 2.0F); // takes the first quarter of a
    ggml_tensor * c = ggml_repeat(ctx, b, b);
    ASSERT_TRUE(alloc(ggml_mul_mat(ctx, c, b)));
    EXPECT_EQ(b->data, a->data);
    EXPECT_EQ(problem(), "");
    EXPECT_EQ(size(), 2 * 256U);
}

TEST_F(AllocGraph, NeighbouringFreeRangesAreJoined) {
    // Five inputs lie side by side. The second and fourth are freed, then the one between. r2 takes the first 32 bytes
    // of what is free; the rest must be one range.
    ggml_tensor * in[5];
    for (ggml_tensor *& t : in) {
        t = input();
    }
    ggml_tensor * ends = ggml_mul_mat(ctx, in[0], in[4]);
    ggml_tensor * r1 = ggml_mul_mat(ctx, in[1], in[3]); // one element each
    ggml_tensor * r2 = ggml_mul_mat(ctx, in[2], in[2]);
    ggml_tensor * wide = ggml_repeat_4d(ctx, r2, 3 * 64 - 8, 1, 1, 1);
    for (ggml_tensor * t : in) {
        ggml_build_forward_expand(graph, t); // fixes the order of the leafs
    }
    for (ggml_tensor * t : {r1, r2, wide, ends}) {
        ggml_build_forward_expand(graph, t);
    }
    ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(problem(), "");
    EXPECT_EQ(wide->data, static_cast<char *>(in[1]->data) + 32);
}

TEST_F(AllocGraph, FreeRangesAtTheEndAreJoinedWithTheRest) {
    ggml_tensor * x = input();
    ggml_set_output(x);
    ggml_tensor * a = ggml_repeat(ctx, x, x);
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    ggml_tensor * c = ggml_mul_mat(ctx, b, b); // 32 bytes in the place of a; all behind is free then
    ASSERT_TRUE(alloc(ggml_repeat_4d(ctx, c, 600, 1, 1, 1)));
    EXPECT_EQ(problem(), "");
    EXPECT_EQ(size(), 256U + 32U + 2400U);
}

TEST_F(AllocGraph, EmptyGraphsAndEmptyTensorsAreFine) {
    EXPECT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(size(), 0U);
    ggml_tensor * nothing = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 0);
    ggml_tensor * view = ggml_reshape_2d(ctx, ggml_scale(ctx, nothing, 2.0F), 0, 1);
    EXPECT_TRUE(alloc(view));
    EXPECT_NE(view->buffer, nullptr);
    EXPECT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph)) << "again";
}

TEST_F(AllocGraph, MoreThanTheGreatestBufferFailsCleanly) {
    const LogCapture log;
    memory.max_size = 500;
    ggml_tensor * a = input();
    EXPECT_FALSE(alloc(ggml_repeat(ctx, a, a)));
    EXPECT_GT(log.n_errors(), 0);
    EXPECT_EQ(memory.n_buffers, 0);
    EXPECT_EQ(size(), 0U);
    EXPECT_EQ(a->data, nullptr);
    memory.max_size = 512;
    EXPECT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
}

TEST_F(AllocGraph, SizesThatOverflowAreRefused) {
    const LogCapture log;
    memory.extra_per_tensor = SIZE_MAX / 2 - 4096;
    ggml_tensor * a = input();
    EXPECT_FALSE(alloc(ggml_add(ctx, ggml_repeat(ctx, a, a), a)));
    memory.extra_per_tensor = SIZE_MAX - 256; // the size of a tensor is SIZE_MAX
    EXPECT_FALSE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(memory.n_allocations, 0);
    memory.extra_per_tensor = 0;
    EXPECT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(log.n_errors(), 2);
}

TEST_F(AllocGraph, BufferIdsThatDoNotExistAreRefused) {
    const LogCapture log;
    ggml_tensor * a = input();
    ggml_build_forward_expand(graph, ggml_repeat(ctx, a, a));
    for (const int bad : {-1, 1, 1000}) {
        EXPECT_FALSE(ggml_gallocr_reserve_n(galloc.get(), graph, &bad, nullptr));
        EXPECT_FALSE(ggml_gallocr_reserve_n(galloc.get(), graph, nullptr, &bad));
    }
    EXPECT_EQ(log.n_errors(), 6);
    EXPECT_TRUE(ggml_gallocr_reserve(galloc.get(), graph));
}

TEST_F(AllocGraph, ABufferThatRefusesATensorFailsTheAllocation) {
    const LogCapture log;
    memory.refuse_tensor_at = 1;
    ggml_tensor * a = input();
    ggml_tensor * b = ggml_repeat(ctx, a, a);
    EXPECT_FALSE(alloc(b));
    memory.refuse_tensor_at = -1;
    EXPECT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), graph));
    EXPECT_EQ(problem(), "");
}

TEST_F(AllocGraph, BadArgumentsAreLoggedAndHarmless) {
    const LogCapture log;
    ggml_backend_buffer_type_t none = nullptr;
    size_t sizes = 0;
    EXPECT_EQ(ggml_gallocr_new(nullptr), nullptr);
    EXPECT_EQ(ggml_gallocr_new_n(nullptr, 1), nullptr);
    EXPECT_EQ(ggml_gallocr_new_n(&none, 0), nullptr);
    memory.alignment = 48;
    EXPECT_EQ(ggml_gallocr_new(&memory.buft), nullptr);
    EXPECT_FALSE(ggml_gallocr_reserve(nullptr, graph));
    EXPECT_FALSE(ggml_gallocr_reserve(galloc.get(), nullptr));
    EXPECT_FALSE(ggml_gallocr_alloc_graph(nullptr, graph));
    EXPECT_FALSE(ggml_gallocr_alloc_graph(galloc.get(), nullptr));
    ggml_gallocr_reserve_n_size(galloc.get(), nullptr, nullptr, nullptr, &sizes);
    EXPECT_EQ(ggml_gallocr_get_buffer_size(galloc.get(), 1), 0U);
    EXPECT_EQ(ggml_gallocr_get_buffer_size(galloc.get(), -1), 0U);
    EXPECT_EQ(ggml_gallocr_get_buffer_size(nullptr, 0), 0U);
    EXPECT_GE(log.n_errors(), 12);
    ggml_gallocr_free(nullptr);
}
