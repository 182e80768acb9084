#include "test_backend_fakes.h"

#include <thread>

using fakes::FakeBackend;
using fakes::FakeDevice;
using fakes::LogCapture;

namespace {

// Lives as long as the registry that refers to it.
struct FakeReg {
    ggml_backend_reg reg = {};
    FakeDevice devices[2];

    explicit FakeReg(int version = GGML_BACKEND_API_VERSION) {
        reg.api_version = version;
        reg.context = this;
        devices[0].name = "Fake0";
        devices[1].name = "Fake1";
        reg.iface.get_name = [](ggml_backend_reg_t) { return "FakeReg"; };
        reg.iface.get_device_count = [](ggml_backend_reg_t) { return size_t{2}; };
        reg.iface.get_device = [](ggml_backend_reg_t r, size_t i) {
            return &static_cast<FakeReg *>(r->context)->devices[i].device;
        };
    }
};

FakeReg & registered() {
    static FakeReg reg;
    ggml_backend_register(&reg.reg);
    return reg;
}

} // namespace

TEST(Registry, FindsWhatWasRegisteredWhateverTheCase) {
    FakeReg & fake = registered();
    EXPECT_EQ(ggml_backend_reg_by_name("fakereg"), &fake.reg);
    EXPECT_EQ(ggml_backend_dev_by_name("FAKE1"), &fake.devices[1].device);
    EXPECT_EQ(ggml_backend_dev_by_name("FAKE"), nullptr) << "a prefix is another name";
    EXPECT_EQ(ggml_backend_dev_by_name("FAKE12"), nullptr);
    EXPECT_EQ(ggml_backend_reg_by_name("nobody"), nullptr);
    EXPECT_EQ(ggml_backend_init_by_name("nobody", nullptr), nullptr);
}

TEST(Registry, ContainsEachBackendAndDeviceOnce) {
    FakeReg & fake = registered();
    const size_t n_regs = ggml_backend_reg_count();
    const size_t n_devices = ggml_backend_dev_count();
    ggml_backend_register(&fake.reg);
    ggml_backend_device_register(&fake.devices[0].device);
    EXPECT_EQ(ggml_backend_reg_count(), n_regs);
    EXPECT_EQ(ggml_backend_dev_count(), n_devices);
    EXPECT_EQ(ggml_backend_reg_get(n_regs), nullptr);
    EXPECT_EQ(ggml_backend_dev_get(n_devices), nullptr);
    EXPECT_EQ(ggml_backend_reg_dev_get(&fake.reg, 2), nullptr);
    EXPECT_EQ(ggml_backend_reg_dev_get(&fake.reg, 1), &fake.devices[1].device);
}

TEST(Registry, HasTheBackendsThatTheLibraryWasBuiltWith) {
    EXPECT_NE(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), nullptr);
    EXPECT_NE(ggml_backend_reg_by_name("CPU"), nullptr);
    EXPECT_NE(ggml_backend_reg_by_name("SIM"), nullptr);
    ggml_backend_t best = ggml_backend_init_best();
    EXPECT_NE(best, nullptr);
    ggml_backend_free(best);
}

TEST(Registry, RefusesBackendsOfAnotherInterfaceVersion) {
    static FakeReg fake(GGML_BACKEND_API_VERSION + 1);
    const LogCapture log;
    const size_t n_regs = ggml_backend_reg_count();
    ggml_backend_register(&fake.reg);
    EXPECT_EQ(ggml_backend_reg_count(), n_regs);
    EXPECT_EQ(log.n_errors(), 1);
}

TEST(Registry, CanBeUsedFromManyThreads) {
    static FakeReg fakes[8];
    const size_t n_regs = ggml_backend_reg_count();
    std::vector<std::thread> threads;
    for (FakeReg & fake : fakes) {
        threads.emplace_back([&fake] {
            ggml_backend_register(&fake.reg);
            for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
                EXPECT_NE(ggml_backend_dev_get(i), nullptr);
            }
        });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    EXPECT_EQ(ggml_backend_reg_count(), n_regs + 8);
}

