// Copies between backends: of one device, of two devices of a kind, and to and from every other kind there is.

#include <utility>

#include "conformance_test.h"
#include "platform.h"
#include "queries.h"

namespace conformance {

namespace {

struct Pair {
    ggml_backend_dev_t src;
    ggml_backend_dev_t dst;

    std::string text() const { return std::string(ggml_backend_dev_name(src)) + " to " + ggml_backend_dev_name(dst); }
    CopyQueue queue() const { return copy_queue(src, dst); }
};

// The pairs that a subject takes part in
std::vector<Pair> pairs_of(const Subject & subject) {
    const ggml_backend_dev_t first = subject.devices[0];
    std::vector<Pair> pairs = {{first, first}};
    if (subject.devices.size() > 1) {
        pairs.push_back({first, subject.devices[1]});
        pairs.push_back({subject.devices[1], first});
    }
    for (const Subject & other : subjects()) {
        if (other.name != subject.name && !other.devices.empty()) {
            pairs.push_back({first, other.devices[0]});
            pairs.push_back({other.devices[0], first});
        }
    }
    return pairs;
}

// The two ends of a pair, each with a backend of its own
struct Ends {
    ggml_backend_t src;
    ggml_backend_t dst;
};

} // namespace

class CopyConformance : public ConformanceTest {
  protected:
    using Test = std::function<void(World & world, const Pair & pair, const Ends & ends)>;

