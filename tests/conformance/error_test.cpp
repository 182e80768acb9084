// What goes wrong comes back as a status or a line in the log; the queue stays usable.

#include "conformance_test.h"

namespace conformance {

class ErrorConformance : public ConformanceTest {
  protected:
    static void expect_usable(World & world, ggml_backend_t backend) {
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 2.0f));
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, ErrorConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(ErrorConformance, AnIncompleteGraphIsRefused) {
    once([this](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_cgraph * graph = ggml_new_graph_custom(world.ctx(), 2, false);
        ggml_tensor * node = x;
        for (int i = 0; i < 5; i++) {
            node = ggml_scale(world.ctx(), node, 2.0f);
            EXPECT_EQ(ggml_backend_tensor_alloc(x->buffer, node, x->data), GGML_STATUS_SUCCESS);
        }
        ggml_build_forward_expand(graph, node);
        EXPECT_NE(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(all_are(x, 1.0f));
        EXPECT_FALSE(log().empty());
        expect_usable(world, backend);
    });
}

TEST_P(ErrorConformance, NoGraphIsRefused) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        EXPECT_NE(ggml_backend_graph_compute_async(backend, nullptr), GGML_STATUS_SUCCESS);
        expect_usable(world, backend);
    });
}

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
