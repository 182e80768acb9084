// The rule book: what is detected, what it is told as, and that each failure is told once.

#include "sim_fixture.h"

using SimRules = SimTest;

TEST_F(SimRules, FreeingABufferThatAQueuedLaunchUsesIsAViolation) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    ggml_cgraph * graph = scale(a, 2.0f, b);
    ASSERT_EQ(ggml_backend_graph_compute_async(device, graph), GGML_STATUS_SUCCESS);
    free_buffer_of(a);
    EXPECT_EQ(violations(), 1u);
    EXPECT_TRUE(was_logged("a graph launch, queued on SIM0, uses it"));
    ggml_backend_synchronize(device);
    EXPECT_TRUE(is_garbage(b)); // and it does show
    ggml_tensor * c = vector_on(device, 1.0f);
    EXPECT_EQ(ggml_backend_graph_compute(device, scale(c, 2.0f, b)), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_graph_compute(device, scale(c, 2.0f, b)), GGML_STATUS_SUCCESS);
    expect_violations(1);
}

TEST_F(SimRules, FreeingTheMemoryOfQueuedTransfersIsAViolation) {
    ggml_backend_t q[2] = {backend(0), backend(1)};
    ggml_tensor * pinned = pinned_vector(0, 1.0f);
    ggml_tensor * a = vector_on(q[0], 1.0f);
    ggml_tensor * b = vector_on(q[1], 1.0f);
    ggml_backend_tensor_set_async(q[0], a, pinned->data, 0, ggml_nbytes(a));
    free_buffer_of(pinned);
    EXPECT_TRUE(was_logged("a set_tensor_async, queued on SIM0"));
    ggml_backend_synchronize(q[0]);
    ggml_backend_tensor_copy_async(q[0], q[1], a, b);
    free_buffer_of(b);
    EXPECT_TRUE(was_logged("a cpy_tensor_async, queued on SIM0"));
    std::vector<float> host(n);
    ggml_backend_tensor_get_async(q[0], a, host.data(), 0, ggml_nbytes(a));
    free_buffer_of(a);
    EXPECT_TRUE(was_logged("a get_tensor_async, queued on SIM0") || was_logged("queued on SIM0"));
    ggml_backend_synchronize(q[0]);
    expect_violations(3);
}

TEST_F(SimRules, FreeingABufferAfterItsLastUseIsFine) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    ggml_backend_event_t event = event_of(0);
    launch_scale(device, a, 2.0f, b);
    ggml_backend_event_record(event, device);
    launch_scale(device, b, 2.0f, b);
    ggml_backend_event_synchronize(event);
    free_buffer_of(a);
    ggml_backend_synchronize(device);
    EXPECT_EQ(first(b), 4.0f);
}

TEST_F(SimRules, ALaunchWithMemoryOfAnotherDeviceFails) {
    ggml_backend_t q[2] = {backend(0), backend(1)};
    ggml_cgraph * graph = scale(vector_on(q[0], 1.0f), 2.0f, vector_on(q[1]));
    EXPECT_EQ(ggml_backend_graph_compute(q[1], graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(was_logged("memory of another device"));
    EXPECT_EQ(counters().graph_launches, 0u);
    expect_violations(1);
}

TEST_F(SimRules, LaunchWithHostMemoryFails) {
    ggml_backend_t cuda = backend(0);
    ggml_backend_t uma = backend(1, GGML_SIM_PROFILE_UMA);
    ggml_tensor * pinned = pinned_vector(0, 1.0f);
    ggml_tensor * pageable = vector_in(ggml_backend_cpu_buffer_type());
    fill(pageable, 2.0f);
    EXPECT_EQ(ggml_backend_graph_compute(cuda, scale(pinned, 2.0f, vector_on(cuda))), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_graph_compute(cuda, scale(pageable, 2.0f, vector_on(cuda))), GGML_STATUS_FAILED);
    launch_scale(uma, pinned, 3.0f, pageable);
    EXPECT_EQ(first(pageable), 2.0f); // in place, and late
    ggml_backend_synchronize(uma);
    EXPECT_EQ(first(pageable), 3.0f);
    expect_violations(2);
}

TEST_F(SimRules, ALaunchWithFreedMemoryFails) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_cgraph * graph = scale(a, 2.0f, vector_on(device));
    free_buffer_of(a);
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(was_logged("its buffer has been freed"));
    expect_violations(1);
}

TEST_F(SimRules, ALaunchBeyondTheEndOfABufferFails) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    ggml_cgraph * graph = scale(a, 2.0f, b);
    a->data = static_cast<char *>(a->data) + 4;
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(was_logged("beyond the end of its buffer"));
    a->data = nullptr;
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(was_logged("it has no place"));
    expect_violations(2);
}

