// The virtual clock. The fixture's costs: 1 flop or byte a microsecond, 1000 a copy, 10000 a launch, 0 a host call.

#include "sim_fixture.h"

#include <cstring>

class SimClock : public SimTest {
  protected:
    static constexpr double bytes = n * sizeof(float);
    static constexpr double copy_us = 1000 + bytes;
    static constexpr double scale_us = 10000 + 2 * bytes;

    // The clock after set-up, which is the host's
    double since() const { return ggml_backend_sim_time_us() - start_; }
    void start() {
        ggml_backend_sim_reset_counters();
        start_ = ggml_backend_sim_time_us();
    }

  private:
    double start_ = 0;
};

TEST_F(SimClock, BlockingAccessCostsTheHostALinkTransfer) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device);
    EXPECT_EQ(ggml_backend_sim_time_us(), 0.0);
    fill(a, 1.0f);
    EXPECT_EQ(ggml_backend_sim_time_us(), copy_us);
    (void) first(a);
    EXPECT_EQ(ggml_backend_sim_time_us(), 2 * copy_us);
    EXPECT_EQ(counters().blocking_set_get_calls, 2u);
    ggml_backend_sim_advance_us(0.5);
    EXPECT_EQ(ggml_backend_sim_time_us(), 2 * copy_us + 0.5);
    ggml_backend_sim_advance_us(-1);
    EXPECT_EQ(ggml_backend_sim_time_us(), 2 * copy_us + 0.5);
    ggml_backend_sim_reset_clock();
    EXPECT_EQ(ggml_backend_sim_time_us(), 0.0);
}

TEST_F(SimClock, EnqueuingTakesNoTimeAndWaitingMovesTheHostToTheEnd) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device, 1.0f);
    start();
    launch_scale(device, a, 2.0f, b);
    launch_scale(device, a, 2.0f, b);
    EXPECT_EQ(since(), 0.0);
    ggml_backend_synchronize(device);
    EXPECT_EQ(since(), 2 * scale_us);
    ggml_backend_synchronize(device);
    EXPECT_EQ(counters().synchronize_calls, 2u);
    EXPECT_EQ(counters().synchronize_blocked, 1u);
    EXPECT_EQ(counters().graph_launches, 2u);
}

TEST_F(SimClock, ABusyHostDoesNotBlockOnWorkThatIsDone) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_backend_event_t event = event_of(0);
    start();
    launch_scale(device, a, 2.0f, a);
    ggml_backend_event_record(event, device);
    ggml_backend_sim_advance_us(scale_us);
    ggml_backend_event_synchronize(event);
    ggml_backend_synchronize(device);
    EXPECT_EQ(since(), scale_us);
    EXPECT_EQ(counters().synchronize_blocked + counters().event_synchronize_blocked, 0u);
    EXPECT_EQ(counters().event_synchronize_calls, 1u);
    launch_scale(device, a, 2.0f, a); // starts with the call, not when the queue fell idle
    ggml_backend_synchronize(device);
    EXPECT_EQ(since(), 2 * scale_us);
}

TEST_F(SimClock, HostCallsTakeTheirTime) {
    ggml_sim_config config = SimTest::config(GGML_SIM_PROFILE_CUDA);
    ggml_backend_t device = backend(1);
    free_backend(device);
    config.host_call_us = 7;
    ASSERT_TRUE(ggml_backend_sim_configure(1, &config));
    device = ggml_backend_dev_init(ggml_backend_sim_device(1), nullptr);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_backend_event_t event = event_of(1);
    start();
    launch_scale(device, a, 2.0f, a);
    ggml_backend_event_record(event, device);
    ggml_backend_event_wait(device, event);
    EXPECT_EQ(since(), 21.0);
    ggml_backend_synchronize(device);
    EXPECT_EQ(since(), 7 + scale_us);
    ggml_backend_free(device);
}

