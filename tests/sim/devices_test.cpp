// Devices, their configuration, and what they say about themselves.

#include "sim_fixture.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

using SimDevices = SimTest;

TEST_F(SimDevices, ProfilesHaveNames) {
    for (int i = 0; i < GGML_SIM_PROFILE_COUNT; i++) {
        const auto profile = (ggml_sim_profile) i;
        EXPECT_EQ(ggml_sim_profile_from_name(ggml_sim_profile_name(profile)), profile);
        EXPECT_EQ(ggml_sim_config_default(profile).profile, profile);
    }
    EXPECT_EQ(ggml_sim_profile_name(GGML_SIM_PROFILE_COUNT), nullptr);
    EXPECT_EQ(ggml_sim_profile_from_name("metal"), GGML_SIM_PROFILE_COUNT);
    EXPECT_EQ(ggml_sim_profile_from_name(nullptr), GGML_SIM_PROFILE_COUNT);
}

TEST_F(SimDevices, CapabilitiesAreThoseOfTheProfile) {
    struct Row {
        ggml_sim_profile profile;
        bool async, host_buffer, events;
        enum ggml_backend_dev_type type;
    };
    const Row rows[] = {
        {GGML_SIM_PROFILE_CUDA, true, true, true, GGML_BACKEND_DEVICE_TYPE_GPU},
        {GGML_SIM_PROFILE_VULKAN, true, true, true, GGML_BACKEND_DEVICE_TYPE_GPU},
        {GGML_SIM_PROFILE_NO_EVENTS, true, true, false, GGML_BACKEND_DEVICE_TYPE_GPU},
        {GGML_SIM_PROFILE_NO_ASYNC, false, false, false, GGML_BACKEND_DEVICE_TYPE_GPU},
        {GGML_SIM_PROFILE_UMA, true, true, true, GGML_BACKEND_DEVICE_TYPE_IGPU},
    };
    int device = 0;
    for (const Row & row : rows) {
        SCOPED_TRACE(ggml_sim_profile_name(row.profile));
        const std::string name = "SIM" + std::to_string(device);
        ggml_backend_t queue = backend(device, row.profile);
        ggml_backend_dev_t dev = ggml_backend_sim_device(device++);
        ggml_backend_dev_props props = {};
        ggml_backend_dev_get_props(dev, &props);
        EXPECT_EQ(props.name, name);
        EXPECT_EQ(ggml_backend_name(queue), name);
        EXPECT_NE(std::strstr(props.description, ggml_sim_profile_name(row.profile)), nullptr);
        EXPECT_EQ(props.type, row.type);
        EXPECT_EQ(props.caps.async, row.async);
        EXPECT_EQ(props.caps.host_buffer, row.host_buffer);
        EXPECT_EQ(props.caps.events, row.events);
        EXPECT_EQ(ggml_backend_dev_host_buffer_type(dev) != nullptr, row.host_buffer);
        ggml_backend_event_t event = ggml_backend_event_new(dev);
        EXPECT_EQ(event != nullptr, row.events);
        ggml_backend_event_free(event);
        EXPECT_TRUE(ggml_backend_is_sim(queue));
        EXPECT_EQ(ggml_backend_get_device(queue), dev);
    }
    EXPECT_FALSE(ggml_backend_is_sim(cpu()));
    EXPECT_FALSE(ggml_backend_is_sim(nullptr));
}

TEST_F(SimDevices, OnlyUmaTakesHostBuffers) {
    for (int i = 0; i < GGML_SIM_PROFILE_COUNT; i++) {
        const auto profile = (ggml_sim_profile) i;
        SCOPED_TRACE(ggml_sim_profile_name(profile));
        ggml_backend_t queue = backend(i, profile);
        backend(i + GGML_SIM_PROFILE_COUNT, profile);
        ggml_backend_dev_t other = ggml_backend_sim_device(i + GGML_SIM_PROFILE_COUNT);
        const bool is_uma = profile == GGML_SIM_PROFILE_UMA;
        EXPECT_TRUE(ggml_backend_supports_buft(queue, ggml_backend_get_default_buffer_type(queue)));
        EXPECT_FALSE(ggml_backend_supports_buft(queue, ggml_backend_dev_buffer_type(other)));
        EXPECT_EQ(ggml_backend_supports_buft(queue, ggml_backend_cpu_buffer_type()), is_uma);
        if (ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(other)) {
            EXPECT_EQ(ggml_backend_supports_buft(queue, pinned), is_uma);
        }
    }
}

