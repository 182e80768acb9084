// Graphs that a device cannot run as they are: they run elsewhere, or the call says why not and what to do.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ggml-backend-impl.h"
#include "support/from_c.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 16;

// SIM0 lacks the operation SCALE while this exists.
class WithoutScale {
  public:
    WithoutScale()
        : device_(ggml_backend_sim_device(0)) {
        supports_ = device_->iface.supports_op;
        device_->iface.supports_op = [](ggml_backend_dev_t device, const ggml_tensor * op) {
            return op->op != GGML_OP_SCALE && supports_(device, op);
        };
    }
    ~WithoutScale() { device_->iface.supports_op = supports_; }
    WithoutScale(const WithoutScale &) = delete;
    WithoutScale & operator=(const WithoutScale &) = delete;

  private:
    ggml_backend_dev_t device_;
    static bool (*supports_)(ggml_backend_dev_t, const ggml_tensor *);
};
bool (*WithoutScale::supports_)(ggml_backend_dev_t, const ggml_tensor *) = nullptr;

// x times weights on the device, then scaled in place
class DeviceWithoutScale : public testing::Test {
  protected:
    DeviceWithoutScale() {
        ggml_tensor * weights = ggml_new_tensor_2d(lasting_.get(), GGML_TYPE_F32, kSize, kSize);
        buffer_.reset(ggml_backend_alloc_ctx_tensors(lasting_.get(), rig_.device(0)));
        ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        std::vector<float> diagonal(kSize * kSize);
        for (int64_t i = 0; i < kSize; i++) {
            diagonal[i * kSize + i] = 2;
        }
        write_floats(weights, diagonal);
        x_ = ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, kSize);
        ggml_set_input(x_);
        product_ = ggml_mul_mat(context_.get(), weights, x_);
        ggml_set_name(product_, "product");
        scaled_ = ggml_scale_inplace(context_.get(), product_, 3.0f);
        ggml_set_name(scaled_, "scaled");
        ggml_set_output(scaled_);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, scaled_);
        ggml_sched_set_verify(sched(), true);
    }

    ggml_backend_sched_t sched() { return rig_.sched(); }
    std::string error() { return ggml_sched_get_error(sched()); }
    void expect_runs_right() {
        for (float first = 1; first < 4; first++) {
            write_floats(x_, ramp(kSize, first));
            ASSERT_EQ(ggml_backend_sched_graph_compute(sched(), graph_), GGML_STATUS_SUCCESS) << error();
            EXPECT_EQ(read_floats(scaled_), ramp(kSize, 6 * first, 6));
        }
    }

    Rig rig_{{{GGML_SIM_PROFILE_CUDA}}};
    const WithoutScale without_scale_;
    ContextPtr lasting_ = make_context();
    ContextPtr context_ = make_context();
    BufferPtr buffer_;
    ggml_tensor * x_ = nullptr;
    ggml_tensor * product_ = nullptr;
    ggml_tensor * scaled_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
};

TEST_F(DeviceWithoutScale, RunsInPlaceOperationAndProducerOnTheCpu) {
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_)) << error();
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(sched(), product_), rig_.cpu());
        EXPECT_EQ(ggml_backend_sched_get_tensor_backend(sched(), scaled_), rig_.cpu());
        expect_runs_right();
        ggml_backend_sched_reset(sched());
    }
}

TEST_F(DeviceWithoutScale, RefusesAProducerThatTheCallerFixedThere) {
    const LogCapture log;
    ggml_backend_sched_set_tensor_backend(sched(), product_, rig_.device(0));
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched(), graph_));
    EXPECT_NE(error().find("'scaled' writes into 'product', which is on SIM0"), std::string::npos) << error();
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_)) << "the reset forgot that: " << error();
    expect_runs_right();
}

TEST_F(DeviceWithoutScale, RefusesANodeThatIsAssignedToIt) {
    const LogCapture log;
    ggml_backend_sched_set_tensor_backend(sched(), scaled_, rig_.device(0));
    EXPECT_FALSE(ggml_backend_sched_reserve(sched(), graph_));
    EXPECT_NE(error().find("SCALE 'scaled' has been assigned to SIM0, which does not support it"), std::string::npos)
        << error();
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph_)) << error();
    expect_runs_right();
}

