// Copies between queues: where they run, what they wait for, and what they do not promise.

#include "ggml-backend-impl.h"
#include "sim_fixture.h"

namespace {

// The functions that the scheduler asks the registry for
typedef bool (*event_reaches_t)(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);
constexpr ggml_backend_copy_queue none = GGML_BACKEND_COPY_QUEUE_NONE;
constexpr ggml_backend_copy_queue on_source = GGML_BACKEND_COPY_QUEUE_SOURCE;
constexpr ggml_backend_copy_queue on_destination = GGML_BACKEND_COPY_QUEUE_DESTINATION;

template <typename Function> Function proc(const char * name) {
    return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(ggml_backend_sim_reg(), name));
}

constexpr ggml_sim_profile cuda = GGML_SIM_PROFILE_CUDA;
constexpr ggml_sim_profile vulkan = GGML_SIM_PROFILE_VULKAN;
constexpr ggml_sim_profile no_events = GGML_SIM_PROFILE_NO_EVENTS;
constexpr ggml_sim_profile no_async = GGML_SIM_PROFILE_NO_ASYNC;
constexpr ggml_sim_profile uma = GGML_SIM_PROFILE_UMA;

} // namespace

class SimCopies : public SimTest {
  protected:
    // Was the copy enqueued (true), or done at once by the fallback (false)? Either way it must arrive.
    bool is_async(ggml_backend_t src_backend, ggml_backend_t dst_backend, ggml_tensor * src) {
        ggml_tensor * dst = vector_on(dst_backend);
        const uint64_t before = counters().copy_async_calls;
        ggml_backend_tensor_copy_async(src_backend, dst_backend, src, dst);
        const bool async = counters().copy_async_calls > before;
        EXPECT_EQ(is_garbage(dst), async);
        ggml_backend_synchronize(dst_backend);
        EXPECT_EQ(values(dst), values(src));
        return async;
    }
};

TEST_F(SimCopies, EachProfileAcceptsAndRefusesAsItSays) {
    struct Row {
        ggml_sim_profile src, dst;
        bool same_device;
        ggml_backend_copy_queue queue;
    };
    const Row rows[] = {
        {cuda, cuda, false, on_source},
        {cuda, cuda, true, on_source},
        {cuda, uma, false, on_source},
        {uma, cuda, false, on_source},
        {uma, uma, false, on_source},
        {vulkan, vulkan, true, on_destination},
        {vulkan, vulkan, false, none},
        {cuda, vulkan, false, none},
        {vulkan, cuda, false, none},
        {no_events, no_events, false, on_source},
        {no_events, no_events, true, on_source},
        {no_events, cuda, false, none},
        {cuda, no_events, false, none},
        {no_async, no_async, false, none},
        {no_async, no_async, true, none},
        {cuda, no_async, false, none},
        {no_async, cuda, false, none},
        {uma, vulkan, false, none},
    };
    const auto copy_queue = proc<ggml_backend_copy_queue_t>("ggml_backend_copy_queue");
    ASSERT_NE(copy_queue, nullptr);
    int device = 0;
    for (const Row & row : rows) {
        SCOPED_TRACE(std::string(ggml_sim_profile_name(row.src)) + " to " + ggml_sim_profile_name(row.dst));
        const int src_device = device++;
        ggml_backend_t src = backend(src_device, row.src);
        ggml_backend_t dst = row.same_device ? backend(src_device, row.dst) : backend(device++, row.dst);
        EXPECT_EQ(copy_queue(ggml_backend_get_device(src), ggml_backend_get_device(dst)), row.queue);
        EXPECT_EQ(is_async(src, dst, vector_on(src, 3.0f)), row.queue != none);
    }
}

TEST_F(SimCopies, OnlyVulkanTakesPinnedHostSources) {
    ggml_backend_t host = cpu();
    ggml_backend_dev_t host_device = ggml_backend_get_device(host);
    const auto copy_queue = proc<ggml_backend_copy_queue_t>("ggml_backend_copy_queue");
    int device = 0;
    for (ggml_sim_profile profile : {cuda, vulkan, no_events, uma}) {
        SCOPED_TRACE(ggml_sim_profile_name(profile));
        ggml_backend_t dst = backend(device, profile);
        EXPECT_EQ(is_async(host, dst, pinned_vector(device, 2.0f)), profile == vulkan);
        EXPECT_EQ(copy_queue(host_device, ggml_backend_get_device(dst)), profile == vulkan ? on_destination : none);
        device++;
        ggml_tensor * pageable = vector_in(ggml_backend_cpu_buffer_type());
        fill(pageable, 3.0f);
        EXPECT_FALSE(is_async(host, dst, pageable));
    }
}

TEST_F(SimCopies, PinnedSourcesAreReadWhenTheCopyExecutes) {
    ggml_backend_t host = cpu();
    ggml_backend_t device = backend(0, vulkan);
    ggml_tensor * src = pinned_vector(0, 1.0f);
    ggml_tensor * dst = vector_on(device);
    ggml_backend_tensor_copy_async(host, device, src, dst);
    fill(src, 2.0f);
    ggml_backend_synchronize(device);
    EXPECT_EQ(first(dst), 2.0f);
}