TEST_F(SimClock, DevicesWorkAtTheSameTimeUnlessEventsOrderThem) {
    ggml_backend_t q[2] = {backend(0), backend(1)};
    ggml_tensor * a[2] = {vector_on(q[0], 1.0f), vector_on(q[1], 1.0f)};
    ggml_backend_event_t event = event_of(0);
    start();
    launch_scale(q[0], a[0], 2.0f, a[0]);
    launch_scale(q[1], a[1], 2.0f, a[1]);
    ggml_backend_synchronize(q[0]);
    ggml_backend_synchronize(q[1]);
    EXPECT_EQ(since(), scale_us);
    EXPECT_EQ(counters().synchronize_blocked, 1u);

    launch_scale(q[0], a[0], 2.0f, a[0]);
    ggml_backend_event_record(event, q[0]);
    launch_scale(q[0], a[0], 2.0f, a[0]);
    ggml_backend_event_wait(q[1], event);
    launch_scale(q[1], a[1], 2.0f, a[1]);
    ggml_backend_synchronize(q[1]);
    EXPECT_EQ(since(), 3 * scale_us);
    ggml_backend_synchronize(q[0]);
    EXPECT_EQ(since(), 3 * scale_us);
}

TEST_F(SimClock, CopiesOccupyTheirQueueAndDelayTheTarget) {
    ggml_backend_t q[2] = {backend(0), backend(1)};
    ggml_tensor * a = vector_on(q[0], 1.0f);
    ggml_tensor * b = vector_on(q[1], 1.0f);
    start();
    ggml_backend_tensor_set_async(q[0], a, std::vector<float>(n, 1.0f).data(), 0, 0); // of no bytes: no call
    ggml_backend_tensor_copy_async(q[0], q[1], a, b);
    launch_scale(q[1], b, 2.0f, b);
    ggml_backend_synchronize(q[0]);
    EXPECT_EQ(since(), copy_us);
    ggml_backend_synchronize(q[1]);
    EXPECT_EQ(since(), copy_us + scale_us);
    EXPECT_EQ(counters().copy_async_calls, 1u);
    EXPECT_EQ(counters().set_async_calls, 0u);
}

TEST_F(SimClock, OneCopyAtATimeGoesOverTheLinkInEachDirection) {
    ggml_backend_t first = backend(0);
    ggml_backend_t second = backend(0);
    ggml_tensor * a = vector_on(first, 1.0f);
    ggml_tensor * b = vector_on(first, 1.0f);
    std::vector<float> data(n, 2.0f);
    start();
    ggml_backend_tensor_set_async(first, a, data.data(), 0, ggml_nbytes(a));
    ggml_backend_tensor_set_async(second, b, data.data(), 0, ggml_nbytes(b));
    ggml_backend_synchronize(first);
    EXPECT_EQ(since(), copy_us);
    ggml_backend_synchronize(second);
    EXPECT_EQ(since(), 2 * copy_us);
    start();
    ggml_backend_tensor_set_async(first, a, data.data(), 0, ggml_nbytes(a));
    ggml_backend_tensor_get_async(second, b, data.data(), 0, ggml_nbytes(b));
    ggml_backend_synchronize(first);
    ggml_backend_synchronize(second);
    EXPECT_EQ(since(), copy_us);
}

TEST_F(SimClock, ACopyTakesAGapThatEarlierCopiesLeaveOnTheLink) {
    ggml_backend_t first = backend(0);
    ggml_backend_t second = backend(0);
    ggml_tensor * a = vector_on(first, 1.0f);
    ggml_tensor * b = vector_on(first, 1.0f);
    const std::vector<float> data(n, 2.0f);
    start();
    launch_scale(first, a, 2.0f, a);
    ggml_backend_tensor_set_async(first, a, data.data(), 0, ggml_nbytes(a)); // not before the launch is done
    ggml_backend_tensor_set_async(second, b, data.data(), 0, ggml_nbytes(b));
    ggml_backend_synchronize(second);
    EXPECT_EQ(since(), copy_us);
    ggml_backend_synchronize(first);
    EXPECT_EQ(since(), scale_us + copy_us);
}

TEST_F(SimClock, CopiesWithinADeviceReadAndWriteItsMemory) {
    ggml_backend_t q[2] = {backend(0), backend(0)};
    ggml_tensor * a = vector_on(q[0], 1.0f);
    ggml_tensor * b = vector_on(q[0], 1.0f);
    start();
    ggml_backend_tensor_copy_async(q[0], q[1], a, b);
    ggml_backend_synchronize(q[1]);
    EXPECT_EQ(since(), 1000 + 2 * bytes);
}