    // Each pair that `wanted` accepts, under each schedule. Skips if there is none.
    void on_each_pair(const std::function<bool(const Pair &)> & wanted, const std::string & why_not,
                      const Test & test) {
        bool found = false;
        for (const Pair & pair : pairs_of(subject())) {
            if (wanted(pair)) {
                found = true;
                SCOPED_TRACE(pair.text());
                note(pair.text());
                on_each_schedule([&](World & world) {
                    const Ends ends = {world.backend_on(pair.src), world.backend_on(pair.dst)};
                    test(world, pair, ends);
                });
            }
        }
        if (!found) {
            GTEST_SKIP() << why_not;
        }
    }
    void on_each_pair(const Test & test) {
        on_each_pair([](const Pair &) { return true; }, "there are no two memories to copy between", test);
    }
    static bool is_between_asynchronous(const Pair & pair) {
        ggml_backend_dev_props src;
        ggml_backend_dev_props dst;
        ggml_backend_dev_get_props(pair.src, &src);
        ggml_backend_dev_get_props(pair.dst, &dst);
        return src.caps.async && dst.caps.async;
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, CopyConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(CopyConformance, RunsAfterWhatIsQueuedOnTheSource) {
    on_each_pair([](World & world, const Pair &, const Ends & ends) {
        ggml_tensor * x = world.vector_on(ends.src, 1.0f);
        ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
        world.delay(ends.src);
        EXPECT_EQ(world.launch_scale(ends.src, x, 3.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_copy_async(ends.src, ends.dst, x, y);
        ggml_backend_synchronize(ends.dst);
        EXPECT_TRUE(all_are(y, 3.0f));
    });
}

TEST_P(CopyConformance, IsSeenByLaterWorkOfTheDestination) {
    on_each_pair([](World & world, const Pair &, const Ends & ends) {
        ggml_tensor * x = world.vector_on(ends.src, 1.0f);
        ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
        ggml_tensor * z = world.vector_on(ends.dst, 0.0f);
        float * fetched = world.host_vector(0.0f);
        world.delay(ends.src);
        EXPECT_EQ(world.launch_scale(ends.src, x, 3.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_copy_async(ends.src, ends.dst, x, y);
        EXPECT_EQ(world.launch_scale(ends.dst, y, 2.0f, z), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_get_async(ends.dst, z, fetched, 0, world.bytes());
        ggml_backend_synchronize(ends.dst);
        EXPECT_TRUE(all_are(fetched, world.n(), 6.0f));
    });
}

TEST_P(CopyConformance, GoesThereAndBackThroughManyQueues) {
    on_each_pair([](World & world, const Pair &, const Ends & ends) {
        ggml_tensor * x = world.vector_on(ends.src, 1.0f);
        ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
        for (int i = 0; i < 3; i++) {
            // What each side overwrites has been read: the other side's copy came after the read, and was waited for.
            EXPECT_EQ(world.launch_scale(ends.src, x, 2.0f, x), GGML_STATUS_SUCCESS);
            ggml_backend_tensor_copy_async(ends.src, ends.dst, x, y);
            EXPECT_EQ(world.launch_scale(ends.dst, y, 5.0f, y), GGML_STATUS_SUCCESS);
            ggml_backend_tensor_copy_async(ends.dst, ends.src, y, x);
        }
        ggml_backend_synchronize(ends.src);
        EXPECT_TRUE(all_are(x, 1000.0f));
    });
}

TEST_P(CopyConformance, CopiesViewsWhereTheirBytesAre) {
    on_each_pair([](World & world, const Pair &, const Ends & ends) {
        const int64_t quarter = world.n() / 4;
        const size_t offset = static_cast<size_t>(quarter) * sizeof(float);
        ggml_tensor * x = world.vector_on(ends.src, 1.0f);
        ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
        ggml_tensor * x_part = ggml_view_1d(world.ctx(), x, quarter, offset);
        ggml_tensor * y_part = ggml_view_1d(world.ctx(), y, quarter, 2 * offset);
        EXPECT_EQ(ggml_backend_view_init(x_part), GGML_STATUS_SUCCESS);
        EXPECT_EQ(ggml_backend_view_init(y_part), GGML_STATUS_SUCCESS);
        const float * fours = world.host_vector(4.0f);
        ggml_backend_tensor_set_async(ends.src, x_part, fours, 0, offset);
        ggml_backend_tensor_copy_async(ends.src, ends.dst, x_part, y_part);
        ggml_backend_synchronize(ends.dst);
        const std::vector<float> values = values_of(y);
        EXPECT_TRUE(all_are(values.data(), 2 * quarter, 0.0f));
        EXPECT_TRUE(all_are(values.data() + 2 * quarter, quarter, 4.0f));
        EXPECT_TRUE(all_are(values.data() + 3 * quarter, quarter, 0.0f));
    });
}

TEST_P(CopyConformance, ReadsPinnedMemoryAfterTheCpuWroteIt) {
    const ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(device());
    if (pinned == nullptr) {
        GTEST_SKIP() << subject().name << " has no pinned memory";
    }
    on_each_schedule([&](World & world) {
        const ggml_backend_t cpu = world.backend_on(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_in(pinned, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        EXPECT_EQ(world.launch_scale(cpu, x, 7.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_copy_async(cpu, backend, x, y);
        EXPECT_EQ(world.launch_scale(backend, y, 2.0f, y), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 14.0f));
    });
}

TEST_P(CopyConformance, WithinOneQueueIsInOrder) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_tensor * y = world.vector_on(backend, 0.0f);
        world.delay(backend);
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_tensor_copy_async(backend, backend, x, y);
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(y, 2.0f));
        EXPECT_TRUE(all_are(x, 4.0f));
    });
}

TEST_P(CopyConformance, IsDoneWhenTheCallReturnsIfThePairIsRefused) {
    on_each_pair([](const Pair & pair) { return pair.queue() == CopyQueue::None; },
                 "ggml_backend_copy_queue says NONE for no pair of " + subject().name,
                 [](World & world, const Pair &, const Ends & ends) {
                     ggml_tensor * x = world.vector_on(ends.src, 1.0f);
                     ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
                     ggml_tensor * z = world.vector_on(ends.dst, 9.0f);
                     world.delay(ends.src);
                     EXPECT_EQ(world.launch_scale(ends.src, x, 3.0f, x), GGML_STATUS_SUCCESS);
                     EXPECT_EQ(world.launch_scale(ends.dst, y, 1.0f, z), GGML_STATUS_SUCCESS);
                     ggml_backend_tensor_copy_async(ends.src, ends.dst, x, y);
                     EXPECT_TRUE(all_are(y, 3.0f));
                     EXPECT_TRUE(all_are(z, 0.0f)) << "the destination was not synchronized before the copy";
                 });
}

TEST_P(CopyConformance, OnTheSourceRunsBeforeItsLaterTasks) {
    on_each_pair([](const Pair & pair) { return pair.queue() == CopyQueue::Source && is_between_asynchronous(pair); },
                 "ggml_backend_copy_queue says SOURCE for no pair of " + subject().name,
                 [](World & world, const Pair &, const Ends & ends) {
                     ggml_tensor * x = world.vector_on(ends.src, 1.0f);
                     ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
                     const float * nines = world.host_vector(9.0f);
                     world.delay(ends.dst); // must not hold the copy back beyond the overwriting
                     ggml_backend_tensor_copy_async(ends.src, ends.dst, x, y);
                     ggml_backend_tensor_set_async(ends.src, x, nines, 0, world.bytes());
                     ggml_backend_synchronize(ends.src);
                     EXPECT_TRUE(all_are(y, 1.0f)) << "synchronizing the source did not complete the copy";
                     EXPECT_TRUE(all_are(x, 9.0f));
                     ggml_backend_synchronize(ends.dst);
                     EXPECT_TRUE(all_are(y, 1.0f));
                 });
}

TEST_P(CopyConformance, OnTheDestinationRunsAfterItsTasks) {
    on_each_pair(
        [](const Pair & pair) { return pair.queue() == CopyQueue::Destination && is_between_asynchronous(pair); },
        "ggml_backend_copy_queue says DESTINATION for no pair of " + subject().name,
        [](World & world, const Pair &, const Ends & ends) {
            ggml_tensor * x = world.vector_on(ends.src, 1.0f);
            ggml_tensor * y = world.vector_on(ends.dst, 5.0f);
            ggml_tensor * z = world.vector_on(ends.dst, 0.0f);
            world.delay(ends.dst);
            EXPECT_EQ(world.launch_scale(ends.dst, y, 2.0f, z), GGML_STATUS_SUCCESS);
            ggml_backend_tensor_copy_async(ends.src, ends.dst, x, y);
            ggml_backend_synchronize(ends.dst);
            EXPECT_TRUE(all_are(z, 10.0f)) << "the copy overtook a read of its destination";
            EXPECT_TRUE(all_are(y, 1.0f));
        });
}

// What the scheduler does for every slot: the destination's last use, a wait of the source, the next copy.
TEST_P(CopyConformance, ASlotIsReusedAfterTheDestinationHasReadIt) {
    on_each_pair([](World & world, const Pair & pair, const Ends & ends) {
        ggml_tensor * slot = world.vector_on(ends.dst, 0.0f);
        std::vector<ggml_tensor *> results;
        for (int i = 1; i <= 3; i++) {
            ggml_tensor * x = world.vector_on(ends.src, static_cast<float>(i));
            results.push_back(world.vector_on(ends.dst, 0.0f));
            ggml_backend_tensor_copy_async(ends.src, ends.dst, x, slot);
            world.delay(ends.dst);
            EXPECT_EQ(world.launch_scale(ends.dst, slot, 10.0f, results.back()), GGML_STATUS_SUCCESS);
            if (has_events(pair.dst) && has_events(pair.src) && event_reaches(pair.dst, pair.src)) {
                const ggml_backend_event_t read = world.event_of(pair.dst);
                ggml_backend_event_record(read, ends.dst);
                ggml_backend_event_wait(ends.src, read);
            } else {
                ggml_backend_synchronize(ends.dst);
            }
        }
        ggml_backend_synchronize(ends.dst);
        for (size_t i = 0; i < results.size(); i++) {
            EXPECT_TRUE(all_are(results[i], 10.0f * static_cast<float>(i + 1)));
        }
        ggml_backend_synchronize(ends.src);
    });
}

TEST_P(CopyConformance, BlockingCopyMovesBytesBetweenAllMemory) {
    on_each_pair([](World & world, const Pair &, const Ends & ends) {
        ggml_tensor * x = world.vector_on(ends.src, 8.0f);
        ggml_tensor * y = world.vector_on(ends.dst, 0.0f);
        ggml_backend_tensor_copy(x, y);
        EXPECT_TRUE(all_are(y, 8.0f));
    });
}

} // namespace conformance
