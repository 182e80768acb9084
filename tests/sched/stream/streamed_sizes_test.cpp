// Graphs that are built as the last one, but stream weights of other sizes: what a split may wait for depends on them.

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 64;
constexpr int64_t kTokens = 32;
constexpr size_t kWeights = 4;
constexpr int64_t kMostRows = 64; // of a weight
constexpr size_t kRowBytes = kWidth * sizeof(float);
constexpr size_t kLargest = kMostRows * kRowBytes;

// w0 * x + w1 * x + ... with weights in one buffer of host memory, each where the one of that number always is
class Sum {
  public:
    Sum()
        : memory_(ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), kWeights * kLargest)) {
        ggml_backend_buffer_set_usage(memory_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }

    std::vector<float> compute(const Rig & rig, ggml_backend_t backend, int64_t rows, int64_t n_tokens = kTokens) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, n_tokens);
        ggml_set_input(x);
        ggml_tensor * sum = nullptr;
        ggml_backend_sched_reset(rig.sched());
        for (size_t i = 0; i < kWeights; i++) {
            ggml_tensor * product = ggml_mul_mat(ctx, weight(ctx, i, rows), x);
            sum = sum ? ggml_add(ctx, sum, product) : product;
            for (ggml_tensor * node : {product, sum}) {
                ggml_backend_sched_set_tensor_backend(rig.sched(), node, backend);
            }
        }
        ggml_set_output(sum);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, sum);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        places.clear();
        for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
            places.push_back(ggml_graph_node(graph, i)->data);
        }
        write_floats(x, ramp(static_cast<size_t>(kWidth * n_tokens), -1.0F, 1.0F / 512));
        EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
        return read_floats(sum);
    }

    std::vector<const void *> places; // of the last graph's nodes

  private:
    ggml_tensor * weight(ggml_context * ctx, size_t i, int64_t rows) {
        ggml_tensor * weight = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, rows);
        char * base = static_cast<char *>(ggml_backend_buffer_get_base(memory_.get()));
        EXPECT_EQ(ggml_backend_tensor_alloc(memory_.get(), weight, base + i * kLargest), GGML_STATUS_SUCCESS);
        write_floats(weight, ramp(static_cast<size_t>(kWidth * rows), static_cast<float>(i), 1.0F / 1024));
        return weight;
    }

    BufferPtr memory_;
};

RigOptions one_device(size_t ring) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.stream = ring;
    return options;
}

// What a scheduler does that has seen no other graph
struct Fresh {
    std::vector<float> values;
    int n_splits;
    uint64_t streamed_bytes;

    Fresh(size_t ring, int64_t rows) {
        const Rig rig(one_device(ring));
        Sum sum;
        values = sum.compute(rig, rig.device(0), rows);
        n_splits = ggml_backend_sched_get_n_splits(rig.sched());
        streamed_bytes = rig.stats().streamed_bytes;
        EXPECT_EQ(sum.compute(rig, rig.cpu(), rows), values);
    }
};

void expect_as_fresh(size_t ring, const std::vector<int64_t> & sizes) {
    std::vector<Fresh> fresh; // first: a device is part of one rig at a time
    fresh.reserve(sizes.size());
    for (const int64_t rows : sizes) {
        fresh.emplace_back(ring, rows);
    }
    const Rig rig(one_device(ring));
    Sum sum;
    for (size_t i = 0; i < sizes.size(); i++) {
        ggml_sched_reset_stats(rig.sched());
        EXPECT_EQ(sum.compute(rig, rig.device(0), sizes[i]), fresh[i].values) << "graph " << i;
        EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), fresh[i].n_splits) << "graph " << i;
        EXPECT_EQ(rig.stats().streamed_bytes, fresh[i].streamed_bytes) << "graph " << i;
    }
}

// A split may wait for a quarter of the ring: one of the largest, or all of the small ones.
TEST(StreamedSizes, CutAGraphAnewWhereASplitWouldWaitForTooMuch) {
    constexpr size_t kRing = 4 * kLargest;
    EXPECT_LT(Fresh(kRing, 8).n_splits, Fresh(kRing, kMostRows).n_splits);
    expect_as_fresh(kRing, {8, kMostRows, 16, kMostRows, 8, 16, 32});
}

// Weights of more than half of the ring are not streamed.
TEST(StreamedSizes, SplitAnewWhenAWeightBecomesSmallEnough) {
    constexpr size_t kRing = kLargest;
    EXPECT_EQ(Fresh(kRing, kMostRows).streamed_bytes, 0U);
    EXPECT_EQ(Fresh(kRing, 8).streamed_bytes, kWeights * 8 * kRowBytes);
    expect_as_fresh(kRing, {kMostRows, 8, kMostRows, 32, 33, 32});
}

// Engines change the batch all the time; what is cut anew would also be placed anew.
TEST(StreamedSizes, LeaveAGraphWhereItIsIfOnlyTheBatchIsAnother) {
    const Rig rig(one_device(4 * kLargest));
    Sum sum;
    sum.compute(rig, rig.device(0), 16, kTokens);
    const std::vector<const void *> places = sum.places;
    for (const int64_t n_tokens : {1, 7, 16, 31}) {
        const std::vector<float> values = sum.compute(rig, rig.device(0), 16, n_tokens);
        EXPECT_EQ(sum.places, places) << n_tokens;
        EXPECT_EQ(sum.compute(rig, rig.cpu(), 16, n_tokens), values) << n_tokens;
        sum.compute(rig, rig.device(0), 16, kTokens);
        ASSERT_EQ(sum.places.size(), places.size());
    }
}

// So is a prompt's first micro-batch between reserving and the second one: where caches are empty, they are not
// streamed.
TEST(StreamedSizes, OfAnEarlierGraphBringItsPlacesBack) {
    const Rig rig(one_device(4 * kLargest));
    Sum sum;
    sum.compute(rig, rig.device(0), kMostRows);
    const std::vector<const void *> places = sum.places;
    const int n_splits = ggml_backend_sched_get_n_splits(rig.sched());
    sum.compute(rig, rig.device(0), 8);
    EXPECT_NE(ggml_backend_sched_get_n_splits(rig.sched()), n_splits);
    EXPECT_NE(sum.places, places);
    const std::vector<const void *> small = sum.places;
    for (const int64_t rows : {int64_t{48}, int64_t{40}, kMostRows}) {
        sum.compute(rig, rig.device(0), rows);
        EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), n_splits) << rows;
        EXPECT_EQ(sum.places, places) << rows;
        sum.compute(rig, rig.device(0), 4);
        EXPECT_EQ(sum.places, small) << rows;
    }
}

} // namespace
} // namespace ggml_sched::test
