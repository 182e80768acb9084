// A stream plan copies each weight once, when there is room and before it is used.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "stream/plan.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 16;
constexpr size_t kWeightBytes = kWidth * kWidth * sizeof(float);

// A chain of products with weights in host memory on one device. The CPU computes some nodes in between.
class Chain {
  public:
    Chain(std::mt19937 & random, int n_weights)
        : device_(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr))
        , cpu_(ggml_backend_cpu_init()) {
        for (const BackendPtr * backend : {&device_, &cpu_}) {
            backends_.push_back(host::describe(backend->get(), ggml_backend_get_default_buffer_type(backend->get())));
        }
        topology_ = topology_of(backends_);
        for (int i = 0; i < n_weights; i++) {
            weights_.push_back(ggml_new_tensor_2d(weights_context_.get(), GGML_TYPE_F32, kWidth, kWidth));
        }
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_context_.get(), ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        build(random);
    }

    // Splits and plans for a ring of at most so many bytes.
    StreamPlan plan(size_t most, Splits & splits) const {
        const StreamLimits limits = {{most / 4, most / 2, 0, 0}, {}};
        StreamCuts cuts(view_, backends_, assignment_, limits, false);
        splits = split(view_, backends_, assignment_, false, cuts);
        return plan_streams(view_, splits, cuts.take(), assignment_, backends_, topology_, {{most, 0}, {}}, false);
    }

  private:
    void build(std::mt19937 & random) {
        ggml_context * ctx = context_.get();
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, 4);
        ggml_set_input(x);
        UserAssignments user;
        for (ggml_tensor * weight : weights_) {
            x = ggml_mul_mat(ctx, weight, x);
            user[x] = 0;
            if (random() % 4 == 0) {
                x = ggml_add(ctx, x, x);
                user[x] = 1;
            }
        }
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, x);
        view_.build(graph);
        const Status status = assign(view_, backends_, placed_by_user(view_, user), {false, true}, assignment_);
        ASSERT_TRUE(status.ok()) << status.message;
    }

    BackendPtr device_;
    BackendPtr cpu_;
    std::vector<host::Backend> backends_;
    Topology topology_;
    ContextPtr weights_context_ = make_context();
    ContextPtr context_ = make_context();
    std::vector<ggml_tensor *> weights_;
    BufferPtr buffer_;
    GraphView view_;
    Assignment assignment_;
};

void expect_issued_in_time(const StreamPlan::Ring & ring) {
    std::vector<int> n_issued(ring.slots.size(), 0);
    int32_t last = kBeforeTheRun;
    for (const uint32_t index : ring.order) {
        const StreamSlot & slot = ring.slots[index];
        n_issued[index]++;
        EXPECT_GE(slot.issued_after, last) << "in order";
        EXPECT_GE(slot.issued_after, slot.free_after) << "there is room";
        EXPECT_LT(slot.issued_after, slot.split) << "before its use";
        EXPECT_LE(slot.offset + slot.size, ring.bytes);
        last = slot.issued_after;
    }
    EXPECT_EQ(std::count(n_issued.begin(), n_issued.end(), 1), static_cast<ptrdiff_t>(n_issued.size())) << "each once";
    EXPECT_TRUE(std::is_sorted(ring.urgent.begin(), ring.urgent.end()));
}

TEST(StreamPlan, IssuesEachCopyOnceWhereThereIsRoomAndBeforeItsUse) {
    for (uint32_t seed = 1; seed <= 200; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const int n_weights = 1 + static_cast<int>(random() % 24);
        const Chain chain(random, n_weights);
        Splits splits;
        const StreamPlan plan = chain.plan((4 + random() % 12) * kWeightBytes, splits);
        ASSERT_EQ(plan.rings.size(), 2U);
        ASSERT_EQ(plan.rings[0].slots.size(), static_cast<size_t>(n_weights));
        EXPECT_TRUE(plan.rings[1].slots.empty()) << "nothing is streamed to the CPU";
        expect_issued_in_time(plan.rings[0]);
    }
}

TEST(StreamPlan, OfTheSameGraphAndMemoryIsTheSame) {
    std::mt19937 random(7);
    const Chain chain(random, 12);
    Splits splits;
    const StreamPlan first = chain.plan(6 * kWeightBytes, splits);
    const StreamPlan second = chain.plan(6 * kWeightBytes, splits);
    EXPECT_TRUE(first.rings == second.rings);
    const StreamPlan larger = chain.plan(16 * kWeightBytes, splits);
    EXPECT_FALSE(first.rings == larger.rings);
}

TEST(StreamPlan, IsNotMadeWhereStreamingIsOff) {
    for (const bool streams : {true, false}) {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA};
        options.stream = streams ? 8 * kWeightBytes : 0;
        const Rig rig(options);
        const ContextPtr weights = make_context();
        const ContextPtr context = make_context();
        ggml_tensor * weight = ggml_new_tensor_2d(weights.get(), GGML_TYPE_F32, kWidth, kWidth);
        const BufferPtr buffer(ggml_backend_alloc_ctx_tensors_from_buft(weights.get(), ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        write_floats(weight, ramp(kWidth * kWidth));
        ggml_tensor * x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kWidth);
        ggml_set_input(x);
        ggml_tensor * product = ggml_mul_mat(context.get(), weight, x);
        ggml_backend_sched_set_tensor_backend(rig.sched(), product, rig.device(0));
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, product);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
        write_floats(x, ramp(kWidth));
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
        EXPECT_EQ(rig.plan().find("streaming to SIM0") != std::string::npos, streams) << rig.plan();
    }
}

} // namespace
} // namespace ggml_sched::test
