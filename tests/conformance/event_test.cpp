// Events: points of a queue that other queues and the host wait for.

#include <algorithm>

#include "conformance_test.h"
#include "platform.h"
#include "queries.h"

namespace conformance {

class EventConformance : public ConformanceTest {
  protected:
    void SetUp() override {
        ConformanceTest::SetUp();
        if (!IsSkipped() && !has_events(device())) {
            GTEST_SKIP() << subject().name << " declares no caps.events";
        }
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, EventConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(EventConformance, QueueGoesOnWhenTheEventIsReached) {
    on_each_schedule([](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        world.scale_late(a, x, 2.0f, x);
        put_in_order(a, event, b);
        world.scale(b, x, 10.0f, y);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 20.0f));
    });
}

TEST_P(EventConformance, TheHostGoesOnWhenTheQueueHasReachedTheEvent) {
    on_each_schedule([](World & world) {
        const auto [backend, event, x, y] = world.one_queue();
        float * fetched = world.host_vector(0.0f);
        world.scale_late(backend, x, 2.0f, y);
        ggml_backend_tensor_get_async(backend, y, fetched, 0, world.bytes());
        ggml_backend_event_record(event, backend);
        world.delay(backend);
        ggml_backend_event_synchronize(event);
        EXPECT_TRUE(all_are(fetched, world.n(), 2.0f));
        EXPECT_TRUE(all_are(y, 2.0f));
    });
}

TEST_P(EventConformance, SourceIsFreeAfterTheTransfersEvent) {
    on_each_schedule([](World & world) {
        const auto [backend, event, x, y] = world.one_queue();
        float * source = world.host_vector(5.0f);
        world.delay(backend);
        ggml_backend_tensor_set_async(backend, y, source, 0, world.bytes());
        ggml_backend_event_record(event, backend);
        ggml_backend_event_synchronize(event);
        std::fill(source, source + world.n(), 2.0f);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 5.0f));
    });
}

TEST_P(EventConformance, AWaitBindsToTheLatestRecordBeforeIt) {
    on_each_schedule([](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        ggml_backend_event_record(event, a);
        world.scale_late(a, x, 2.0f, x);
        put_in_order(a, event, b);
        world.scale(b, x, 10.0f, y);
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 20.0f));
    });
}

// If the first wait were for the second record, the two queues would wait for each other for good.
TEST_P(EventConformance, ALaterRecordDoesNotMoveAnEarlierWait) {
    on_each_schedule([this](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        const ggml_backend_event_t back = world.event_of(device());
        world.scale_late(a, x, 2.0f, x);
        put_in_order(a, event, b);
        world.scale(b, x, 10.0f, y);
        put_in_order(b, back, a);
        world.scale(a, y, 3.0f, x);
        ggml_backend_event_record(event, a);
        ggml_backend_synchronize(a);
        EXPECT_TRUE(all_are(y, 20.0f));
        EXPECT_TRUE(all_are(x, 60.0f));
        ggml_backend_synchronize(b);
    });
}

TEST_P(EventConformance, TheHostWaitsForTheLatestRecord) {
    on_each_schedule([](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        world.scale(a, x, 2.0f, x);
        ggml_backend_event_record(event, a);
        ggml_backend_event_synchronize(event);
        EXPECT_TRUE(all_are(x, 2.0f));
        world.scale_late(b, x, 5.0f, y);
        ggml_backend_event_record(event, b); // another queue of the device
        ggml_backend_event_synchronize(event);
        EXPECT_TRUE(all_are(y, 10.0f));
    });
}

TEST_P(EventConformance, AnEventThatWasNeverRecordedHoldsNobodyUp) {
    on_each_schedule([](World & world) {
        const auto [backend, event, x, y] = world.one_queue();
        ggml_backend_event_synchronize(event);
        ggml_backend_event_wait(backend, event);
        world.scale(backend, x, 2.0f, y);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 2.0f));
    });
}

TEST_P(EventConformance, AQueueMayWaitForItself) {
    on_each_schedule([](World & world) {
        const auto [backend, event, x, y] = world.one_queue();
        world.scale(backend, x, 2.0f, x);
        put_in_order(backend, event, backend);
        world.scale(backend, x, 2.0f, y);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 4.0f));
    });
}

TEST_P(EventConformance, WaitsPassOnWhatTheOtherQueueHasWaitedFor) {
    on_each_schedule([this](World & world) {
        const auto [a, c, a_done, x, y] = world.two_queues();
        const ggml_backend_t b = world.backend();
        const ggml_backend_event_t b_done = world.event_of(device());
        world.scale_late(a, x, 2.0f, x);
        put_in_order(a, a_done, b);
        put_in_order(b, b_done, c); // nothing but the wait is queued on b
        world.scale(c, x, 10.0f, y);
        ggml_backend_synchronize(c);
        EXPECT_TRUE(all_are(y, 20.0f));
    });
}

