// A device that could copy from another and does not: how is known only when it is asked.

#include <gtest/gtest.h>

#include "ggml-backend-impl.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

RigOptions two_devices() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    return options;
}

void refuse_copies_to(ggml_backend_t backend) {
    backend->iface.cpy_tensor_async = [](ggml_backend_t, ggml_backend_t, const ggml_tensor *, ggml_tensor *) {
        return false;
    };
}

// (2x) * 3, of which the first half is computed by one device and the second by the other
std::vector<float> compute(const Rig & rig, float first) {
    const ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
    ggml_set_input(x);
    ggml_tensor * doubled = ggml_scale(ctx, x, 2.0f);
    ggml_tensor * result = ggml_scale(ctx, doubled, 3.0f);
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_reset(rig.sched());
    ggml_backend_sched_set_tensor_backend(rig.sched(), doubled, rig.device(0));
    ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(1));
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    write_floats(x, ramp(kSize, first));
    ggml_sched_reset_stats(rig.sched());
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
    return read_floats(result);
}

std::vector<float> expected(float first) {
    std::vector<float> values = ramp(kSize, first);
    for (float & value : values) {
        value *= 6.0f;
    }
    return values;
}

TEST(ARefusedCopy, IsMadeInAnotherWayAndNotAskedForAgain) {
    const Rig rig(two_devices());
    EXPECT_EQ(compute(rig, 1.0f), expected(1.0f));
    EXPECT_EQ(rig.stats().unplanned_waits, 0U);
    EXPECT_NE(rig.plan().find("to SIM1"), std::string::npos) << rig.plan();

    refuse_copies_to(rig.device(1));
    EXPECT_EQ(compute(rig, 2.0f), expected(2.0f));
    EXPECT_GT(rig.stats().unplanned_waits, 0U) << "no plan knew that it would be refused";
    for (const float first : {3.0f, 4.0f}) {
        EXPECT_EQ(compute(rig, first), expected(first));
        EXPECT_EQ(rig.stats().unplanned_waits, 0U) << "the plan of the same graph is another now";
    }
    EXPECT_EQ(rig.plan().find("to SIM1"), std::string::npos) << rig.plan();
}

} // namespace
} // namespace ggml_sched::test
