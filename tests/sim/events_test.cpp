#include "sim_fixture.h"

using SimEvents = SimTest;

TEST_F(SimEvents, AWaitBindsToTheRecordThatIsCurrentAtTheCall) {
    ggml_backend_t producer = backend(0);
    ggml_backend_t consumer = backend(1);
    ggml_tensor * one = vector_on(producer, 1.0f);
    ggml_tensor * early = vector_on(producer);
    ggml_tensor * late = vector_on(producer);
    ggml_backend_event_t event = event_of(0);
    launch_scale(producer, one, 2.0f, early);
    ggml_backend_event_record(event, producer);
    ggml_backend_event_wait(consumer, event);
    launch_scale(producer, one, 3.0f, late);
    ggml_backend_event_record(event, producer); // must not move the wait
    ggml_backend_synchronize(consumer);
    EXPECT_EQ(first(early), 2.0f);
    EXPECT_TRUE(is_garbage(late));
    ggml_backend_event_synchronize(event);
    EXPECT_EQ(first(late), 3.0f);
}

ggml_sim_counters counters_now() {
    ggml_sim_counters counters;
    ggml_backend_sim_get_counters(&counters);
    return counters;
}

TEST_F(SimEvents, RecordsAreKeptUntilTheHostWaits) {
    ggml_backend_t queue = backend(0);
    ggml_backend_event_t event = event_of(0);
    for (int i = 0; i < 3; i++) {
        ggml_backend_event_record(event, queue);
        ggml_backend_synchronize(queue); // a wait for the queue, not for the event
    }
    EXPECT_EQ(counters_now().most_kept_records, 3U);
    ggml_backend_sim_reset_counters();
    for (int i = 0; i < 3; i++) {
        ggml_backend_event_synchronize(event);
        ggml_backend_event_record(event, queue);
    }
    EXPECT_EQ(counters_now().most_kept_records, 1U);
}

TEST_F(SimEvents, ALateWaitForAnEarlierRecordIsCounted) {
    ggml_backend_t producer = backend(0);
    ggml_backend_t consumer = backend(1);
    ggml_backend_event_t event = event_of(0);
    const auto lost_waits = [] { return counters_now().lost_waits; };
    ggml_backend_event_record(event, producer);
    ggml_backend_event_wait(consumer, event);
    ggml_backend_event_synchronize(event); // the record for which the consumer has yet to wait
    EXPECT_EQ(lost_waits(), 0U);
    ggml_backend_event_record(event, producer);
    ggml_backend_event_synchronize(event); // another one
    EXPECT_EQ(lost_waits(), 1U);
    ggml_backend_synchronize(consumer);
    ggml_backend_event_record(event, producer);
    ggml_backend_event_synchronize(event);
    EXPECT_EQ(lost_waits(), 1U) << "nobody has yet to wait";
}

TEST_F(SimEvents, WaitingForAnEventThatWasNeverRecordedIsNoWait) {
    ggml_backend_t device = backend(0);
    ggml_backend_t other = backend(1);
    ggml_backend_event_t event = event_of(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    launch_scale(device, a, 2.0f, b);
    ggml_backend_event_wait(other, event);
    ggml_backend_event_synchronize(event);
    ggml_backend_synchronize(other);
    EXPECT_TRUE(is_garbage(b));
}

TEST_F(SimEvents, ARecordCoversWhatIsQueuedSoFarOnly) {
    ggml_backend_t device = backend(0);
    ggml_backend_event_t event = event_of(0);
    ggml_tensor * a = vector_on(device, 1.0f);
    ggml_tensor * b = vector_on(device);
    ggml_tensor * c = vector_on(device);
    launch_scale(device, a, 2.0f, b);
    ggml_backend_event_record(event, device);
    launch_scale(device, a, 2.0f, c);
    ggml_backend_event_synchronize(event);
    EXPECT_EQ(first(b), 2.0f);
    EXPECT_TRUE(is_garbage(c));
}

TEST_F(SimEvents, AWaitHoldsBackOnlyWhatIsQueuedAfterIt) {
    ggml_backend_t producer = backend(0);
    ggml_backend_t consumer = backend(1);
    ggml_tensor * a = vector_on(producer, 1.0f);
    ggml_tensor * produced = vector_on(producer);
    ggml_tensor * x = vector_on(consumer, 1.0f);
    ggml_tensor * before = vector_on(consumer);
    ggml_backend_event_t before_event = event_of(1);
    ggml_backend_event_t event = event_of(0);
    launch_scale(consumer, x, 2.0f, before);
    ggml_backend_event_record(before_event, consumer);
    launch_scale(producer, a, 2.0f, produced);
    ggml_backend_event_record(event, producer);
    ggml_backend_event_wait(consumer, event);
    ggml_backend_event_synchronize(before_event);
    EXPECT_EQ(first(before), 2.0f);
    EXPECT_TRUE(is_garbage(produced));
}

TEST_F(SimEvents, UnknownEventsMakeTheNextLaunchFailOnce) {
    ggml_backend_t a = backend(0, GGML_SIM_PROFILE_VULKAN);
    ggml_backend_t b = backend(1, GGML_SIM_PROFILE_VULKAN);
    ggml_backend_event_t event = event_of(0);
    ggml_backend_event_record(event, a);
    ggml_backend_event_wait(b, event);
    EXPECT_EQ(violations(), 1u);
    EXPECT_TRUE(was_logged("contract violation"));
    ggml_tensor * x = vector_on(b, 1.0f);
    ggml_cgraph * graph = scale(x, 2.0f, vector_on(b));
    EXPECT_EQ(ggml_backend_graph_compute(b, graph), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_graph_compute(b, graph), GGML_STATUS_SUCCESS);
    expect_violations(1);
}

TEST_F(SimEvents, RecordingOnAnotherDeviceIsAViolation) {
    backend(0);
    ggml_backend_t other = backend(1);
    ggml_backend_event_record(event_of(0), other);
    expect_violations(1);
}

TEST_F(SimEvents, UsingAFreedEventIsAViolation) {
    ggml_backend_t device = backend(0);
    ggml_backend_event_t event = event_of(0);
    free_event(event);
    ggml_backend_event_record(event, device);
    EXPECT_EQ(violations(), 1u);
    ggml_backend_event_wait(device, event);
    EXPECT_EQ(violations(), 2u);
    ggml_backend_event_synchronize(event);
    EXPECT_EQ(violations(), 3u);
    ggml_backend_event_free(event);
    expect_violations(4);
}

TEST_F(SimEvents, FreeingAnEventThatIsQueuedIsAViolation) {
    ggml_backend_t device = backend(0);
    ggml_backend_event_t event = event_of(0);
    ggml_backend_event_record(event, device);
    free_event(event);
    EXPECT_TRUE(was_logged("an event_record"));
    expect_violations(1);
}

TEST_F(SimEvents, FreeingAnEventAfterSynchronizingIsFine) {
    ggml_backend_t device = backend(0);
    ggml_backend_t other = backend(1);
    ggml_backend_event_t event = event_of(0);
    ggml_backend_event_record(event, device);
    ggml_backend_event_wait(other, event);
    ggml_backend_synchronize(other);
    free_event(event);
}
