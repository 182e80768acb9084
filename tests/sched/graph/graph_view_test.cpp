// How a graph is compared with the one before: what is found out for one is used for others of the same version.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "graph/comparison.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

// weight * (a view of x) + x
struct Graph {
    ContextPtr weights = make_context(4); // a context of its own
    ContextPtr context = make_context();
    ggml_tensor * weight = ggml_new_tensor_1d(weights.get(), GGML_TYPE_F32, kSize);
    ggml_tensor * x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_tensor * scaled = ggml_scale(context.get(), x, 2.0f);
    ggml_tensor * view = ggml_view_1d(context.get(), scaled, kSize, 0);
    ggml_tensor * product = ggml_mul(context.get(), view, weight);
    ggml_tensor * sum = ggml_add(context.get(), product, x);
    ggml_cgraph * graph = ggml_new_graph(context.get());

    Graph() { ggml_build_forward_expand(graph, sum); }
};

// Which of a version's numbers differ
std::string difference(const GraphVersion & a, const GraphVersion & b) {
    std::string text;
    text += a.structure != b.structure ? "structure " : "";
    text += a.parameters != b.parameters ? "parameters " : "";
    text += a.layout != b.layout ? "layout " : "";
    text += a.place != b.place ? "place " : "";
    return text;
}

std::vector<ggml_tensor *> tensors_of(const GraphView & view) {
    std::vector<ggml_tensor *> tensors;
    for (TensorId id = 0; id < view.n_tensors(); id++) {
        tensors.push_back(view.tensor(id));
    }
    return tensors;
}

// The view says of the graph what one that knows no other graph says.
void expect_like_new(const GraphView & view, const ggml_cgraph * graph) {
    GraphView fresh;
    fresh.build(graph);
    ASSERT_EQ(tensors_of(view), tensors_of(fresh));
    EXPECT_EQ(view.leafs(), fresh.leafs());
    EXPECT_EQ(view.inputs(), fresh.inputs());
    ASSERT_EQ(view.nodes().size(), fresh.nodes().size());
    for (TensorId id = 0; id < view.n_tensors(); id++) {
        EXPECT_EQ(view.root(id), fresh.root(id));
        EXPECT_EQ(view.facts(id), fresh.facts(id));
        EXPECT_EQ(view.ids().find(view.tensor(id)), id);
    }
    for (size_t i = 0; i < view.nodes().size(); i++) {
        const GraphNode & node = view.nodes()[i];
        const GraphNode & expected = fresh.nodes()[i];
        EXPECT_EQ(node.tensor, expected.tensor);
        EXPECT_EQ(node.is_view, expected.is_view);
        EXPECT_TRUE(
            std::equal(view.operands_of(node).begin(), view.operands_of(node).end(),
                       fresh.operands_of(expected).begin(), fresh.operands_of(expected).end(),
                       [](const Operand & a, const Operand & b) { return a.tensor == b.tensor && a.slot == b.slot; }));
    }
}

struct Change {
    const char * name;
    const char * difference;
    std::function<void(Graph &)> apply;
};

void PrintTo(const Change & change, std::ostream * out) {
    *out << change.name;
}

class ViewOfAChangedGraph : public testing::TestWithParam<Change> {};

TEST_P(ViewOfAChangedGraph, HasAnotherVersionEachTimeThatItChanges) {
    GraphComparison view;
    for (int i = 0; i < 3; i++) {
        const Graph plain;
        view.take(plain.graph);
        const Graph again;
        const GraphVersion before = view.version();
        view.take(again.graph);
        EXPECT_EQ(difference(before, view.version()), "");
        expect_like_new(view, again.graph);

        Graph changed;
        GetParam().apply(changed);
        view.take(changed.graph);
        EXPECT_EQ(difference(before, view.version()), GetParam().difference);
        expect_like_new(view, changed.graph);
    }
}

char other_memory[kSize];