TEST_F(SimDevices, SupportsWhatTheCpuSupports) {
    ggml_backend_t device = backend(0);
    ggml_backend_t host = cpu();
    ggml_tensor * f32 = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 32, 2);
    ggml_tensor * i32 = ggml_new_tensor_2d(ctx(), GGML_TYPE_I32, 32, 2);
    ggml_tensor * supported = ggml_mul_mat(ctx(), f32, f32);
    ggml_tensor * odd = ggml_scale(ctx(), f32, 1.0f);
    odd->src[0] = i32;
    EXPECT_TRUE(ggml_backend_supports_op(device, supported));
    EXPECT_FALSE(ggml_backend_supports_op(host, odd));
    EXPECT_FALSE(ggml_backend_supports_op(device, odd));
}

TEST_F(SimDevices, RefuseFunctionsOfTheProgram) {
    const auto forbidden = [](ggml_tensor *, int, int, void *) { FAIL() << "a device has called the function"; };
    for (int i = 0; i < GGML_SIM_PROFILE_COUNT; i++) {
        ggml_backend_t device = backend(i, (ggml_sim_profile) i);
        ggml_tensor * a = vector_on(device, 1.0f);
        ggml_tensor * node = ggml_custom_4d(ctx(), GGML_TYPE_F32, n, 1, 1, 1, &a, 1, forbidden, 1, nullptr);
        EXPECT_TRUE(ggml_backend_supports_op(cpu(), node));
        EXPECT_FALSE(ggml_backend_supports_op(device, node));
        place(node, ggml_backend_get_default_buffer_type(device));
        EXPECT_EQ(ggml_backend_graph_compute(device, graph_of(node)), GGML_STATUS_FAILED);
        EXPECT_TRUE(was_logged("(CUSTOM) calls a function of the program"));
        launch_scale(device, a, 2.0f, a); // The device works as before.
        ggml_backend_synchronize(device);
        EXPECT_EQ(first(a), 2.0f);
    }
}

TEST_F(SimDevices, ConcatenateAsTheCpuDoes) {
    ggml_backend_t device = backend(0);
    ggml_tensor * node = ggml_concat(ctx(), vector_on(device, 1.0f), vector_on(device, 2.0f), 0);
    EXPECT_TRUE(ggml_backend_supports_op(device, node));
    place(node, ggml_backend_get_default_buffer_type(device));
    ASSERT_EQ(ggml_backend_graph_compute(device, graph_of(node)), GGML_STATUS_SUCCESS);
    const std::vector<float> result = values(node);
    EXPECT_EQ(result.front(), 1.0f);
    EXPECT_EQ(result.back(), 2.0f);
}

TEST_F(SimDevices, OffloadsLargeProductsWhereConfigured) {
    ggml_backend_t device = backend(0);
    ggml_tensor * w = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 8, 4);
    auto product = [&](int64_t rows) {
        return ggml_mul_mat(ctx(), w, ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, 8, rows));
    };
    auto experts = [&](int64_t tokens) {
        return ggml_mul_mat_id(ctx(), ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, 8, 4, 3),
                               ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, 8, 2, tokens),
                               ggml_new_tensor_2d(ctx(), GGML_TYPE_I32, 2, tokens));
    };
    EXPECT_TRUE(ggml_backend_offload_op(device, product(32)));
    EXPECT_FALSE(ggml_backend_offload_op(device, product(31)));
    EXPECT_TRUE(ggml_backend_offload_op(device, experts(32)));
    EXPECT_FALSE(ggml_backend_offload_op(device, experts(31)));
    EXPECT_FALSE(ggml_backend_offload_op(device, ggml_scale(ctx(), w, 2.0f)));
    free_backend(device);
    ggml_sim_config cfg = config(GGML_SIM_PROFILE_CUDA);
    cfg.offload = false;
    ASSERT_TRUE(ggml_backend_sim_configure(0, &cfg));
    EXPECT_FALSE(ggml_backend_dev_offload_op(ggml_backend_sim_device(0), product(32)));
}