TEST_F(SimClock, ProductsCostTheirFlopsAndRowsTheRowsThatTheyTouch) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 8, 5);
    ggml_tensor * b = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 8, 3);
    ggml_tensor * ids = ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, 2);
    ggml_tensor * product = ggml_mul_mat(ctx(), a, b);
    ggml_tensor * rows = ggml_get_rows(ctx(), a, ids);
    for (ggml_tensor * tensor : {a, b, ids, product, rows}) {
        place(tensor, ggml_backend_get_default_buffer_type(device));
    }
    fill(a, 1.0f);
    fill(b, 2.0f);
    ggml_backend_tensor_memset(ids, 0, 0, ggml_nbytes(ids));
    start();
    EXPECT_EQ(ggml_backend_graph_compute(device, graph_of(product)), GGML_STATUS_SUCCESS);
    EXPECT_EQ(since(), 10000.0 + 2 * 8 * 5 * 3);
    EXPECT_EQ(values(product), std::vector<float>(15, 16.0f));
    start();
    EXPECT_EQ(ggml_backend_graph_compute(device, graph_of(rows)), GGML_STATUS_SUCCESS);
    EXPECT_EQ(since(), 10000.0 + 2 * (2 * 8 * 4) + 2 * 4);
}

TEST_F(SimClock, WithoutAsynchronyTheHostPaysAtOnce) {
    ggml_backend_t device = backend(0, GGML_SIM_PROFILE_NO_ASYNC);
    ggml_tensor * a = vector_on(device, 1.0f);
    start();
    launch_scale(device, a, 2.0f, a);
    EXPECT_EQ(since(), scale_us);
    EXPECT_EQ(first(a), 2.0f);
    EXPECT_EQ(since(), scale_us + copy_us);
}

TEST_F(SimClock, TheSeedDoesNotMoveTheClock) {
    ggml_backend_t q[3] = {backend(0), backend(1), backend(2)};
    ggml_tensor * a[3] = {vector_on(q[0], 1.0f), vector_on(q[1], 1.0f), vector_on(q[2], 1.0f)};
    ggml_backend_event_t event = event_of(0);
    double expected = 0;
    ggml_sim_counters expected_counters = {};
    for (uint64_t seed = 0; seed < 50; seed++) {
        ggml_backend_sim_set_seed(seed);
        ggml_backend_sim_reset_clock();
        ggml_backend_sim_reset_counters();
        for (int i = 0; i < 20; i++) {
            launch_scale(q[i % 3], a[i % 3], 2.0f, a[i % 3]);
            ggml_backend_tensor_copy_async(q[i % 3], q[(i + 1) % 3], a[i % 3], a[(i + 1) % 3]);
            if (i % 3 == 0) {
                ggml_backend_event_record(event, q[0]);
            }
            ggml_backend_event_wait(q[(i * 7) % 3], event);
            if (i % 5 == 0) {
                ggml_backend_synchronize(q[i % 2]);
            }
        }
        for (ggml_backend_t queue : q) {
            ggml_backend_synchronize(queue);
        }
        const ggml_sim_counters now = counters();
        if (seed == 0) {
            expected = ggml_backend_sim_time_us();
            expected_counters = now;
        }
        EXPECT_EQ(ggml_backend_sim_time_us(), expected) << "seed " << seed;
        EXPECT_EQ(std::memcmp(&now, &expected_counters, sizeof(now)), 0) << "seed " << seed;
    }
}

TEST_F(SimClock, TheClockIsResetOnlyWhenEverythingIsIdle) {
    ggml_backend_t device = backend(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_backend_event_t event = event_of(0);
    launch_scale(device, a, 2.0f, a);
    ggml_backend_event_record(event, device);
    const double before = ggml_backend_sim_time_us();
    ggml_backend_sim_reset_clock();
    EXPECT_EQ(ggml_backend_sim_time_us(), before);
    EXPECT_TRUE(was_logged("synchronize all backends first"));
    ggml_backend_synchronize(device);
    ggml_backend_sim_reset_clock();
    EXPECT_EQ(ggml_backend_sim_time_us(), 0.0);
    ggml_backend_event_wait(device, event); // of before the reset: long done
    launch_scale(device, a, 2.0f, a);
    ggml_backend_synchronize(device);
    EXPECT_EQ(ggml_backend_sim_time_us(), scale_us);
}
