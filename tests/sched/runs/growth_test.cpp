// A buffer that has to grow is freed: who waits for what then.

#include <gtest/gtest.h>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 32;
constexpr double kSlowFlopsPerUs = 1;
constexpr double kProductUs = 2 * kWidth * kWidth * kWidth / kSlowFlopsPerUs;

RigOptions slow_devices() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    options.parallel = true;
    options.flops_per_us = kSlowFlopsPerUs;
    return options;
}

// A graph of one operation on one device, and what it gives.
struct Job {
    ContextPtr context = make_context();
    ggml_tensor * input = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;

    // n rows of x * 2
    static Job scale(Rig & rig, int device, int64_t n_rows) {
        Job job;
        job.make_input(n_rows);
        job.finish(rig, device, ggml_scale(job.context.get(), job.input, 2.0f));
        return job;
    }
    // x' * x, which takes the device kProductUs
    static Job product(Rig & rig, int device) {
        Job job;
        job.make_input(kWidth);
        job.finish(rig, device, ggml_mul_mat(job.context.get(), job.input, job.input));
        return job;
    }

    void allocate(Rig & rig) { ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)); }
    void run(Rig & rig) {
        write_floats(input, std::vector<float>(static_cast<size_t>(ggml_nelements(input)), 1.0f));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
        ggml_backend_sched_reset(rig.sched());
    }

  private:
    void make_input(int64_t n_rows) {
        input = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kWidth, n_rows);
        ggml_set_input(input);
    }
    void finish(Rig & rig, int device, ggml_tensor * tensor) {
        result = tensor;
        ggml_set_output(result);
        graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, rig.device(device));
    }
};

TEST(BufferThatGrows, IsWaitedForOnTheDevicesThatUseItOnly) {
    Rig rig(slow_devices());
    ggml_backend_sim_reset_clock();
    Job slow = Job::product(rig, 0);
    slow.allocate(rig);
    slow.run(rig);
    Job small = Job::scale(rig, 1, 1);
    small.allocate(rig);
    small.run(rig);
    ASSERT_LT(ggml_backend_sim_time_us(), kProductUs) << "the host does not wait for the first device";

    Job large = Job::scale(rig, 1, 4096);
    large.allocate(rig);
    EXPECT_LT(ggml_backend_sim_time_us(), kProductUs) << "only the second device's memory grew";
    large.run(rig);
    ggml_backend_sched_synchronize(rig.sched());
    EXPECT_EQ(read_floats(large.result), std::vector<float>(kWidth * 4096, 2.0f));
    EXPECT_EQ(read_floats(slow.result), std::vector<float>(kWidth * kWidth, kWidth));
}

TEST(BufferThatGrows, IsWaitedForWhileItIsUsed) {
    for (const bool reserves : {false, true}) {
        Rig rig(slow_devices());
        ggml_backend_sim_reset_clock();
        Job slow = Job::product(rig, 0);
        slow.allocate(rig);
        slow.run(rig);
        Job large = Job::scale(rig, 0, 4096);
        if (reserves) {
            ASSERT_TRUE(ggml_backend_sched_reserve(rig.sched(), large.graph));
        } else {
            large.allocate(rig);
        }
        EXPECT_GE(ggml_backend_sim_time_us(), kProductUs) << "reserves " << reserves;
        ggml_backend_sched_synchronize(rig.sched());
    }
}

TEST(BufferThatIsLargeEnough, IsNotWaitedForWhenRoomIsReserved) {
    Rig rig(slow_devices());
    Job large = Job::scale(rig, 0, 4096);
    large.allocate(rig);
    large.run(rig);
    ggml_backend_sched_synchronize(rig.sched());
    ggml_backend_sim_reset_clock();
    Job slow = Job::product(rig, 0);
    slow.allocate(rig);
    slow.run(rig);
    Job again = Job::scale(rig, 0, 64);
    ASSERT_TRUE(ggml_backend_sched_reserve(rig.sched(), again.graph));
    EXPECT_LT(ggml_backend_sim_time_us(), kProductUs);
    ggml_backend_sched_synchronize(rig.sched());
}

} // namespace
} // namespace ggml_sched::test