TEST_F(SimCopies, ACopyRunsAfterWhatItsSourceHasQueued) {
    int device = 0;
    for (ggml_sim_profile profile : {cuda, vulkan, no_events, uma}) {
        SCOPED_TRACE(ggml_sim_profile_name(profile));
        ggml_backend_t src = backend(device, profile);
        ggml_backend_t dst = backend(device++, profile);
        ggml_tensor * one = vector_on(src, 1.0f);
        ggml_tensor * made = vector_on(src);
        ggml_tensor * copied = vector_on(dst);
        ggml_tensor * out = vector_on(dst);
        launch_scale(src, one, 2.0f, made);
        ggml_backend_tensor_copy_async(src, dst, made, copied);
        launch_scale(dst, copied, 2.0f, out); // after the copy, with no event
        EXPECT_TRUE(is_garbage(copied));
        ggml_backend_synchronize(dst);
        EXPECT_EQ(first(out), 4.0f);
    }
}

TEST_F(SimCopies, CopyOnTheSourcesQueueOverwritesTheTarget) {
    for (ggml_sim_profile profile : {cuda, no_events, uma}) {
        SCOPED_TRACE(ggml_sim_profile_name(profile));
        const int device = 2 * (int) profile;
        ggml_backend_t src = backend(device, profile);
        ggml_backend_t dst = backend(device + 1, profile);
        ggml_tensor * next = vector_on(src, 2.0f);
        ggml_tensor * slot = vector_on(dst, 1.0f);
        ggml_tensor * out = vector_on(dst);
        launch_scale(dst, slot, 10.0f, out);
        ggml_backend_tensor_copy_async(src, dst, next, slot);
        ggml_backend_synchronize(src);
        ggml_backend_synchronize(dst);
        EXPECT_EQ(first(out), 20.0f); // not 10
    }
}

TEST_F(SimCopies, ACopyOnTheDestinationsQueueKeepsItsOrder) {
    ggml_backend_t src = backend(0, vulkan);
    ggml_backend_t dst = backend(0, vulkan);
    ggml_tensor * next = vector_on(src, 2.0f);
    ggml_tensor * slot = vector_on(dst, 1.0f);
    ggml_tensor * out = vector_on(dst);
    launch_scale(dst, slot, 10.0f, out);
    ggml_backend_tensor_copy_async(src, dst, next, slot);
    ggml_backend_synchronize(src);
    EXPECT_EQ(first(slot), 1.0f); // the source's queue has nothing to do with it
    ggml_backend_synchronize(dst);
    EXPECT_EQ(first(out), 10.0f);
    EXPECT_EQ(first(slot), 2.0f);
}

TEST_F(SimCopies, OverwritingASourceBeforeTheCopyHasReadItShows) {
    ggml_backend_t src = backend(0, vulkan);
    ggml_backend_t dst = backend(0, vulkan);
    ggml_tensor * one = vector_on(src, 1.0f);
    ggml_tensor * value = vector_on(src, 5.0f);
    ggml_tensor * copied = vector_on(dst);
    ggml_backend_tensor_copy_async(src, dst, value, copied);
    launch_scale(src, one, 7.0f, value); // the copy runs on dst: nothing protects its source
    ggml_backend_synchronize(src);
    ggml_backend_synchronize(dst);
    EXPECT_EQ(first(copied), 7.0f);
}

TEST_F(SimCopies, UmaCopiesHostBuffersInPlaceOfItsOwn) {
    ggml_backend_t src = backend(0, uma);
    ggml_backend_t dst = backend(1, uma);
    ggml_tensor * pageable = vector_in(ggml_backend_cpu_buffer_type());
    fill(pageable, 3.0f);
    EXPECT_TRUE(is_async(src, dst, pageable));
    EXPECT_TRUE(is_async(src, dst, pinned_vector(1, 4.0f)));
}

TEST_F(SimCopies, EventsReachWhereTheRegistrySays) {
    const auto reaches = proc<event_reaches_t>("ggml_backend_event_reaches");
    ASSERT_NE(reaches, nullptr);
    const ggml_sim_profile profiles[] = {cuda, uma, vulkan, no_events, no_async,
                                         cuda, uma, vulkan, no_events, no_async};
    constexpr int count = 10;
    ggml_backend_t queues[count];
    for (int i = 0; i < count; i++) {
        queues[i] = backend(i, profiles[i]);
    }
    auto in_family = [&](int i) { return profiles[i] == cuda || profiles[i] == uma; };
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < count; k++) {
            SCOPED_TRACE(std::to_string(i) + " waits, " + std::to_string(k) + " records");
            const bool expected = (in_family(i) && in_family(k)) || (i == k && profiles[i] == vulkan);
            EXPECT_EQ(reaches(ggml_backend_sim_device(k), ggml_backend_sim_device(i)), expected);
            if (profiles[i] == no_events || profiles[i] == no_async || profiles[k] == no_events ||
                profiles[k] == no_async) {
                continue;
            }
            ggml_backend_event_t event = event_of(k);
            ggml_backend_event_record(event, queues[k]);
            const uint64_t before = violations();
            ggml_backend_event_wait(queues[i], event);
            EXPECT_EQ(violations() - before, expected ? 0u : 1u);
        }
    }
    ggml_backend_dev_t host = ggml_backend_get_device(cpu());
    EXPECT_FALSE(reaches(host, ggml_backend_sim_device(0)));
    EXPECT_FALSE(reaches(ggml_backend_sim_device(0), host));
    EXPECT_FALSE(reaches(nullptr, nullptr));
    EXPECT_EQ(proc<void *>("no_such_function"), nullptr);
    expect_violations(violations());
}