TEST_P(EventConformance, AWaitOrdersTransfersToo) {
    on_each_schedule([](World & world) {
        const auto [a, b, read, x, y] = world.two_queues();
        const float * nines = world.host_vector(9.0f);
        world.scale_late(a, x, 2.0f, y);
        put_in_order(a, read, b);
        ggml_backend_tensor_set_async(b, x, nines, 0, world.bytes());
        ggml_backend_synchronize(b);
        EXPECT_TRUE(all_are(y, 2.0f));
        EXPECT_TRUE(all_are(x, 9.0f));
        ggml_backend_synchronize(a);
    });
}

// The scheduler may be freed after its backends: it waits for its events, and frees them, without touching a backend.
TEST_P(EventConformance, EventsOutliveTheBackendThatRecordedThem) {
    on_each_schedule([](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        world.scale(a, x, 2.0f, x);
        ggml_backend_event_record(event, a);
        world.free_backend(a);
        ggml_backend_event_synchronize(event);
        ggml_backend_event_wait(b, event);
        world.scale(b, x, 2.0f, y);
        world.free_backend(b);
        ggml_backend_event_synchronize(event);
        EXPECT_TRUE(all_are(y, 4.0f));
    });
}

// So the scheduler can wait for a queue whose backend is gone by an event that another backend records.
TEST_P(EventConformance, OfADeviceThatKeepsRecordsComesAfterTheWorkOfAllQueues) {
    if (!known_to_keep_records(device())) {
        GTEST_SKIP() << subject().name << " is not known to keep records";
    }
    on_each_schedule([this](World & world) {
        const auto [a, b, event, x, y] = world.two_queues();
        float * fetched = world.pinned_vector(device(), 0.0f); // To read it, the host asks no queue.
        ASSERT_NE(fetched, nullptr);
        world.scale_late(a, x, 2.0f, y);
        ggml_backend_tensor_get_async(a, y, fetched, 0, world.bytes());
        ggml_backend_event_record(world.event_of(device()), a); // Only now Vulkan submits the copy.
        ggml_backend_event_record(event, b);
        ggml_backend_event_synchronize(event);
        EXPECT_TRUE(all_are(fetched, world.n(), 2.0f));
        ggml_backend_synchronize(a);
    });
}

TEST_P(EventConformance, ReachOtherDevicesAsTheRegistrySays) {
    std::vector<ggml_backend_dev_t> reached;
    for (const Subject & other : subjects()) {
        for (const ggml_backend_dev_t waiter : other.devices) {
            const bool pinned = ggml_backend_dev_host_buffer_type(waiter) != nullptr;
            if (waiter != device() && pinned && has_events(waiter) && event_reaches(device(), waiter)) {
                reached.push_back(waiter);
            }
        }
    }
    if (reached.empty()) {
        GTEST_SKIP() << "events of " << ggml_backend_dev_name(device()) << " reach no other device with pinned memory";
    }
    for (const ggml_backend_dev_t waiter : reached) {
        SCOPED_TRACE(ggml_backend_dev_name(waiter));
        on_each_schedule([&](World & world) {
            const ggml_backend_t a = world.backend();
            const ggml_backend_t b = world.backend_on(waiter);
            const ggml_backend_event_t event = world.event_of(device());
            ggml_tensor * source = world.vector_on(a, 1.0f);
            // Host memory that the one writes and the other reads: pinned, so that it reads at its turn.
            float * host = world.pinned_vector(waiter, 0.0f);
            ggml_tensor * destination = world.vector_on(b, 0.0f);
            world.scale_late(a, source, 2.0f, source);
            ggml_backend_tensor_get_async(a, source, host, 0, world.bytes());
            put_in_order(a, event, b);
            ggml_backend_tensor_set_async(b, destination, host, 0, world.bytes());
            ggml_backend_synchronize(b);
            EXPECT_TRUE(all_are(destination, 2.0f));
            ggml_backend_synchronize(a);
        });
    }
}

TEST_P(EventConformance, ManyEventsAreThereAtOnce) {
    once([this](World & world) {
        const ggml_backend_t backend = world.backend();
        std::vector<ggml_backend_event_t> events;
        for (int i = 0; i < 200; i++) {
            events.push_back(world.event_of(device()));
            ggml_backend_event_record(events.back(), backend);
        }
        for (const ggml_backend_event_t event : events) {
            ggml_backend_event_synchronize(event);
        }
    });
}

} // namespace conformance
