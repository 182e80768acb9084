#include "core_test.h"

#include <random>
#include <unordered_set>

using namespace core_test;

class Graph : public CoreTest {
  protected:
    std::vector<ggml_tensor *> nodes_of(ggml_cgraph * graph) {
        return {ggml_graph_nodes(graph), ggml_graph_nodes(graph) + ggml_graph_n_nodes(graph)};
    }
    std::vector<ggml_tensor *> leafs_of(ggml_cgraph * graph) { return {graph->leafs, graph->leafs + graph->n_leafs}; }
};

using Tensors = std::vector<ggml_tensor *>;

TEST_F(Graph, StartsEmptyWithAHashTableOfAPowerOfTwo) {
    for (const size_t size : {0u, 1u, 3u, 64u, 1000u}) {
        const ggml_cgraph * graph = ggml_new_graph_custom(ctx, size, false);
        ASSERT_NE(graph, nullptr);
        EXPECT_EQ(graph->size, static_cast<int>(size));
        EXPECT_EQ(graph->n_nodes, 0);
        EXPECT_EQ(graph->n_leafs, 0);
        EXPECT_FALSE(graph->overflow);
        EXPECT_EQ(graph->uid, 0u);
        const size_t keys = graph->visited_hash_set.size;
        EXPECT_GT(keys, 2 * size);
        EXPECT_EQ(keys & (keys - 1), 0u);
    }
    EXPECT_EQ(ggml_graph_size(ggml_new_graph(ctx)), GGML_DEFAULT_GRAPH_SIZE);
}

TEST_F(Graph, SourcesComeFirstInTheOrderOfTheirIndex) {
    ggml_tensor * a = f32(4);
    ggml_tensor * b = f32(4);
    ggml_tensor * c = f32(4);
    ggml_tensor * right = ggml_mul(ctx, c, b);
    ggml_tensor * left = ggml_add(ctx, b, a);
    ggml_tensor * deep = ggml_silu(ctx, right);
    ggml_tensor * root = ggml_add(ctx, left, deep);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 16, false);
    ggml_build_forward_expand(graph, root);
    EXPECT_EQ(nodes_of(graph), (Tensors{left, right, deep, root}));
    EXPECT_EQ(leafs_of(graph), (Tensors{b, a, c}));
    EXPECT_EQ(ggml_graph_node(graph, 0), left);
    EXPECT_EQ(ggml_graph_node(graph, -1), root);
    EXPECT_EQ(ggml_graph_node(graph, -4), left);
    EXPECT_EQ(ggml_graph_node(graph, 4), nullptr);
    EXPECT_EQ(ggml_graph_node(graph, -5), nullptr);
}

TEST_F(Graph, UnnamedTensorsAreNamedByTheirPlace) {
    ggml_tensor * a = f32(4);
    ggml_tensor * b = ggml_set_name(f32(4), "weight");
    ggml_tensor * c = f32(4);
    ggml_tensor * first = ggml_add(ctx, a, b);
    ggml_tensor * second = ggml_set_name(ggml_add(ctx, first, c), "sum");
    ggml_tensor * third = ggml_silu(ctx, second);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 16, false);
    ggml_build_forward_expand(graph, third);
    EXPECT_STREQ(a->name, "leaf_0");
    EXPECT_STREQ(b->name, "weight");
    EXPECT_STREQ(c->name, "leaf_2");
    EXPECT_STREQ(first->name, "node_0");
    EXPECT_STREQ(second->name, "sum");
    EXPECT_STREQ(third->name, "node_2");
    EXPECT_EQ(ggml_graph_get_tensor(graph, "sum"), second);
    EXPECT_EQ(ggml_graph_get_tensor(graph, "leaf_2"), c);
    EXPECT_EQ(ggml_graph_get_tensor(graph, "none"), nullptr);
    EXPECT_EQ(ggml_graph_get_tensor(graph, nullptr), nullptr);
}

TEST_F(Graph, ComputedTensorsAreMarkedAndLeafsAreNot) {
    ggml_tensor * a = f32(4);
    ggml_tensor * used = ggml_silu(ctx, a);
    ggml_tensor * root = ggml_view_1d(ctx, used, 2, 0);
    ggml_tensor * unused = ggml_relu(ctx, a);
    ggml_build_forward_expand(ggml_new_graph_custom(ctx, 8, false), root);
    EXPECT_EQ(a->flags, 0);
    EXPECT_EQ(used->flags, GGML_TENSOR_FLAG_COMPUTE);
    EXPECT_EQ(root->flags, GGML_TENSOR_FLAG_COMPUTE);
    EXPECT_EQ(unused->flags, 0);
}