TEST_F(SimDevices, AreConfiguredOnlyWhileNothingOfThemIsAlive) {
    const ggml_sim_config cfg = config(GGML_SIM_PROFILE_VULKAN);
    ggml_backend_t queue = backend(0);
    EXPECT_FALSE(ggml_backend_sim_configure(0, &cfg));
    EXPECT_TRUE(was_logged("SIM0 is in use: free its 1 backends, 0 buffers and 0 events first"));
    ggml_tensor * device_memory = vector_on(queue);
    free_backend(queue);
    EXPECT_FALSE(ggml_backend_sim_configure(0, &cfg));
    ggml_tensor * pinned = pinned_vector(0, 1.0f);
    free_buffer_of(device_memory);
    EXPECT_FALSE(ggml_backend_sim_configure(0, &cfg));
    ggml_backend_event_t event = event_of(0);
    free_buffer_of(pinned);
    EXPECT_FALSE(ggml_backend_sim_configure(0, &cfg));
    free_event(event);
    for (int i = 0; i < 3 * GGML_SIM_PROFILE_COUNT; i++) {
        const ggml_sim_config next = config((ggml_sim_profile) (i % GGML_SIM_PROFILE_COUNT));
        ASSERT_TRUE(ggml_backend_sim_configure(0, &next));
        ggml_backend_t device = ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr);
        ggml_tensor * a = vector_on(device, 2.0f);
        launch_scale(device, a, 2.0f, a);
        ggml_backend_synchronize(device);
        EXPECT_EQ(first(a), 4.0f);
        free_buffer_of(a);
        ggml_backend_free(device);
    }
}

TEST_F(SimDevices, RefuseConfigurationsThatMakeNoSense) {
    auto refused = [&](auto change) {
        ggml_sim_config cfg = config(GGML_SIM_PROFILE_CUDA);
        change(cfg);
        return !ggml_backend_sim_configure(0, &cfg);
    };
    EXPECT_FALSE(refused([](ggml_sim_config &) {}));
    EXPECT_TRUE(refused([](ggml_sim_config & c) { c.profile = GGML_SIM_PROFILE_COUNT; }));
    EXPECT_TRUE(refused([](ggml_sim_config & c) { c.memory_bytes = 0; }));
    EXPECT_TRUE(refused([](ggml_sim_config & c) { c.flops_per_us = 0; }));
    EXPECT_TRUE(refused([](ggml_sim_config & c) { c.bytes_per_us = -1; }));
    EXPECT_TRUE(refused([](ggml_sim_config & c) { c.link_bytes_per_us = NAN; }));
    EXPECT_TRUE(refused([](ggml_sim_config & c) { c.launch_us = -1; }));
    EXPECT_FALSE(ggml_backend_sim_configure(0, nullptr));
    const ggml_sim_config good = config(GGML_SIM_PROFILE_CUDA);
    EXPECT_FALSE(ggml_backend_sim_configure(-1, &good));
    EXPECT_FALSE(ggml_backend_sim_configure(GGML_SIM_MAX_DEVICES, &good));
    EXPECT_EQ(ggml_backend_sim_device(-1), nullptr);
    EXPECT_EQ(ggml_backend_sim_device(GGML_SIM_MAX_DEVICES), nullptr);
    ggml_backend_sim_get_counters(nullptr);
}

TEST_F(SimDevices, AllCanBeUsedAtOnce) {
    ggml_backend_t queues[GGML_SIM_MAX_DEVICES];
    ggml_tensor * values_on[GGML_SIM_MAX_DEVICES];
    for (int i = 0; i < GGML_SIM_MAX_DEVICES; i++) {
        queues[i] = backend(i);
        values_on[i] = vector_on(queues[i]);
    }
    fill(values_on[0], 1.0f);
    for (int i = 0; i + 1 < GGML_SIM_MAX_DEVICES; i++) {
        ggml_backend_tensor_copy_async(queues[i], queues[i + 1], values_on[i], values_on[i + 1]);
    }
    ggml_backend_synchronize(queues[GGML_SIM_MAX_DEVICES - 1]);
    EXPECT_EQ(first(values_on[GGML_SIM_MAX_DEVICES - 1]), 1.0f);
    EXPECT_STREQ(ggml_backend_name(queues[GGML_SIM_MAX_DEVICES - 1]), "SIM63");
}

// In a process of its own, in which nobody has asked for a simulated device yet
TEST(SimListingDeathTest, DevicesAreListedAfterTheirFirstMention) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    auto check = [] {
        ggml_backend_t best = ggml_backend_init_best();
        bool ok = ggml_backend_is_cpu(best) && ggml_backend_dev_by_name("SIM3") == nullptr;
        ggml_backend_free(best);
        ggml_backend_dev_t device = ggml_backend_sim_device(3);
        ok = ok && ggml_backend_dev_by_name("SIM3") == device && ggml_backend_dev_by_name("SIM0") == nullptr;
        ok = ok && ggml_backend_reg_dev_count(ggml_backend_sim_reg()) == 1 &&
             ggml_backend_reg_dev_get(ggml_backend_sim_reg(), 0) == device;
        const size_t count = ggml_backend_dev_count();
        ok = ok && ggml_backend_sim_device(3) == device && ggml_backend_dev_count() == count;
        std::exit(ok ? 0 : 1);
    };
    EXPECT_EXIT(check(), ::testing::ExitedWithCode(0), "");
}
