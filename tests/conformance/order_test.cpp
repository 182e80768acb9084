// Orders that several kinds of work keep together, as the scheduler combines them.

#include <algorithm>
#include <iterator>

#include "conformance_test.h"
#include "queries.h"

namespace conformance {

class OrderConformance : public ConformanceTest {};

class EventOrderConformance : public ConformanceTest {
  protected:
    void SetUp() override {
        ConformanceTest::SetUp();
        if (!IsSkipped() && !has_events(device())) {
            GTEST_SKIP() << subject().name << " declares no caps.events";
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, OrderConformance, testing::ValuesIn(subjects()), parameter_name);
INSTANTIATE_TEST_SUITE_P(Backends, EventOrderConformance, testing::ValuesIn(subjects()), parameter_name);

// A device may keep what it has compiled or captured of a graph. It must notice when the graph's tensors have moved.
TEST_P(OrderConformance, AGraphIsComputedAsItIsAtEachLaunch) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * other_x = world.vector_on(backend, 5.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        ggml_tensor * other_y = world.vector_on(backend, 0.0f);
        ggml_tensor * moved = world.vector_on(backend, 1.0f);
        ggml_cgraph * graph = world.scale_graph(moved, 2.0f, y);
        ggml_tensor * node = ggml_graph_node(graph, 0);
        const auto move_to = [](ggml_tensor * tensor, const ggml_tensor * place) {
            tensor->buffer = place->buffer;
            tensor->data = place->data;
        };
        for (int i = 0; i < 6; i++) { // often enough that it is kept
            EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        }
        move_to(moved, other_x);
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS); // y = 10
        move_to(node, other_y);
        move_to(moved, x);
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS); // other_y = 2
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 10.0f)) << "an operand has moved";
        EXPECT_TRUE(all_are(other_y, 2.0f)) << "the result and an operand have moved";
    });
}

TEST_P(OrderConformance, AGraphWithAnotherParameterIsComputedAnew) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        ggml_tensor * three = ggml_scale(world.ctx(), x, 3.0f);
        ggml_cgraph * graph = world.scale_graph(x, 2.0f, y);
        for (int i = 0; i < 6; i++) {
            EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        }
        std::copy(std::begin(three->op_params), std::end(three->op_params), ggml_graph_node(graph, 0)->op_params);
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 3.0f));
    });
}

// A node in the middle changes, so that looking at the first one is not enough.
TEST_P(OrderConformance, AGraphWithAnotherNodeIsComputedAnew) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        ggml_tensor * z = world.vector_on(backend, 0.0f);
        ggml_tensor * node = ggml_scale(world.ctx(), x, 2.0f);
        EXPECT_EQ(ggml_backend_tensor_alloc(y->buffer, node, y->data), GGML_STATUS_SUCCESS);
        ggml_cgraph * graph = world.scale_graph(node, 10.0f, z);
        for (int i = 0; i < 6; i++) {
            EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        }
        const ggml_tensor * relu = ggml_relu(world.ctx(), world.vector_on(backend, 3.0f));
        node->op = relu->op;
        node->src[0] = relu->src[0];
        std::copy(std::begin(relu->op_params), std::end(relu->op_params), node->op_params);
        EXPECT_EQ(ggml_backend_graph_compute_async(backend, graph), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(z, 30.0f));
    });
}

TEST_P(EventOrderConformance, AnEventCoversCopiesToItsQueue) {
    on_each_schedule([](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        world.scale_late(a, x, 3.0f, x);
        ggml_backend_tensor_copy_async(a, b, x, y);
        ggml_backend_event_record(event, b);
        ggml_backend_event_synchronize(event);
        EXPECT_TRUE(all_are(y, 3.0f));
        ggml_backend_synchronize(a);
    });
}

