// Address spaces are recognized by their buffers, whose descriptions come and go.

#include <gtest/gtest.h>

#include "ggml-backend-impl.h"
#include "ggml-sim.h"
#include "lower/spaces.h"

namespace ggml_sched::test {
namespace {

TEST(Spaces, HostBufferAtAReusedHandleIsHostMemory) {
    Spaces spaces;
    ggml_backend_buffer description = {};
    description.buft = ggml_backend_dev_buffer_type(ggml_backend_sim_device(0));
    EXPECT_EQ(spaces.of(&description), plan::kFirstBufferSpace);
    description.buft = ggml_backend_cpu_buffer_type();
    EXPECT_EQ(spaces.of(&description), plan::kHostMemory);
}

TEST(Spaces, HostMemoryIsOneSpaceDeviceBuffersAreMany) {
    Spaces spaces;
    ggml_backend_buffer buffers[4] = {};
    for (int i = 0; i < 4; i++) {
        buffers[i].buft =
            i < 2 ? ggml_backend_dev_buffer_type(ggml_backend_sim_device(0)) : ggml_backend_cpu_buffer_type();
    }
    EXPECT_NE(spaces.of(&buffers[0]), spaces.of(&buffers[1]));
    EXPECT_EQ(spaces.of(&buffers[0]), spaces.of(&buffers[0]));
    EXPECT_EQ(spaces.of(&buffers[2]), plan::kHostMemory);
    EXPECT_EQ(spaces.of(&buffers[3]), plan::kHostMemory);
}

} // namespace
} // namespace ggml_sched::test
