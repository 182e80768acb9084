// Graphs that engines build anew for every token: what is found out for one is used for the next of the same content,
// and only for that.

#include <gtest/gtest.h>

#include <functional>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

// result = (x * weight) * factor / (x * weight), or the other way round
struct Recipe {
    int64_t rows = 1;
    float factor = 2;
    bool swapped = false;
    bool shows_product = false;
    int product_on = -1; // -1: nobody says
    int scaled_on = -1;
    int weight_on = 0;
    bool is_weight = true; // by the usage of its buffer
};

RigOptions two_devices(bool parallel = false) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    options.parallel = parallel;
    return options;
}

// The weights of one rig, one tensor on each device.
class Weights {
  public:
    explicit Weights(const Rig & rig) {
        for (int i = 0; i < rig.n_devices(); i++) {
            contexts_.push_back(make_context(4));
            tensors_.push_back(ggml_new_tensor_1d(contexts_.back().get(), GGML_TYPE_F32, kSize));
            buffers_.emplace_back(ggml_backend_alloc_ctx_tensors(contexts_.back().get(), rig.device(i)));
            write_floats(tensors_.back(), ramp(kSize, 1.0f, 0.5f));
        }
    }
    ggml_tensor * on(int device, bool is_weight) const {
        ggml_backend_buffer_set_usage(buffers_[device].get(), is_weight ? GGML_BACKEND_BUFFER_USAGE_WEIGHTS
                                                                        : GGML_BACKEND_BUFFER_USAGE_COMPUTE);
        return tensors_[device];
    }

  private:
    std::vector<ContextPtr> contexts_;
    std::vector<ggml_tensor *> tensors_;
    std::vector<BufferPtr> buffers_;
};

// What a user can see of a run
struct Outcome {
    int n_splits = 0;
    std::string places; // of the graph's nodes
    std::vector<float> product;
    std::vector<float> result;

    friend bool operator==(const Outcome & a, const Outcome & b) {
        return a.n_splits == b.n_splits && a.places == b.places && a.product == b.product && a.result == b.result;
    }
};

Outcome run(Rig & rig, const Weights & weights, const Recipe & recipe) {
    ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSize, recipe.rows);
    ggml_set_input(x);
    ggml_tensor * product = ggml_mul(ctx, x, weights.on(recipe.weight_on, recipe.is_weight));
    if (recipe.shows_product) {
        ggml_set_output(product);
    }
    ggml_tensor * scaled = ggml_scale(ctx, product, recipe.factor);
    ggml_tensor * result = recipe.swapped ? ggml_div(ctx, product, scaled) : ggml_div(ctx, scaled, product);
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);

    ggml_backend_sched_reset(rig.sched());
    if (recipe.product_on >= 0) {
        ggml_backend_sched_set_tensor_backend(rig.sched(), product, rig.device(recipe.product_on));
    }
    if (recipe.scaled_on >= 0) {
        ggml_backend_sched_set_tensor_backend(rig.sched(), scaled, rig.device(recipe.scaled_on));
    }
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    write_floats(x, ramp(static_cast<size_t>(kSize * recipe.rows), 3.0f));
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);

    Outcome outcome;
    outcome.n_splits = ggml_backend_sched_get_n_splits(rig.sched());
    for (ggml_tensor * node : {product, scaled, result}) {
        const ggml_backend_t backend = ggml_backend_sched_get_tensor_backend(rig.sched(), node);
        for (int i = 0; i < rig.n_devices(); i++) {
            outcome.places += backend == rig.device(i) ? std::to_string(i) : "";
        }
        outcome.places += backend == rig.cpu() ? "c" : "";
    }
    outcome.product = recipe.shows_product ? read_floats(product) : std::vector<float>();
    outcome.result = read_floats(result);
    return outcome;
}

Outcome run_on_fresh_rig(const Recipe & recipe) {
    Rig rig(two_devices());
    const Weights weights(rig);
    return run(rig, weights, recipe);
}

TEST(GraphsBuiltAnew, AreNotPlannedAgain) {
    Rig rig(two_devices());
    const Weights weights(rig);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(run(rig, weights, {}).result, std::vector<float>(kSize, 2.0f));
    }
    EXPECT_EQ(rig.stats().plans, 2u) << "one for the first run, one for all others";
}

TEST(GraphsBuiltAnew, AreNotPlannedAgainWhereCopiesRotate) {
    Rig rig(two_devices(true));
    const Weights weights(rig);
    std::vector<ContextPtr> contexts; // graphs in flight must stay
    uint64_t settled = 0;
    for (int i = 0; i < 40; i++) {
        contexts.push_back(make_context());
        ggml_context * ctx = contexts.back().get();
        ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
        ggml_set_input(x);
        ggml_tensor * first = ggml_mul(ctx, x, weights.on(0, true));
        ggml_tensor * result = ggml_mul(ctx, ggml_scale(ctx, first, 2.0f), weights.on(1, true));
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_reset(rig.sched());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
        write_floats(x, std::vector<float>(kSize, 1.0f));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS);
        settled = i == 19 ? rig.stats().plans : settled;
    }
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_EQ(rig.stats().plans, settled) << "one for each turn once the pipeline is full";
}

struct Change {
    const char * name;
    std::function<void(Recipe &)> apply;
};

void PrintTo(const Change & change, std::ostream * out) {
    *out << change.name;
}

class ChangeOfAGraph : public testing::TestWithParam<Change> {};

TEST_P(ChangeOfAGraph, IsNoticedAndSoIsTheWayBack) {
    Recipe changed;
    GetParam().apply(changed);
    const Outcome expected = run_on_fresh_rig({});
    const Outcome expected_after_change = run_on_fresh_rig(changed);

    Rig rig(two_devices());
    const Weights weights(rig);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(run(rig, weights, {}), expected) << i;
        EXPECT_EQ(run(rig, weights, changed), expected_after_change) << i;
        EXPECT_EQ(run(rig, weights, changed), expected_after_change) << i;
    }
}

// That a change can be seen at all: else the test above could not fail.
TEST_P(ChangeOfAGraph, MakesADifference) {
    Recipe changed;
    GetParam().apply(changed);
    EXPECT_FALSE(run_on_fresh_rig({}) == run_on_fresh_rig(changed));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ChangeOfAGraph,
                         testing::Values(Change{"Parameter", [](Recipe & r) { r.factor = 5; }},
                                         Change{"Shape", [](Recipe & r) { r.rows = 2; }},
                                         Change{"Operands", [](Recipe & r) { r.swapped = true; }},
                                         Change{"OutputFlag", [](Recipe & r) { r.shows_product = true; }},
                                         Change{"UsersChoice", [](Recipe & r) { r.product_on = 1; }},
                                         Change{"Buffer", [](Recipe & r) { r.weight_on = 1; }}),
                         [](const auto & info) { return std::string(info.param.name); });

// The tensors and addresses stay, but what is known of the buffer does not.
TEST(GraphsBuiltAnew, AreComparedWithTheUsageOfBuffers) {
    Recipe weight;
    weight.weight_on = 1;
    weight.scaled_on = 0;
    Recipe plain = weight;
    plain.is_weight = false;
    const Outcome expected = run_on_fresh_rig(weight);
    const Outcome expected_plain = run_on_fresh_rig(plain);
    ASSERT_NE(expected.places, expected_plain.places)
        << "weights draw operations to their device, other tensors do not";

    Rig rig(two_devices());
    const Weights weights(rig);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(run(rig, weights, weight), expected) << i;
        EXPECT_EQ(run(rig, weights, plain), expected_plain) << i;
    }
}

} // namespace
} // namespace ggml_sched::test