TEST_F(Graph, ParametersAreNodes) {
    ggml_tensor * w = f32(4);
    ggml_set_param(w);
    ggml_tensor * y = ggml_silu(ctx, w);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, y);
    EXPECT_EQ(nodes_of(graph), (Tensors{w, y}));
    EXPECT_EQ(graph->n_leafs, 0);
}

TEST_F(Graph, ExpandingAddsOnlyWhatIsNew) {
    ggml_tensor * a = f32(4);
    ggml_tensor * b = ggml_silu(ctx, a);
    ggml_tensor * c = ggml_add(ctx, b, a);
    ggml_tensor * d = ggml_mul(ctx, b, c);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, b);
    ggml_build_forward_expand(graph, d);
    ggml_build_forward_expand(graph, d);
    ggml_build_forward_expand(graph, c);
    ggml_build_forward_expand(graph, a);
    EXPECT_EQ(nodes_of(graph), (Tensors{b, c, d}));
    EXPECT_EQ(leafs_of(graph), Tensors{a});
}

TEST_F(Graph, ACastThatIsItsOwnSourceIsAddedOnce) {
    ggml_tensor * a = f32(4);
    ggml_tensor * cast = ggml_cast(ctx, a, GGML_TYPE_F16);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, cast);
    EXPECT_EQ(nodes_of(graph), Tensors{cast});
    EXPECT_EQ(leafs_of(graph), Tensors{a});
}

TEST_F(Graph, ClearingMakesRoomAgain) {
    ggml_tensor * a = f32(4);
    ggml_tensor * b = ggml_silu(ctx, ggml_silu(ctx, a));
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 1, false);
    {
        LogCapture log;
        ggml_build_forward_expand(graph, b);
        EXPECT_EQ(log.errors.size(), 1u);
    }
    EXPECT_TRUE(graph->overflow);
    graph->uid = ggml_graph_next_uid();
    ggml_graph_clear(graph);
    EXPECT_FALSE(graph->overflow);
    EXPECT_EQ(graph->uid, 0u);
    EXPECT_EQ(ggml_graph_n_nodes(graph), 0);
    ggml_tensor * c = ggml_relu(ctx, a);
    ggml_build_forward_expand(graph, c);
    EXPECT_EQ(nodes_of(graph), Tensors{c});
    EXPECT_FALSE(graph->overflow);
}

TEST_F(Graph, ChangingAGraphEndsItsIdentity) {
    ggml_tensor * a = ggml_silu(ctx, f32(4));
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 4, false);
    graph->uid = ggml_graph_next_uid();
    ggml_build_forward_expand(graph, a);
    EXPECT_EQ(graph->uid, 0u);
    graph->uid = ggml_graph_next_uid();
    ggml_graph_add_node(graph, a);
    EXPECT_EQ(graph->uid, 0u);
    EXPECT_NE(ggml_graph_next_uid(), ggml_graph_next_uid());
}

TEST_F(Graph, FillsToTheLastNodeAndOverflowsWithTheNext) {
    ggml_tensor * x = f32(4);
    Tensors chain{x};
    for (int i = 0; i < 40; i++) {
        chain.push_back(ggml_silu(ctx, chain.back()));
    }
    for (const size_t size : {1u, 2u, 3u, 7u, 8u, 16u, 31u}) {
        SCOPED_TRACE(size);
        ggml_cgraph * graph = ggml_new_graph_custom(ctx, size, false);
        ggml_build_forward_expand(graph, chain[size]);
        EXPECT_FALSE(graph->overflow);
        EXPECT_EQ(graph->n_nodes, static_cast<int>(size));
        LogCapture log;
        ggml_build_forward_expand(graph, chain[size + 1]);
        EXPECT_TRUE(graph->overflow);
        EXPECT_EQ(graph->n_nodes, static_cast<int>(size));
        ggml_build_forward_expand(graph, chain[40]);
        EXPECT_EQ(graph->n_nodes, static_cast<int>(size));
        EXPECT_EQ(log.errors.size(), 1u) << "one complaint is enough";
    }
}

