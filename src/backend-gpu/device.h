// device.h - the devices of one vendor, their memory and their events.
//
// Devices, buffer types and the registry are made when they are first asked for and live as long as the process.
// Threading: everything here may be used from any thread.

#pragma once

#include "ggml-backend-impl.h"
#include "vendor.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

// Logs what failed, with the vendor's text, and forgets the error. `advice` says what to do.
bool succeeded(Error error, const char * device, const char * what);

class Device {
  public:
    Device(int index, const DeviceInfo & info);
    Device(const Device &) = delete;
    Device & operator=(const Device &) = delete;

    int index() const { return index_; }
    const char * name() const { return name_.c_str(); }
    const DeviceInfo & info() const { return info_; }
    ggml_backend_dev_t handle() { return &handle_; }
    ggml_backend_buffer_type_t buffer_type() { return &buffer_type_; }

    // Makes it the calling thread's. False, and a line in the log, if that fails.
    bool select() const;

    // Calls enqueue(stream), which returns an Error, on a stream of the device's own and waits. False, and a line in
    // the log, if anything fails. Calls from several threads take turns.
    template <class F> bool run_blocking(const char * what, const F & enqueue) {
        const std::lock_guard<std::mutex> lock(transfer_mutex_);
        return select() && has_transfer_stream() && succeeded(enqueue(transfer_stream_), name(), what) &&
               succeeded(synchronize_stream(transfer_stream_), name(), what);
    }

    // For tests: how many launches until one fails; 0: none does.
    void fail_launch(int n) { launches_until_failure_ = n; }
    bool is_launch_to_fail();

  private:
    bool has_transfer_stream();

    int index_;
    std::string name_;
    DeviceInfo info_;
    ggml_backend_device handle_;
    ggml_backend_buffer_type buffer_type_;
    std::atomic<int> launches_until_failure_{0};
    std::mutex transfer_mutex_;
    Stream transfer_stream_ = nullptr;
};

// All devices of the vendor; none where there is no driver.
const std::vector<std::unique_ptr<Device>> & devices();
ggml_backend_reg_t registry();

// NULL for devices, backends and buffers of others
Device * device_of(ggml_backend_dev_t device);
// The device whose memory holds the tensor; NULL for host memory and that of other vendors
Device * device_of_memory(const ggml_tensor * tensor);
bool is_in_host_memory(const ggml_tensor * tensor);
inline char * address(const ggml_tensor * tensor, size_t offset) {
    return static_cast<char *>(tensor->data) + offset;
}

// Pinned memory, the same type for all devices; NULL if there are none
ggml_backend_buffer_type_t host_buffer_type();
// Memory of the caller as a buffer of that type, pinned for as long as the buffer lives; NULL, and a line in the log,
// where it cannot be. The last argument says nothing here.
ggml_backend_buffer_t buffer_from_host_ptr(ggml_backend_dev_t device, void * memory, size_t size,
                                           size_t max_tensor_size);
ggml_backend_buffer_type make_buffer_type(Device & device);

// Lets `device` reach the memory of `peer`, where the hardware can; otherwise the driver stages copies.
void connect(const Device & device, const Device & peer);

// The members of a device that concern events
ggml_backend_event_t event_new(ggml_backend_dev_t device);
void event_free(ggml_backend_dev_t device, ggml_backend_event_t event);
void event_synchronize(ggml_backend_dev_t device, ggml_backend_event_t event);

// Pins the pages that hold the bytes, read-only ones too where the device can. False, and a line in the log, where that
// is impossible: one of them is pinned already, say.
bool register_host_memory(void * memory, size_t size);
void unregister_host_memory(void * memory);

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
