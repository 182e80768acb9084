// What goes wrong comes back as a status or a line in the log; the queue stays usable.

#include "conformance_test.h"

namespace conformance {

class ErrorConformance : public ConformanceTest {};

INSTANTIATE_TEST_SUITE_P(Backends, ErrorConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(ErrorConformance, AFailedLaunchIsToldOnceAndHarmsNothingElse) {
    if (!subject().fail_next_launch) {
        GTEST_SKIP() << "nothing can make a launch on " << subject().name << " fail";
    }
    on_each_schedule([this](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        EXPECT_EQ(world.launch_scale(backend, x, 3.0f, x), GGML_STATUS_SUCCESS); // queued before
        subject().fail_next_launch();
        EXPECT_NE(world.launch_scale(backend, x, 100.0f, y), GGML_STATUS_SUCCESS);
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 6.0f));
        EXPECT_FALSE(log().empty());
    });
}

} // namespace conformance
