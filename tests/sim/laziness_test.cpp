// Seed 0: nothing executes before someone waits for it, and then exactly what is needed.

#include "sim_fixture.h"

#include <cstring>

using SimLaziness = SimTest;

TEST_F(SimLaziness, NothingExecutesBeforeSomeoneWaits) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    launch_scale(device, a, 2.0f, b);
    EXPECT_TRUE(is_garbage(b));
    ggml_backend_synchronize(device);
    EXPECT_EQ(first(b), 2.0f);
}

TEST_F(SimLaziness, ALaunchReadsItsDataWhenItExecutes) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    launch_scale(device, a, 2.0f, b);
    fill(a, 10.0f); // the hazard: nobody waited
    ggml_backend_synchronize(device);
    EXPECT_EQ(first(b), 20.0f);
}

TEST_F(SimLaziness, ALaunchedGraphIsNotChangedByRebuildingItsTensors) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    ggml_tensor * other = vector_on(device, 7.0f);
    ggml_cgraph * graph = scale(a, 2.0f, b);
    ASSERT_EQ(ggml_backend_graph_compute_async(device, graph), GGML_STATUS_SUCCESS);
    ggml_tensor * node = ggml_graph_node(graph, 0);
    const float wrong = 5.0f;
    std::memcpy(node->op_params, &wrong, sizeof(wrong));
    node->data = other->data;
    a->data = nullptr;
    ggml_graph_clear(graph);
    ggml_backend_synchronize(device);
    EXPECT_EQ(first(b), 2.0f);
    EXPECT_EQ(first(other), 7.0f);
}

TEST_F(SimLaziness, PinnedSourcesAreReadWhenTheOperationExecutes) {
    ggml_backend_t device = backend(0);
    ggml_tensor * host = pinned_vector(0, 1.0f);
    for (uint64_t seed = 0; seed < 20; seed++) {
        ggml_tensor * tensor = vector_on(device);
        ggml_backend_sim_set_seed(0);
        fill(host, 1.0f);
        ggml_backend_tensor_set_async(device, tensor, host->data, 0, ggml_nbytes(tensor));
        fill(host, 2.0f);
        ggml_backend_sim_set_seed(seed);
        ggml_backend_synchronize(device);
        EXPECT_EQ(first(tensor), 2.0f);
    }
}

TEST_F(SimLaziness, PageableSourcesAreReadEarlyOrLate) {
    ggml_backend_t device = backend(0);
    ggml_tensor * tensor = vector_on(device);
    bool early = false;
    bool late = false;
    for (uint64_t seed = 0; seed < 50; seed++) {
        ggml_backend_sim_set_seed(seed);
        std::vector<float> host(n, 1.0f);
        ggml_backend_tensor_set_async(device, tensor, host.data(), 0, ggml_nbytes(tensor));
        host.assign(n, 2.0f);
        ggml_backend_synchronize(device);
        (first(tensor) == 1.0f ? early : late) = true;
        if (seed == 0) {
            EXPECT_TRUE(late);
        }
    }
    EXPECT_TRUE(early && late);
}

TEST_F(SimLaziness, ReadsArriveWhenTheOperationExecutes) {
    ggml_backend_t device = backend(0);
    ggml_tensor * tensor = vector_on(device, 4.0f);
    std::vector<float> host(n, -1.0f);
    ggml_backend_tensor_get_async(device, tensor, host.data(), 0, ggml_nbytes(tensor));
    EXPECT_EQ(host[0], -1.0f);
    fill(tensor, 5.0f);
    ggml_backend_synchronize(device);
    EXPECT_EQ(host, std::vector<float>(n, 5.0f));
}

TEST_F(SimLaziness, SynchronizingAQueueLeavesTheOthersAlone) {
    ggml_backend_t first_queue = backend(0);
    ggml_backend_t second_queue = backend(0); // of the same device
    ggml_backend_t other_device = backend(1);
    ggml_tensor * a = vector_on(first_queue, 1.0f);
    ggml_tensor * b = vector_on(first_queue);
    ggml_tensor * c = vector_on(first_queue);
    ggml_tensor * d = vector_on(other_device, 1.0f);
    ggml_tensor * e = vector_on(other_device);
    launch_scale(first_queue, a, 2.0f, b);
    launch_scale(second_queue, a, 3.0f, c);
    launch_scale(other_device, d, 4.0f, e);
    ggml_backend_synchronize(first_queue);
    EXPECT_EQ(first(b), 2.0f);
    EXPECT_TRUE(is_garbage(c));
    EXPECT_TRUE(is_garbage(e));
}

TEST_F(SimLaziness, SynchronizeExecutesOnlyWhatIsNeeded) {
    ggml_backend_t q[3] = {backend(0), backend(1), backend(2)};
    ggml_tensor * out[3];
    ggml_tensor * after[3];
    ggml_backend_event_t event[3] = {event_of(0), event_of(1), event_of(2)};
    for (int i = 0; i < 3; i++) {
        ggml_tensor * in = vector_on(q[i], 1.0f);
        out[i] = vector_on(q[i]);
        after[i] = vector_on(q[i]);
        if (i > 0) {
            ggml_backend_event_wait(q[i], event[i - 1]);
        }
        launch_scale(q[i], in, 2.0f, out[i]);
        ggml_backend_event_record(event[i], q[i]);
        launch_scale(q[i], in, 3.0f, after[i]);
    }
    ggml_backend_event_synchronize(event[2]);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(first(out[i]), 2.0f) << i;
        EXPECT_TRUE(is_garbage(after[i])) << i;
    }
}

TEST_F(SimLaziness, FreeingABackendExecutesWhatIsQueued) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    launch_scale(device, a, 2.0f, b);
    free_backend(device);
    EXPECT_EQ(first(b), 2.0f);
}

TEST_F(SimLaziness, LongChainsOfWaitsBetweenQueuesExecute) {
    ggml_backend_t q[2] = {backend(0), backend(0)};
    ggml_tensor * x = vector_on(q[0], 0.0f);
    ggml_tensor * one = vector_on(q[0], 1.0f);
    ggml_tensor * node = ggml_add(ctx(), x, one);
    node->buffer = x->buffer;
    node->data = x->data;
    ggml_cgraph * graph = graph_of(node);
    ggml_backend_event_t event = event_of(0);
    constexpr int length = 20000;
    for (int i = 0; i < length; i++) {
        ggml_backend_event_wait(q[i % 2], event);
        ASSERT_EQ(ggml_backend_graph_compute_async(q[i % 2], graph), GGML_STATUS_SUCCESS);
        ggml_backend_event_record(event, q[i % 2]);
    }
    ggml_backend_event_synchronize(event);
    EXPECT_EQ(first(x), (float) length);
    ggml_backend_synchronize(q[0]);
    ggml_backend_synchronize(q[1]);
}
