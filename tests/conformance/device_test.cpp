// What a device says of itself, and whether it is so.

#include <cstring>

#include "conformance_test.h"
#include "queries.h"

namespace conformance {

class DeviceConformance : public ConformanceTest {};

INSTANTIATE_TEST_SUITE_P(Backends, DeviceConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(DeviceConformance, PropsAgreeWithTheOtherQuestions) {
    const ggml_backend_dev_props props = subject().props();
    EXPECT_STREQ(props.name, ggml_backend_dev_name(device()));
    EXPECT_STREQ(props.description, ggml_backend_dev_description(device()));
    EXPECT_EQ(props.type, ggml_backend_dev_type(device()));
    size_t free = 0;
    size_t total = 0;
    ggml_backend_dev_memory(device(), &free, &total);
    EXPECT_EQ(props.memory_total, total);
    EXPECT_LE(free, total);
}

TEST_P(DeviceConformance, PinnedMemoryIsThereIfDeclared) {
    EXPECT_EQ(subject().props().caps.host_buffer, ggml_backend_dev_host_buffer_type(device()) != nullptr);
}

TEST_P(DeviceConformance, EventsCanBeMadeIfDeclared) {
    const ggml_backend_event_t event = ggml_backend_event_new(device());
    EXPECT_EQ(subject().props().caps.events, event != nullptr);
    ggml_backend_event_free(event);
}

TEST_P(DeviceConformance, EventsComeWithAsynchrony) {
    const ggml_backend_dev_caps caps = subject().props().caps;
    EXPECT_TRUE(caps.async || !caps.events) << "events order queues; without caps.async there is none";
}

TEST_P(DeviceConformance, TheRegistryListsItsDevices) {
    const ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device());
    ASSERT_NE(reg, nullptr);
    for (const ggml_backend_dev_t device : subject().devices) {
        bool listed = false;
        for (size_t i = 0; i < ggml_backend_reg_dev_count(reg); i++) {
            listed = listed || ggml_backend_reg_dev_get(reg, i) == device;
        }
        EXPECT_TRUE(listed) << ggml_backend_dev_name(device);
        EXPECT_EQ(ggml_backend_dev_by_name(ggml_backend_dev_name(device)), device) << "the name is not unique";
    }
    EXPECT_EQ(ggml_backend_reg_get_proc_address(reg, "no such function"), nullptr);
}

TEST_P(DeviceConformance, ItsBackendsSayWhoTheyAre) {
    once([this](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        EXPECT_NE(a, b);
        EXPECT_EQ(ggml_backend_get_device(a), device());
        ASSERT_NE(ggml_backend_guid(a), nullptr);
        EXPECT_TRUE(ggml_guid_matches(ggml_backend_guid(a), ggml_backend_guid(b)));
        EXPECT_GT(std::strlen(ggml_backend_name(a)), 0u);
    });
}

TEST_P(DeviceConformance, ItsMemoryBelongsToIt) {
    const ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device());
    const ggml_backend_dev_t owner = ggml_backend_buft_get_device(buft);
    if (owner == nullptr) {
        EXPECT_TRUE(ggml_backend_buft_is_host(buft)) << "only plain host memory belongs to no device";
    } else {
        EXPECT_EQ(owner, device());
    }
}

TEST_P(DeviceConformance, MemoryInUseIsNotFree) {
    const size_t size = size_t{1} << 20;
    size_t before = 0;
    size_t after = 0;
    size_t total = 0; // ggml has no check for NULL
    ggml_backend_dev_memory(device(), &before, &total);
    const ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device()), size);
    ASSERT_NE(buffer, nullptr);
    ggml_backend_dev_memory(device(), &after, &total);
    ggml_backend_buffer_free(buffer);
    EXPECT_LE(after, before);
}

TEST_P(DeviceConformance, EventsReachOnlyDevicesThatHaveEvents) {
    for (const Subject & other : subjects()) {
        for (const ggml_backend_dev_t waiter : other.devices) {
            if (waiter != device() && event_reaches(device(), waiter)) {
                EXPECT_TRUE(has_events(device())) << "to " << ggml_backend_dev_name(waiter);
                EXPECT_TRUE(has_events(waiter)) << "to " << ggml_backend_dev_name(waiter);
            }
        }
    }
}

TEST_P(DeviceConformance, CopiesBetweenAsynchronousQueuesNameOne) {
    const CopyQueue queue = copy_queue(device(), device());
    if (!subject().is_async()) {
        EXPECT_NE(queue, CopyQueue::Source) << "a device without asynchrony has no queue";
        EXPECT_NE(queue, CopyQueue::Destination) << "a device without asynchrony has no queue";
    }
}

} // namespace conformance