TEST(AddressWithoutABuffer, IsRefusedWhereADeviceReadsIt) {
    for (const bool is_input : {false, true}) {
        const LogCapture log;
        Rig rig({{GGML_SIM_PROFILE_CUDA}});
        const ContextPtr context(ggml_init({1 << 20, nullptr, false})); // which gives tensors an address
        ggml_tensor * x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, kSize);
        ggml_set_name(x, "x");
        x->flags = is_input ? GGML_TENSOR_FLAG_INPUT : 0;
        const ContextPtr described = make_context();
        ggml_tensor * result = ggml_scale(described.get(), x, 2.0f);
        ggml_cgraph * graph = ggml_new_graph(described.get());
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(0));
        EXPECT_FALSE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
        EXPECT_TRUE(log.contains("'x' has an address and no buffer, so only the CPU can use it")) << log.text();
        for (int64_t i = 0; i < kSize; i++) {
            static_cast<float *>(x->data)[i] = static_cast<float>(i);
        }
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.cpu());
        ggml_backend_sched_set_tensor_backend(rig.sched(), x, rig.cpu());
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
        EXPECT_EQ(read_floats(result), ramp(kSize, 0, 2));
    }
}

TEST(ViewWithoutElements, MayLieAnywhereForNoTokens) {
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    ggml_sched_set_verify(rig.sched(), true);
    const ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    ggml_tensor * experts = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, kSize, 4, 0); // rows, used experts, tokens
    ggml_set_input(experts);
    ggml_tensor * sum = ggml_view_2d(ctx, experts, kSize, 0, experts->nb[2], 0);
    for (int i = 1; i < 4; i++) {
        ggml_tensor * view = ggml_view_2d(ctx, experts, kSize, 0, experts->nb[2], i * experts->nb[1]);
        ASSERT_NE(view, nullptr);
        sum = ggml_add(ctx, sum, view);
    }
    ggml_set_output(sum);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, sum);
    ggml_backend_sched_set_tensor_backend(rig.sched(), sum, rig.device(0));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS);
}

// Sums of sizes do not wrap.
TEST(ReserveSize, OfMoreThanThereIsMemoryForIsNotSmall) {
    const LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    const ContextPtr context = make_context();
    ggml_tensor * sum = nullptr;
    for (int i = 0; i < 8; i++) {
        ggml_tensor * huge = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, INT64_C(1) << 60);
        ASSERT_NE(huge, nullptr);
        ggml_set_input(huge);
        ggml_set_output(huge);
        sum = sum ? ggml_add(context.get(), sum, huge) : huge;
    }
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, sum);
    size_t sizes[2] = {1, 1};
    ggml_backend_sched_reserve_size(rig.sched(), graph, sizes);
    const bool is_refused = ggml_sched_get_error(rig.sched())[0] != '\0';
    EXPECT_TRUE(is_refused || sizes[0] > SIZE_MAX / 2 || sizes[1] > SIZE_MAX / 2) << sizes[0] << " " << sizes[1];
}

TEST(SetSyncMode, RefusesAnyNumberThatIsNoMode) {
    const LogCapture log;
    Rig rig({{GGML_SIM_PROFILE_CUDA}});
    for (const int mode : {77, -1, 3, 4, 1 << 30}) {
        set_sync_mode_number(rig.sched(), mode);
        EXPECT_EQ(ggml_sched_get_sync_mode(rig.sched()), GGML_SCHED_SYNC_AUTO);
        EXPECT_TRUE(log.contains("there is no synchronization mode " + std::to_string(mode)));
    }
    set_sync_mode_number(rig.sched(), 2);
    EXPECT_EQ(ggml_sched_get_sync_mode(rig.sched()), GGML_SCHED_SYNC_SERIAL);
}

} // namespace
} // namespace ggml_sched::test