TEST(Registry, NullsAreLoggedAndHarmless) {
    const LogCapture log;
    EXPECT_NE(ggml_backend_reg_name(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_reg_dev_count(nullptr), 0U);
    EXPECT_EQ(ggml_backend_reg_dev_get(nullptr, 0), nullptr);
    EXPECT_EQ(ggml_backend_reg_get_proc_address(nullptr, "x"), nullptr);
    EXPECT_EQ(ggml_backend_reg_get_proc_address(&registered().reg, nullptr), nullptr);
    EXPECT_EQ(ggml_backend_reg_by_name(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_dev_by_name(nullptr), nullptr);
    ggml_backend_register(nullptr);
    ggml_backend_device_register(nullptr);
    EXPECT_EQ(log.n_errors(), 9);
    EXPECT_EQ(ggml_backend_reg_get_proc_address(&registered().reg, "x"), nullptr);
    EXPECT_EQ(log.n_errors(), 9);
}

TEST(Device, AnswersForOptionalMembersThatItLacks) {
    const LogCapture log;
    FakeDevice fake;
    ggml_tensor tensor = {};
    char memory[8];
    EXPECT_EQ(ggml_backend_dev_host_buffer_type(&fake.device), nullptr);
    EXPECT_FALSE(ggml_backend_dev_offload_op(&fake.device, &tensor));
    EXPECT_EQ(ggml_backend_event_new(&fake.device), nullptr);
    EXPECT_EQ(log.n_errors(), 0);
    EXPECT_EQ(ggml_backend_dev_buffer_from_host_ptr(&fake.device, memory, 8, 8), nullptr);
    EXPECT_EQ(log.n_errors(), 1);
    ggml_backend_dev_memory(&fake.device, nullptr, nullptr);
    ggml_backend_dev_props props;
    ggml_backend_dev_get_props(&fake.device, &props);
    EXPECT_STREQ(props.name, "FAKE");
    EXPECT_FALSE(props.caps.async);
    EXPECT_TRUE(ggml_backend_dev_supports_buft(&fake.device, &fake.memory.buft));
    EXPECT_FALSE(ggml_backend_dev_supports_buft(&fake.device, ggml_backend_cpu_buffer_type()));
}

TEST(Device, NullsAreLoggedAndHarmless) {
    const LogCapture log;
    size_t free = 5;
    size_t total = 5;
    EXPECT_NE(ggml_backend_dev_name(nullptr), nullptr);
    EXPECT_NE(ggml_backend_dev_description(nullptr), nullptr);
    ggml_backend_dev_memory(nullptr, &free, &total);
    EXPECT_EQ(free + total, 0U);
    EXPECT_EQ(ggml_backend_dev_type(nullptr), GGML_BACKEND_DEVICE_TYPE_META);
    ggml_backend_dev_get_props(nullptr, nullptr);
    EXPECT_EQ(ggml_backend_dev_backend_reg(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_dev_init(nullptr, nullptr), nullptr);
    EXPECT_EQ(ggml_backend_dev_buffer_type(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_dev_host_buffer_type(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_dev_buffer_from_host_ptr(nullptr, nullptr, 0, 0), nullptr);
    EXPECT_FALSE(ggml_backend_dev_supports_op(nullptr, nullptr));
    EXPECT_FALSE(ggml_backend_dev_supports_buft(nullptr, nullptr));
    EXPECT_FALSE(ggml_backend_dev_offload_op(nullptr, nullptr));
    EXPECT_EQ(log.n_errors(), 13);
}

TEST(Backend, NullsAreLoggedAndHarmless) {
    const LogCapture log;
    FakeBackend fake;
    EXPECT_EQ(ggml_backend_guid(nullptr), nullptr);
    EXPECT_NE(ggml_backend_name(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_get_device(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_get_default_buffer_type(nullptr), nullptr);
    EXPECT_EQ(ggml_backend_alloc_buffer(nullptr, 1), nullptr);
    EXPECT_EQ(ggml_backend_get_alignment(nullptr), 1U);
    EXPECT_EQ(ggml_backend_get_max_size(nullptr), 0U);
    ggml_backend_synchronize(nullptr);
    EXPECT_EQ(ggml_backend_graph_compute(nullptr, nullptr), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_graph_compute_async(&fake.backend, nullptr), GGML_STATUS_FAILED);
    EXPECT_FALSE(ggml_backend_supports_op(nullptr, nullptr));
    EXPECT_FALSE(ggml_backend_supports_buft(nullptr, nullptr));
    EXPECT_FALSE(ggml_backend_offload_op(nullptr, nullptr));
    ggml_backend_tensor_set_async(nullptr, nullptr, nullptr, 0, 0);
    ggml_backend_tensor_get_async(nullptr, nullptr, nullptr, 0, 0);
    ggml_backend_tensor_copy_async(nullptr, nullptr, nullptr, nullptr);
    EXPECT_EQ(log.n_errors(), 16);
    ggml_backend_free(nullptr);
    EXPECT_FALSE(ggml_guid_matches(nullptr, nullptr));
    EXPECT_EQ(log.n_errors(), 16);
}

TEST(Backend, IsSynchronizedBeforeItIsFreed) {
    FakeBackend fake;
    ggml_backend_free(&fake.backend);
    EXPECT_EQ(fake.calls, (std::vector<std::string>{"sync", "free"}));
}

TEST(Backend, ComputesAndThenWaitsButRefusesIncompleteGraphs) {
    const LogCapture log;
    FakeBackend fake;
    ggml_cgraph graph = {};
    EXPECT_EQ(ggml_backend_graph_compute_async(&fake.backend, &graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(fake.calls, (std::vector<std::string>{"graph"}));
    EXPECT_EQ(ggml_backend_graph_compute(&fake.backend, &graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(fake.calls, (std::vector<std::string>{"graph", "graph", "sync"}));
    graph.overflow = true;
    fake.calls.clear();
    EXPECT_EQ(ggml_backend_graph_compute_async(&fake.backend, &graph), GGML_STATUS_FAILED);
    EXPECT_TRUE(fake.calls.empty());
    EXPECT_EQ(log.n_errors(), 1);
}

TEST(Event, NullsAndBackendsWithoutEventsAreLogged) {
    const LogCapture log;
    FakeBackend fake;
    ggml_backend_event event = {&fake.device.device, nullptr};
    ggml_backend_event_record(nullptr, &fake.backend);
    ggml_backend_event_record(&event, nullptr);
    ggml_backend_event_record(&event, &fake.backend);
    ggml_backend_event_synchronize(nullptr);
    ggml_backend_event_synchronize(&event);
    ggml_backend_event_wait(nullptr, &event);
    ggml_backend_event_wait(&fake.backend, nullptr);
    ggml_backend_event_wait(&fake.backend, &event);
    EXPECT_EQ(log.n_errors(), 8);
    ggml_backend_event_free(nullptr);
    EXPECT_EQ(log.n_errors(), 8);
}
