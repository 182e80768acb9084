// How often the host waits inside graph_compute_async, once runs repeat.

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;
constexpr int kRunsToSettle = 8;
constexpr int kRuns = 10;

// Layers that begin on the device, with two results, which the CPU adds. The first operand comes from the caller.
class Layers {
  public:
    Layers(int n_cpu_layers, bool parallel, int64_t size = kSize)
        : rig_(options(parallel))
        , size_(static_cast<size_t>(size)) {
        ggml_context * ctx = context_.get();
        input_ = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, size);
        ggml_set_input(input_);
        graph_ = ggml_new_graph(ctx);
        ggml_tensor * x = node(rig_.device(0), ggml_scale(ctx, input_, 1.0f));
        for (int i = 0; i < n_cpu_layers; i++) {
            ggml_tensor * a = node(rig_.device(0), ggml_scale(ctx, x, 0.25f));
            ggml_tensor * b = node(rig_.device(0), ggml_scale(ctx, x, 0.75f));
            x = node(rig_.cpu(), ggml_add(ctx, a, b));
            x = node(rig_.device(0), ggml_scale(ctx, x, 1.0f));
        }
        result_ = x;
        ggml_set_output(result_);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph_));
    }
    ~Layers() { ggml_backend_sched_synchronize(rig_.sched()); }

    uint64_t host_waits_of(int n_runs, bool waited_for) {
        const uint64_t before = rig_.stats().host_waits;
        for (int i = 0; i < n_runs; i++) {
            write_floats(input_, std::vector<float>(size_, 8.0f));
            EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), graph_), GGML_STATUS_SUCCESS);
            if (waited_for) {
                ggml_backend_sched_synchronize(rig_.sched());
                EXPECT_EQ(read_floats(result_), std::vector<float>(size_, 8.0f));
            }
        }
        return rig_.stats().host_waits - before;
    }
    std::string plan() const { return rig_.plan(); }

  private:
    static RigOptions options(bool parallel) {
        RigOptions result;
        result.devices = {GGML_SIM_PROFILE_CUDA};
        result.parallel = parallel;
        return result;
    }
    ggml_tensor * node(ggml_backend_t backend, ggml_tensor * tensor) {
        ggml_backend_sched_set_tensor_backend(rig_.sched(), tensor, backend);
        ggml_build_forward_expand(graph_, tensor);
        return tensor;
    }

    Rig rig_;
    size_t size_;
    ContextPtr context_ = make_context();
    ggml_tensor * input_;
    ggml_tensor * result_;
    ggml_cgraph * graph_;
};

TEST(HostWaits, AreNoneForOneDeviceWithSnapshotsOfItsInputs) {
    for (const bool parallel : {false, true}) {
        for (const bool waited_for : {false, true}) {
            Layers layers(0, parallel);
            layers.host_waits_of(kRunsToSettle, waited_for);
            EXPECT_EQ(layers.host_waits_of(kRuns, waited_for), 0u) << layers.plan();
        }
    }
}

TEST(HostWaits, AreOneForEachCpuSplitThatConsumesDeviceResults) {
    for (const int n_cpu_layers : {1, 2, 5}) {
        for (const bool parallel : {false, true}) {
            for (const bool waited_for : {false, true}) {
                Layers layers(n_cpu_layers, parallel);
                layers.host_waits_of(kRunsToSettle, waited_for);
                EXPECT_EQ(layers.host_waits_of(kRuns, waited_for), static_cast<uint64_t>(kRuns * n_cpu_layers))
                    << n_cpu_layers << " CPU layers, parallel " << parallel << ", waited for " << waited_for << "\n"
                    << layers.plan();
            }
        }
    }
}

// The host has waited for a later result of the device when it computes the next one.
TEST(HostWaits, AreNotMoreForLargeCpuResultsWithoutSnapshots) {
    constexpr int kCpuLayers = 3;
    constexpr int64_t kLarge = int64_t{128} << 10; // 512 KiB
    for (const bool waited_for : {false, true}) {
        Layers layers(kCpuLayers, false, kLarge);
        layers.host_waits_of(kRunsToSettle, waited_for);
        EXPECT_EQ(layers.host_waits_of(kRuns, waited_for), static_cast<uint64_t>(kRuns * kCpuLayers)) << layers.plan();
        const std::string plan = layers.plan();
        size_t n_snapshots = 0;
        for (size_t at = plan.find("snapshot"); at != std::string::npos; at = plan.find("snapshot", at + 1)) {
            n_snapshots++;
        }
        EXPECT_EQ(n_snapshots, 1U) << "of the caller's input alone\n" << plan;
    }
}

} // namespace
} // namespace ggml_sched::test