TEST_F(Graph, TooManyLeafsOverflowToo) {
    ggml_tensor * sum = f32(4);
    for (int i = 0; i < 3; i++) {
        sum = ggml_add(ctx, sum, f32(4));
    }
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 3, false);
    LogCapture log;
    ggml_build_forward_expand(graph, sum);
    EXPECT_TRUE(graph->overflow);
    EXPECT_EQ(graph->n_leafs, 3);
}

TEST_F(Graph, OverflowWritesNothingBehindTheGraph) {
    ggml_tensor * x = f32(4);
    for (int i = 0; i < 500; i++) {
        x = ggml_add(ctx, x, f32(4));
    }
    for (size_t size = 0; size < 20; size++) {
        std::vector<char> memory(ggml_graph_overhead_custom(size, false) + 256, 0x5a);
        ggml_context * small = ggml_init({memory.size() - 256, memory.data(), true});
        ggml_cgraph * graph = ggml_new_graph_custom(small, size, false);
        ASSERT_NE(graph, nullptr);
        LogCapture log;
        ggml_build_forward_expand(graph, x);
        EXPECT_TRUE(graph->overflow);
        EXPECT_LE(graph->n_nodes, static_cast<int>(size));
        EXPECT_LE(graph->n_leafs, static_cast<int>(size));
        for (size_t i = memory.size() - 256; i < memory.size(); i++) {
            ASSERT_EQ(memory[i], 0x5a);
        }
        ggml_free(small);
    }
}

TEST_F(Graph, AddNodeTakesNoParentsAndStopsWhenFull) {
    ggml_tensor * a = ggml_silu(ctx, f32(4));
    ggml_tensor * b = ggml_silu(ctx, a);
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 1, false);
    ggml_graph_add_node(graph, b);
    EXPECT_EQ(nodes_of(graph), Tensors{b});
    EXPECT_FALSE(graph->overflow);
    LogCapture log;
    ggml_graph_add_node(graph, a);
    EXPECT_EQ(nodes_of(graph), Tensors{b});
    EXPECT_TRUE(graph->overflow);
    EXPECT_EQ(log.errors.size(), 1u);
}

TEST_F(Graph, ViewsShareARangeOfNodes) {
    ggml_tensor * x = f32(4);
    Tensors chain;
    for (int i = 0; i < 5; i++) {
        x = ggml_silu(ctx, x);
        chain.push_back(x);
    }
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, x);
    ggml_cgraph view = ggml_graph_view(graph, 1, 4);
    EXPECT_EQ(view.nodes, graph->nodes + 1);
    EXPECT_EQ(view.n_nodes, 3);
    EXPECT_EQ(view.size, 0);
    EXPECT_EQ(view.n_leafs, 0);
    EXPECT_EQ(view.visited_hash_set.size, 0u);
    EXPECT_EQ(ggml_graph_view(graph, 5, 5).n_nodes, 0);
    LogCapture log;
    EXPECT_EQ(ggml_graph_view(graph, 0, 6).n_nodes, 0);
    EXPECT_EQ(ggml_graph_view(graph, -1, 2).n_nodes, 0);
    EXPECT_EQ(ggml_graph_view(graph, 3, 2).n_nodes, 0);
    EXPECT_EQ(ggml_graph_view(nullptr, 0, 0).n_nodes, 0);
    EXPECT_EQ(log.errors.size(), 4u);
    ggml_build_forward_expand(&view, ggml_relu(ctx, x));
    EXPECT_TRUE(view.overflow) << "a view has no room";
    EXPECT_FALSE(graph->overflow);
}

TEST_F(Graph, ANullTensorMakesTheGraphUnusable) {
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 8, false);
    LogCapture log;
    ggml_build_forward_expand(graph, nullptr);
    EXPECT_TRUE(graph->overflow) << "computing it would leave out what failed to build";
    EXPECT_EQ(log.errors.size(), 1u);
}

