// known_devices: what the scheduler takes for granted of the devices of ggml, by the names of their registries.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "ggml-backend-impl.h"
#include "host/known_devices.h"
#include "host/tuning.h"
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

constexpr size_t kWritten = 4096;

// Memory - how a fake device takes writes.
enum class Memory {
    Quick,
    QuickLater, // The first write is slow.
    Slow,
    Throwing, // Each write throws std::bad_alloc.
    None,     // An allocation returns NULL.
};

// BufferType - a buffer type that counts its buffers. A buffer keeps only its first bytes, however large it is.
class BufferType {
  public:
    explicit BufferType(Memory memory, size_t max_size = SIZE_MAX)
        : memory_(memory)
        , max_size_(max_size) {
        buft_.iface.get_name = [](ggml_backend_buffer_type_t) { return "fake"; };
        buft_.iface.alloc_buffer = allocate;
        buft_.iface.get_max_size = [](ggml_backend_buffer_type_t buft) { return of(buft).max_size_; };
        buft_.context = this;
    }

    ggml_backend_buffer_type_t get() { return &buft_; }
    int n_allocated() const { return n_allocated_; }
    int n_freed() const { return n_freed_; }
    int n_writes() const { return n_writes_; }
    size_t size() const { return size_; } // the size that was asked for last

  private:
    static BufferType & of(ggml_backend_buffer_type_t buft) { return *static_cast<BufferType *>(buft->context); }

    static ggml_backend_buffer_t allocate(ggml_backend_buffer_type_t buft, size_t size) {
        BufferType & type = of(buft);
        type.size_ = size;
        if (type.memory_ == Memory::None) {
            return nullptr;
        }
        ggml_backend_buffer_i iface = {};
        iface.free_buffer = [](ggml_backend_buffer_t buffer) { of(buffer->buft).n_freed_++; };
        iface.get_base = [](ggml_backend_buffer_t buffer) -> void * { return of(buffer->buft).bytes_; };
        iface.set_tensor = [](ggml_backend_buffer_t buffer, ggml_tensor *, const void * data, size_t offset,
                              size_t bytes) { of(buffer->buft).write(data, offset, bytes); };
        type.n_allocated_++;
        return ggml_backend_buffer_init(buft, iface, nullptr, size);
    }

    void write(const void * data, size_t offset, size_t bytes) {
        ASSERT_EQ(offset, 0u);
        ASSERT_EQ(bytes, kWritten);
        const bool is_first = n_writes_++ == 0;
        if (memory_ == Memory::Throwing) {
            throw std::bad_alloc();
        }
        if (memory_ == Memory::Slow || (memory_ == Memory::QuickLater && is_first)) {
            using Clock = std::chrono::steady_clock;
            const std::chrono::duration<double, std::micro> time(5 * Tuning::kHostWriteUs);
            for (const Clock::time_point begin = Clock::now(); Clock::now() - begin < time;) {
            }
        }
        std::memcpy(bytes_, data, bytes);
    }

    ggml_backend_buffer_type buft_ = {};
    Memory memory_;
    size_t max_size_;
    size_t size_ = 0;
    int n_allocated_ = 0;
    int n_freed_ = 0;
    int n_writes_ = 0;
    char bytes_[kWritten] = {};
};

constexpr const char * kQueueForTransfers = "GGML_VK_ASYNC_USE_TRANSFER_QUEUE";

TEST(KnownDevices, LetTheHostWriteIfOneOfAFewWritesIsQuick) {
    for (const Memory memory : {Memory::Quick, Memory::QuickLater}) {
        BufferType buft(memory);
        EXPECT_TRUE(host::known_host_writes(Device("Vulkan", "NVIDIA H200").get(), buft.get()));
        EXPECT_GT(buft.n_writes(), 1);
        EXPECT_EQ(buft.n_allocated(), 1);
        EXPECT_EQ(buft.n_freed(), 1);
    }
}

TEST(KnownDevices, DoNotLetTheHostWriteIfAllWritesAreSlow) {
    BufferType buft(Memory::Slow);
    EXPECT_FALSE(host::known_host_writes(Device("Vulkan", "NVIDIA H200").get(), buft.get()));
    EXPECT_GT(buft.n_writes(), 1);
    EXPECT_EQ(buft.n_allocated(), 1);
    EXPECT_EQ(buft.n_freed(), 1);
}

TEST(KnownDevices, DoNotLetTheHostWriteIfMemoryRunsOut) {
    BufferType none(Memory::None);
    EXPECT_FALSE(host::known_host_writes(Device("Vulkan", "NVIDIA H200").get(), none.get()));
    EXPECT_EQ(none.size(), Tuning::kBeyondWindow);
    BufferType throwing(Memory::Throwing);
    EXPECT_FALSE(host::known_host_writes(Device("Vulkan", "NVIDIA H200").get(), throwing.get()));
    EXPECT_EQ(throwing.n_writes(), 1);
    EXPECT_EQ(throwing.n_allocated(), 1);
    EXPECT_EQ(throwing.n_freed(), 1);
}

TEST(KnownDevices, AreTriedWithABufferBeyondTheWindow) {
    const size_t window = Tuning::kBeyondWindow;
    for (const size_t max_size : {SIZE_MAX, window + 1, window - 1, window / 5}) {
        BufferType buft(Memory::Quick, max_size);
        EXPECT_TRUE(host::known_host_writes(Device("Vulkan", "NVIDIA H200").get(), buft.get()));
        EXPECT_EQ(buft.size(), max_size < window ? max_size : window);
        EXPECT_EQ(buft.n_freed(), 1);
    }
}

TEST(KnownDevices, DoNotLetTheHostWriteUnlessTheyAreVulkans) {
    for (const char * registry : {"CUDA", "ROCm", "MUSA", "RPC", "SIM"}) {
        BufferType buft(Memory::Quick);
        EXPECT_FALSE(host::known_host_writes(Device(registry, "NVIDIA H200").get(), buft.get())) << registry;
        EXPECT_EQ(buft.n_allocated(), 0) << registry;
    }
}

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
