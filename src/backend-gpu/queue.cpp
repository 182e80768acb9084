#include "queue.h"

#include "ggml-impl.h"
#include "kernels/kernels.h"

#include <new>
#include <utility>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

const char * text_of(int32_t fault) {
    return fault == kBadExpertIndex ? "an expert's index is not one of the matrices"
                                    : "an index is not one of the rows";
}

} // namespace

std::unique_ptr<Queue> Queue::open(Device & device) {
    std::unique_ptr<Queue> queue(new (std::nothrow) Queue(device));
    if (queue == nullptr) {
        GGML_LOG_ERROR("%s: no host memory for a backend; close other programs\n", device.name());
        return nullptr;
    }
    void * fault = nullptr;
    if (!device.select() || !succeeded(create_stream(&queue->stream_), device.name(), "making a stream") ||
        !succeeded(create_event(&queue->reached_), device.name(), "making an event") ||
        !succeeded(allocate_host(&fault, sizeof(int32_t)), device.name(), "allocating pinned memory")) {
        return nullptr;
    }
    queue->fault_ = static_cast<int32_t *>(fault);
    *queue->fault_ = kNoFault;
    return queue;
}

Queue::~Queue() {
    if (!device_.select()) {
        return;
    }
    if (stream_ != nullptr) {
        (void) succeeded(synchronize_stream(stream_), device_.name(), "waiting for a stream that is freed");
    }
    graphs_.clear();
    blas_.close();
    if (reached_ != nullptr) {
        (void) succeeded(destroy_event(reached_), device_.name(), "freeing an event");
    }
    if (stream_ != nullptr) {
        (void) succeeded(destroy_stream(stream_), device_.name(), "freeing a stream");
    }
    if (fault_ != nullptr) {
        (void) succeeded(free_host(fault_), device_.name(), "freeing pinned memory");
    }
}

bool Queue::select() {
    return !is_broken_ && check(set_device(device_.index()), "choosing the device");
}

bool Queue::check(Error error, const char * what) {
    if (succeeded(error, device_.name(), what)) {
        return true;
    }
    has_failed_ = true;
    if (!is_usable(stream_)) {
        is_broken_ = true;
        GGML_LOG_ERROR("%s: the device is out of order; end the process and start it again\n", device_.name());
    }
    return false;
}

void Queue::synchronize() {
    if (select()) {
        check(synchronize_stream(stream_), "waiting for the stream");
    }
}

void Queue::let_wait(Queue & other) {
    if (this == &other || !select()) {
        return;
    }
    if (!check(record_event(reached_, stream_), "recording an event") || !other.select() ||
        !other.check(wait_event(other.stream_, reached_), "waiting for an event")) {
        other.note_failure();
    }
}

bool Queue::may_launch() {
    const char * name = device_.name();
    if (device_.is_launch_to_fail()) {
        GGML_LOG_ERROR("%s: the launch fails, as ggml_backend_gpu_fail_launch asked for\n", name);
        return false;
    }
    if (is_broken_) {
        GGML_LOG_ERROR("%s: the device is out of order; end the process and start it again\n", name);
        return false;
    }
    const int32_t fault = *static_cast<volatile int32_t *>(fault_);
    if ((fault == kNoFault && !has_failed_) || was_told_) {
        forget_failure();
        return true;
    }
    was_told_ = true;
    if (fault != kNoFault) {
        GGML_LOG_ERROR("%s: in an earlier launch %s; give valid indices. This launch is not started\n", name,
                       text_of(fault));
    } else {
        GGML_LOG_ERROR("%s: an earlier operation has failed, see the log above; this launch is not started\n", name);
    }
    return false;
}

void Queue::forget_failure() {
    *static_cast<volatile int32_t *>(fault_) = kNoFault;
    has_failed_ = false;
    was_told_ = false;
}

bool Queue::take_failure(uint64_t & mark) {
    const int32_t fault = *static_cast<volatile int32_t *>(fault_);
    const bool has_failed = fault != kNoFault || has_failed_;
    if (fault != kNoFault && !was_told_) {
        GGML_LOG_ERROR("%s: in an earlier launch %s; give valid indices\n", device_.name(), text_of(fault));
    }
    if (has_failed) {
        forget_failure();
    }
    std::swap(mark, mark_);
    return has_failed;
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