TEST_F(Graph, BadArgumentsAreRefused) {
    expect_refused([&] { return ggml_new_graph_custom(nullptr, 8, false); });
    expect_refused([&] { return ggml_new_graph_custom(ctx, 8, true); }, "gradients");
    expect_refused([&] { return ggml_new_graph_custom(ctx, size_t{1} << 31, false); });
    expect_refused([&] { return ggml_new_graph_custom(ctx, SIZE_MAX, false); });
    expect_refused([&] { return ggml_new_graph_custom(ctx, 1 << 20, false); }, "no room");
    EXPECT_EQ(ggml_graph_overhead_custom(SIZE_MAX, false), SIZE_MAX);
    LogCapture log;
    ggml_build_forward_expand(nullptr, f32(1));
    ggml_graph_add_node(nullptr, f32(1));
    ggml_graph_clear(nullptr);
    ggml_graph_print(nullptr);
    EXPECT_EQ(log.errors.size(), 4u);
    EXPECT_EQ(ggml_graph_size(nullptr), 0);
    EXPECT_EQ(ggml_graph_n_nodes(nullptr), 0);
    EXPECT_EQ(ggml_graph_nodes(nullptr), nullptr);
    EXPECT_EQ(ggml_graph_node(nullptr, 0), nullptr);
    EXPECT_EQ(ggml_graph_get_tensor(nullptr, "x"), nullptr);
}

TEST_F(Graph, PrintingNamesEveryTensor) {
    ggml_tensor * w = ggml_set_name(f32(4), "weight");
    ggml_tensor * y = ggml_set_name(ggml_silu(ctx, w), "activation");
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, y);
    LogCapture log;
    ggml_graph_print(graph);
    std::string text;
    for (const std::string & line : log.others) {
        text += line;
    }
    EXPECT_NE(text.find("weight"), std::string::npos);
    EXPECT_NE(text.find("activation"), std::string::npos);
    EXPECT_NE(text.find("SILU"), std::string::npos);
}

TEST(DeepGraph, ChainOfAHundredThousandNodesIsBuilt) {
    constexpr size_t n = 100000;
    const size_t size = (n + 1) * ggml_tensor_overhead() + ggml_graph_overhead_custom(n, false);
    ggml_context * ctx = ggml_init({size, nullptr, true});
    ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1);
    for (size_t i = 0; i < n; i++) {
        x = ggml_silu(ctx, x);
    }
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, n, false);
    ggml_build_forward_expand(graph, x);
    EXPECT_FALSE(graph->overflow);
    ASSERT_EQ(ggml_graph_n_nodes(graph), static_cast<int>(n));
    for (int i = 1; i < graph->n_nodes; i++) {
        ASSERT_EQ(graph->nodes[i]->src[0], graph->nodes[i - 1]);
    }
    ggml_free(ctx);
}

namespace {

// The order by its definition, recursively.
void visit(ggml_tensor * t, std::unordered_set<ggml_tensor *> & seen, Tensors & nodes, Tensors & leafs) {
    if (!seen.insert(t).second) {
        return;
    }
    for (ggml_tensor * source : t->src) {
        if (source) {
            visit(source, seen, nodes, leafs);
        }
    }
    (t->op == GGML_OP_NONE ? leafs : nodes).push_back(t);
}

} // namespace

TEST_F(Graph, RandomGraphsHaveTheDefinedOrder) {
    for (uint32_t seed = 0; seed < 200; seed++) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        ggml_reset(ctx);
        Tensors pool{f32(4), f32(4), f32(4)};
        for (int i = 0; i < 60; i++) {
            ggml_tensor * a = pool[random() % pool.size()];
            ggml_tensor * b = pool[random() % pool.size()];
            switch (random() % 4) {
            case 0: pool.push_back(ggml_add(ctx, a, b)); break;
            case 1: pool.push_back(ggml_cpy(ctx, a, b)); break;
            case 2: pool.push_back(ggml_view_1d(ctx, a, 4, 0)); break;
            default: pool.push_back(f32(4)); break;
            }
            ASSERT_NE(pool.back(), nullptr);
        }
        ggml_cgraph * graph = ggml_new_graph_custom(ctx, 64, false);
        std::unordered_set<ggml_tensor *> seen;
        Tensors nodes;
        Tensors leafs;
        for (int i = 0; i < 5; i++) {
            ggml_tensor * root = pool[random() % pool.size()];
            ggml_build_forward_expand(graph, root);
            visit(root, seen, nodes, leafs);
        }
        ASSERT_EQ(nodes_of(graph), nodes);
        ASSERT_EQ(leafs_of(graph), leafs);
    }
}
