// Schedulers that are made while something fails: they are there and right, or there is none, and the log says why.

#include <gtest/gtest.h>

#include <vector>

#include "support/host_faults.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

class NewScheduler : public testing::Test {
  protected:
    NewScheduler()
        : rig_(options()) {
        for (int i = 0; i < rig_.n_devices(); i++) {
            backends_.push_back(rig_.device(i));
        }
        backends_.push_back(rig_.cpu());
    }

    static RigOptions options() {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS};
        return options;
    }

    SchedPtr make() {
        return SchedPtr(ggml_backend_sched_new(backends_.data(), nullptr, static_cast<int>(backends_.size()),
                                               GGML_DEFAULT_GRAPH_SIZE, true, true));
    }

    const Rig rig_;
    std::vector<ggml_backend_t> backends_;
};

TEST_F(NewScheduler, IsNullWhereMemoryRunsOutAndTheLogSaysSo) {
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        std::string log;
        log.reserve(size_t{1} << 12);
        ggml_log_callback previous = nullptr;
        void * previous_data = nullptr;
        ggml_log_get(&previous, &previous_data);
        ggml_log_set(
            [](ggml_log_level, const char * text, void * to) {
                const HostFaultPause pause;
                *static_cast<std::string *>(to) += text;
            },
            &log);
        SchedPtr sched;
        {
            const HostFault fault(HostCall::Allocate, n);
            sched = make();
            has_fired = fault.has_fired();
        }
        ggml_log_set(previous, previous_data);
        EXPECT_TRUE(sched || has_fired) << n;
        EXPECT_TRUE(sched || !log.empty()) << n;
    }
}

TEST_F(NewScheduler, IsMadeWithoutASecondQueue) {
    for (int n = 1; n <= 3; n++) {
        for (int device = 0; device < rig_.n_devices(); device++) {
            const LogCapture log;
            ASSERT_TRUE(ggml_backend_sim_fail(device, GGML_SIM_CALL_INIT_BACKEND, n));
            EXPECT_NE(make(), nullptr);
            ASSERT_TRUE(ggml_backend_sim_fail(device, GGML_SIM_CALL_INIT_BACKEND, 0));
        }
    }
}

} // namespace
} // namespace ggml_sched::test