// The wait is for a record that has been replaced, and that the host has waited past.
TEST_P(EventOrderConformance, AHostWaitForALaterRecordLeavesAnEarlierWait) {
    on_each_schedule([](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        world.scale_late(a, x, 2.0f, x);
        put_in_order(a, event, b);
        ggml_backend_event_record(event, a);
        ggml_backend_event_synchronize(event);
        world.scale(b, x, 10.0f, y);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 20.0f));
    });
}

// The scheduler does this where it does not know the queue of a copy.
TEST_P(EventOrderConformance, ASourceIsFreeAfterTheDestinationsEvent) {
    on_each_schedule([](World & world) {
        const auto [a, b, copied, x, y] = world.two_queues();
        world.delay(b);
        ggml_backend_tensor_copy_async(a, b, x, y);
        put_in_order(b, copied, a);
        world.scale(a, x, 9.0f, x);
        ggml_backend_synchronize(a);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 1.0f));
        EXPECT_TRUE(all_are(x, 9.0f));
    });
}

TEST_P(OrderConformance, ATransferToACopyComesAfterTheCopy) {
    on_each_schedule([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 1.0f);
        ggml_tensor * y = world.vector_on(b, 0.0f);
        const float * sevens = world.host_vector(7.0f);
        world.scale_late(a, x, 3.0f, x);
        ggml_backend_tensor_copy_async(a, b, x, y);
        ggml_backend_tensor_set_async(b, y, sevens, 0, world.bytes());
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 7.0f));
        ggml_backend_synchronize(a);
        EXPECT_TRUE(all_are(y, 7.0f));
    });
}

// A backend may only have noted the transfer, and submit it later.
TEST_P(OrderConformance, ACopyComesAfterATransferToItsSource) {
    on_each_schedule([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 1.0f);
        ggml_tensor * y = world.vector_on(b, 0.0f);
        ggml_backend_tensor_set_async(a, x, world.host_vector(6.0f), 0, world.bytes());
        ggml_backend_tensor_copy_async(a, b, x, y);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 6.0f));
        ggml_backend_synchronize(a);
    });
}

TEST_P(EventOrderConformance, PinnedMemoryPassesFromQueueToQueue) {
    if (ggml_backend_dev_host_buffer_type(device()) == nullptr) {
        GTEST_SKIP() << subject().name << " has no pinned memory";
    }
    on_each_schedule([this](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        float * staging = world.pinned_vector(device(), 0.0f);
        for (int i = 1; i <= 3; i++) {
            world.scale_late(a, x, 2.0f, x);
            ggml_backend_tensor_get_async(a, x, staging, 0, world.bytes());
            put_in_order(a, event, b);
            ggml_backend_tensor_set_async(b, y, staging, 0, world.bytes());
            put_in_order(b, event, a); // before the staging is written again
            ggml_backend_synchronize(b);
            EXPECT_TRUE(all_are(y, static_cast<float>(1 << i)));
        }
        ggml_backend_synchronize(a);
    });
}

// All that is told to two queues, in every way at once, is done when both are synchronized.
TEST_P(OrderConformance, SynchronizeCompletesCopiesAndSets) {
    on_each_schedule([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        ggml_tensor * x = world.vector_on(a, 1.0f);
        ggml_tensor * set = world.vector_on(a, 0.0f);
        ggml_tensor * copied = world.vector_on(b, 0.0f);
        ggml_tensor * own = world.vector_on(a, 0.0f);
        const float * eights = world.host_vector(8.0f);
        world.scale_late(a, x, 4.0f, x);
        ggml_backend_tensor_copy_async(a, b, x, copied);
        ggml_backend_tensor_copy_async(a, a, x, own);
        ggml_backend_tensor_set_async(a, set, eights, 0, world.bytes());
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(copied, 4.0f));
        ggml_backend_synchronize(a);
        EXPECT_TRUE(all_are(own, 4.0f));
        EXPECT_TRUE(all_are(set, 8.0f));
    });
}

} // namespace conformance