INSTANTIATE_TEST_SUITE_P(
    Kinds, ViewOfAChangedGraph,
    testing::Values(
        Change{"InNothing", "", [](Graph &) {}},
        Change{"InAName", "", [](Graph & g) { ggml_set_name(g.scaled, "other"); }},
        Change{"InAnOperation", "structure ", [](Graph & g) { g.product->op = GGML_OP_DIV; }},
        Change{"InAFlag", "structure ", [](Graph & g) { ggml_set_output(g.product); }},
        Change{"InAnInput", "structure ", [](Graph & g) { ggml_set_input(g.x); }},
        Change{"InTheOrderOfOperands", "structure ", [](Graph & g) { std::swap(g.sum->src[0], g.sum->src[1]); }},
        Change{"InTheSlotOfAnOperand", "structure ", [](Graph & g) { std::swap(g.sum->src[1], g.sum->src[2]); }},
        Change{"InAnOperandLess", "structure ", [](Graph & g) { g.sum->src[1] = nullptr; }},
        Change{"InAnOperandMore", "structure ", [](Graph & g) { g.sum->src[3] = g.scaled; }},
        Change{"InWhatIsViewed", "structure ", [](Graph & g) { g.view->view_src = g.x; }},
        Change{"InBeingAView", "structure ", [](Graph & g) { g.view->view_src = nullptr; }},
        Change{"InHavingMemory", "structure ", [](Graph & g) { g.x->data = other_memory; }},
        Change{"InOneTensorInTheRoleOfTwo", "structure ", [](Graph & g) { g.product->src[1] = g.x; }},
        Change{"InAParameter", "parameters ", [](Graph & g) { g.scaled->op_params[0]++; }},
        Change{"InTheLastParameter", "parameters ",
               [](Graph & g) { g.scaled->op_params[GGML_MAX_OP_PARAMS / sizeof(int32_t) - 1]++; }},
        Change{"InAViewsParameter", "", [](Graph & g) { g.view->op_params[0]++; }},
        Change{"InAType", "layout ", [](Graph & g) { g.scaled->type = GGML_TYPE_I32; }},
        Change{"InASize", "layout ", [](Graph & g) { g.product->ne[3] = 2; }},
        Change{"InAStride", "layout ", [](Graph & g) { g.product->nb[3] *= 2; }},
        Change{"InAnOffset", "place ", [](Graph & g) { g.view->view_offs = 16; }}),
    [](const auto & info) { return std::string(info.param.name); });

TEST(ViewOfAGraph, SeesMemoryThatTensorsHaveElsewhere) {
    GraphComparison view;
    Graph first;
    first.weight->data = other_memory;
    view.take(first.graph);
    const GraphVersion before = view.version();
    Graph second;
    second.weight->data = other_memory + 1;
    view.take(second.graph);
    EXPECT_EQ(difference(before, view.version()), "place ");
}

// Contexts lie where the heap puts them.
TEST(ViewOfAGraph, IsTheSameForContextsInAnyOrder) {
    GraphComparison view;
    std::vector<Graph> graphs(2);
    for (Graph & graph : graphs) {
        ggml_tensor * other = ggml_new_tensor_1d(graphs[0].weights.get(), GGML_TYPE_F32, kSize);
        graph.product->src[1] = other;
        graph.graph = ggml_new_graph(graph.context.get());
        ggml_build_forward_expand(graph.graph, graph.sum);
    }
    view.take(graphs[0].graph);
    const GraphVersion before = view.version();
    for (int i = 0; i < 6; i++) {
        const Graph & graph = graphs[i % 2];
        view.take(graph.graph);
        EXPECT_EQ(difference(before, view.version()), "");
        expect_like_new(view, graph.graph);
    }
}

// Operands that are neither leafs nor nodes: only their addresses tell whether they are one or two.
TEST(ViewOfAGraph, TellsOneTensorFromTwoWhereItsStructureDoesNot) {
    const ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
    ggml_tensor * b = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
    ggml_cgraph * two = ggml_new_graph(ctx);
    ggml_graph_add_node(two, ggml_add(ctx, a, b));
    ggml_cgraph * one = ggml_new_graph(ctx);
    ggml_graph_add_node(one, ggml_add(ctx, a, a));

    GraphComparison view;
    view.take(two);
    EXPECT_EQ(view.n_tensors(), 3u);
    GraphVersion before = view.version();
    view.take(one);
    EXPECT_EQ(view.n_tensors(), 2u);
    EXPECT_EQ(difference(before, view.version()), "structure ");
    expect_like_new(view, one);
    before = view.version();
    view.take(two);
    EXPECT_EQ(difference(before, view.version()), "structure ");
    expect_like_new(view, two);
}

TEST(ViewOfAGraph, ForgetsItsTensorsAndStillKnowsTheGraphAgain) {
    GraphComparison view;
    const Graph first;
    view.take(first.graph);
    const GraphVersion before = view.version();
    view.clear();
    EXPECT_EQ(view.n_tensors(), 0u);
    EXPECT_EQ(view.ids().find(first.x), kNoTensor);
    const Graph second;
    view.take(second.graph);
    EXPECT_EQ(difference(before, view.version()), "");
    EXPECT_EQ(view.ids().find(first.x), kNoTensor);
    expect_like_new(view, second.graph);
    view.clear();
    EXPECT_EQ(view.ids().find(second.x), kNoTensor);
}

