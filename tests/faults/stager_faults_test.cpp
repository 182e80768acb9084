// The stager without the threads, the pinned memory or the events that it asks for.

#include <gtest/gtest.h>

#include <vector>

#include "exec/stager.h"
#include "support/host_faults.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

TEST(StagerWithoutThreads, CopiesAllTheSame) {
    const std::vector<char> from(size_t{3} << 20, 'x');
    for (const HostCall call : {HostCall::StartThread, HostCall::Allocate}) {
        bool has_fired = true;
        for (uint64_t n = 1; has_fired; n++) {
            Stager stager;
            {
                const HostFault fault(call, n);
                stager.start_threads(3);
                has_fired = fault.has_fired();
            }
            std::vector<char> to(from.size());
            stager.copy(to.data(), from.data(), from.size());
            EXPECT_EQ(to, from) << n;
        }
    }
}

class StagerOfADevice : public testing::Test {
  protected:
    static RigOptions one_device() {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA};
        return options;
    }

    const Rig rig_{one_device()};
    const host::Backend queue_ = host::describe(rig_.device(0), ggml_backend_get_default_buffer_type(rig_.device(0)));
    const LogCapture log_;
};

TEST_F(StagerOfADevice, SaysSoIfItHasNoChunks) {
    for (const ggml_sim_call call : {GGML_SIM_CALL_ALLOC_HOST_BUFFER, GGML_SIM_CALL_EVENT_NEW}) {
        for (int n = 1; n <= 6; n++) {
            Stager stager;
            ASSERT_TRUE(ggml_backend_sim_fail(0, call, n));
            const bool has_chunks = stager.prepare(queue_, 0);
            EXPECT_EQ(has_chunks, call == GGML_SIM_CALL_ALLOC_HOST_BUFFER && n > 1) << n;
            ASSERT_TRUE(ggml_backend_sim_fail(0, call, 0));
            EXPECT_TRUE(stager.prepare(queue_, 0)) << "the fault has gone";
        }
    }
}

TEST_F(StagerOfADevice, IsAsItWasAfterMemoryHasRunOut) {
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        Stager stager;
        {
            const HostFault fault(HostCall::Allocate, n);
            try {
                (void) stager.prepare(queue_, 0);
            } catch (const std::bad_alloc &) { // the scheduler's call fails
            }
            has_fired = fault.has_fired();
        }
        EXPECT_TRUE(stager.prepare(queue_, 0)) << n;
    }
}

} // namespace
} // namespace ggml_sched::test