TEST_F(SimRules, TransfersThatTheDeviceCannotDoAreViolations) {
    ggml_backend_t q[2] = {backend(0), backend(1)};
    ggml_tensor * a = vector_on(q[0], 1.0f);
    ggml_tensor * b = vector_on(q[1], 1.0f);
    std::vector<float> host(n);
    ggml_backend_tensor_set_async(q[1], a, host.data(), 0, ggml_nbytes(a));
    EXPECT_EQ(violations(), 1u);
    ggml_backend_tensor_get_async(q[1], a, host.data(), 0, ggml_nbytes(a));
    EXPECT_EQ(violations(), 2u);
    ggml_backend_tensor_set_async(q[0], a, b->data, 0, ggml_nbytes(a)); // a device address where the host's is due
    EXPECT_EQ(violations(), 3u);
    EXPECT_EQ(first(a), 1.0f);
    expect_violations(3);
}

TEST_F(SimRules, AnInjectedFailureHitsTheLaunchThatItNames) {
    ggml_backend_t device = backend(0);
    ggml_backend_t other = backend(1);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(other, 1.0f);
    ggml_cgraph * graph = scale(a, 2.0f, a);
    ASSERT_TRUE(ggml_backend_sim_fail_launch(0, 2));
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_graph_compute(other, scale(b, 2.0f, b)), GGML_STATUS_SUCCESS);
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_FAILED);
    EXPECT_EQ(first(a), 2.0f); // nothing was started
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(first(a), 4.0f);
    ASSERT_TRUE(ggml_backend_sim_fail_launch(0, 1));
    ASSERT_TRUE(ggml_backend_sim_fail_launch(0, 0));
    EXPECT_EQ(ggml_backend_graph_compute(device, graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(counters().graph_launches, 4u);
    EXPECT_FALSE(ggml_backend_sim_fail_launch(GGML_SIM_MAX_DEVICES, 1));
    EXPECT_FALSE(ggml_backend_sim_fail_launch(-1, 1));
    EXPECT_FALSE(ggml_backend_sim_fail_launch(0, -1));
}

// An index outside of the table fails only when the launch executes.
TEST_F(SimRules, FailureIsReportedByTheNextLaunchOnce) {
    for (ggml_sim_profile profile : {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_NO_ASYNC}) {
        SCOPED_TRACE(ggml_sim_profile_name(profile));
        ggml_backend_t device = backend((int) profile, profile);
        ggml_tensor * table = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 8, 5);
        ggml_tensor * index = ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, 1);
        ggml_tensor * rows = ggml_get_rows(ctx(), table, index);
        for (ggml_tensor * tensor : {table, index, rows}) {
            place(tensor, ggml_backend_get_default_buffer_type(device));
        }
        fill(table, 1.0f);
        const int32_t outside = 5;
        ggml_backend_tensor_set(index, &outside, 0, sizeof(outside));
        const bool async = profile == GGML_SIM_PROFILE_CUDA;
        EXPECT_EQ(ggml_backend_graph_compute(device, graph_of(rows)), async ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED);
        ggml_backend_tensor_memset(index, 0, 0, sizeof(outside));
        if (async) {
            EXPECT_EQ(ggml_backend_graph_compute(device, graph_of(rows)), GGML_STATUS_FAILED);
        }
        EXPECT_EQ(ggml_backend_graph_compute(device, graph_of(rows)), GGML_STATUS_SUCCESS);
        EXPECT_EQ(values(rows), std::vector<float>(8, 1.0f));
    }
}