TEST(ViewOfAGraph, ComparesTheOrderThatItWasGiven) {
    GraphComparison view;
    std::vector<Graph> graphs(3);
    view.take(graphs[0].graph);
    const GraphVersion before = view.version();
    for (Graph & graph : graphs) {
        view.take(graph.graph);
        EXPECT_EQ(difference(before, view.version()), "");
        ggml_tensor ** nodes = ggml_graph_nodes(graph.graph);
        std::swap(nodes[0], nodes[1]);
        view.reorder(graph.graph);
        EXPECT_EQ(view.tensor(view.nodes()[0].tensor), nodes[0]);
        EXPECT_EQ(view.tensor(view.nodes()[1].tensor), nodes[1]);
    }
}

// As in a part of a graph, which has nodes only
TEST(ViewOfAGraph, NumbersAnyCountOfOtherOperands) {
    constexpr int kNodes = 100;
    ContextPtr context = make_context(8 * kNodes);
    std::vector<ggml_tensor *> sums;
    for (int i = 0; i < kNodes; i++) {
        std::array<ggml_tensor *, 2> views;
        for (ggml_tensor *& view : views) {
            ggml_tensor * viewed = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, 2 * kSize);
            view = ggml_view_1d(context.get(), viewed, kSize, 0);
        }
        sums.push_back(ggml_add(context.get(), views[0], views[1]));
    }
    ggml_cgraph * graph = ggml_new_graph_custom(context.get(), kNodes, false);
    for (ggml_tensor * sum : sums) {
        ggml_graph_add_node(graph, sum);
    }
    GraphComparison view;
    view.take(graph);
    ASSERT_EQ(view.n_tensors(), 5u * kNodes);
    for (int i = 0; i < kNodes; i++) {
        const GraphNode & node = view.nodes()[i];
        EXPECT_EQ(view.tensor(node.tensor), sums[i]);
        ASSERT_EQ(view.operands_of(node).size(), 2u);
        for (const Operand & operand : view.operands_of(node)) {
            const ggml_tensor * tensor = sums[i]->src[operand.slot];
            EXPECT_EQ(view.tensor(operand.tensor), tensor);
            EXPECT_EQ(view.tensor(view.root(operand.tensor)), tensor->view_src);
            EXPECT_EQ(view.bytes(operand.tensor), kSize * sizeof(float));
            EXPECT_EQ(view.bytes(view.root(operand.tensor)), 2 * kSize * sizeof(float));
        }
    }
    expect_like_new(view, graph);
}

TEST(ViewOfAGraph, HasRoomForViewsOfViewsOfViews) {
    constexpr int kViews = 500;
    ContextPtr context = make_context(2 * kViews);
    ggml_tensor * deepest = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_tensor * view = deepest;
    for (int i = 0; i < kViews; i++) {
        ggml_tensor * viewed = view;
        view = ggml_view_tensor(context.get(), viewed);
        view->view_src = viewed; // ggml itself would take what that views
    }
    ggml_tensor * result = ggml_scale(context.get(), view, 2.0f);
    ggml_cgraph * graph = ggml_new_graph_custom(context.get(), 8, false);
    ggml_graph_add_node(graph, result);
    GraphView numbered;
    numbered.build(graph);
    ASSERT_EQ(numbered.n_tensors(), kViews + 2u);
    EXPECT_EQ(numbered.views().size(), static_cast<size_t>(kViews));
    EXPECT_EQ(numbered.tensor(numbered.root(numbered.views().front())), deepest) << "the last to get its root";
    expect_like_new(numbered, graph);
}

TEST(ViewOfAGraph, OfViewsOfViewsIsTheSameWhenTheyAreBuiltAnew) {
    GraphComparison view;
    GraphVersion before;
    for (int i = 0; i < 3; i++) {
        Graph graph;
        ggml_tensor * inner = ggml_view_1d(graph.context.get(), graph.scaled, kSize, 0);
        graph.view->view_src = inner; // ggml makes no such tensors, but nothing keeps others from it
        view.take(graph.graph);
        expect_like_new(view, graph.graph);
        EXPECT_EQ(i == 0 ? "" : difference(before, view.version()), "");
        before = view.version();
    }
}

// ggml_graph_add_node leaves the graph's list of leafs empty.
TEST(ViewOfAGraph, CountsOperandsThatAreNotListedAsLeafs) {
    const ContextPtr context = make_context();
    ggml_tensor * x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_tensor * y = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
    ggml_set_input(x);
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_graph_add_node(graph, ggml_add(context.get(), x, y));
    GraphComparison view;
    for (int i = 0; i < 2; i++) {
        view.take(graph);
        ASSERT_EQ(view.leafs().size(), 2U);
        EXPECT_EQ(view.tensor(view.leafs()[0]), x);
        EXPECT_EQ(view.tensor(view.leafs()[1]), y);
        EXPECT_EQ(view.inputs().size(), 1U);
        expect_like_new(view, graph);
    }
}

} // namespace
} // namespace ggml_sched::test
