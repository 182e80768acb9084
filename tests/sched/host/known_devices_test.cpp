// known_devices: what the scheduler takes for granted of the devices of ggml, by the names of their registries.

#include <gtest/gtest.h>

#include <cstdlib>

#include "ggml-backend-impl.h"
#include "host/known_devices.h"
#include "host_system.h"

namespace ggml_sched::test {
namespace {

// Device - one with the names of a device of ggml
class Device {
  public:
    Device(const char * registry, const char * description, bool is_integrated = false) {
        reg_.api_version = GGML_BACKEND_API_VERSION;
        reg_.iface.get_name = [](ggml_backend_reg_t reg) { return static_cast<const char *>(reg->context); };
        reg_.context = const_cast<char *>(registry);
        device_.iface.get_description = [](ggml_backend_dev_t device) {
            return static_cast<const char *>(device->context);
        };
        device_.iface.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; };
        if (is_integrated) {
            device_.iface.get_type = [](ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_IGPU; };
        }
        device_.reg = &reg_;
        device_.context = const_cast<char *>(description);
    }

    ggml_backend_dev_t get() { return &device_; }

  private:
    ggml_backend_reg reg_ = {};
    ggml_backend_device device_ = {};
};

constexpr const char * kQueueForTransfers = "GGML_VK_ASYNC_USE_TRANSFER_QUEUE";

TEST(KnownDevices, CopyInTheOrderOfTheirQueue) {
    for (const char * registry : {"CUDA", "ROCm", "MUSA", "Vulkan", "RPC", "SIM"}) {
        EXPECT_FALSE(host::known_to_overtake(Device(registry, "NVIDIA H200").get())) << registry;
    }
    EXPECT_FALSE(host::known_to_overtake(Device("ROCm", "AMD Instinct MI300X").get()));
}

TEST(KnownDevices, CopyOutOfOrderWhereVulkanHasAQueueForTransfers) {
    EXPECT_TRUE(host::known_to_overtake(Device("Vulkan", "AMD Radeon RX 7900 XTX (RADV NAVI31)").get()));
    EXPECT_TRUE(host::known_to_overtake(Device("Vulkan", "Radeon RX 9070 XT").get()));
    EXPECT_FALSE(host::known_to_overtake(Device("Vulkan", "AMD Radeon 890M Graphics", true).get()));
    for (const char * value : {"1", ""}) { // ggml looks only whether it is there.
        ASSERT_TRUE(platform::set_env(kQueueForTransfers, value));
        if (!std::getenv(kQueueForTransfers)) {
            continue; // Windows has no empty variables.
        }
        EXPECT_TRUE(host::known_to_overtake(Device("Vulkan", "NVIDIA H200").get()));
        EXPECT_FALSE(host::known_to_overtake(Device("CUDA", "NVIDIA H200").get()));
    }
    ASSERT_TRUE(platform::unset_env(kQueueForTransfers));
    EXPECT_FALSE(host::known_to_overtake(Device("Vulkan", "NVIDIA H200").get()));
}

TEST(KnownDevices, KeepRecordsIfTheyAreVulkans) {
    EXPECT_TRUE(host::known_to_keep_records(Device("Vulkan", "NVIDIA H200").get()));
    for (const char * registry : {"CUDA", "ROCm", "MUSA", "RPC", "SIM"}) {
        EXPECT_FALSE(host::known_to_keep_records(Device(registry, "NVIDIA H200").get())) << registry;
    }
}

TEST(KnownDevices, CopyBesideLaunchesUnlessTheyAreVulkans) {
    EXPECT_TRUE(host::known_to_overlap(Device("CUDA", "NVIDIA H200").get()));
    EXPECT_FALSE(host::known_to_overlap(Device("Vulkan", "NVIDIA H200").get()));
}

} // namespace
} // namespace ggml_sched::test
