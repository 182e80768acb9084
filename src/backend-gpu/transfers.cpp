// Asynchronous transfers and copies

#include "backend.h"
#include "ggml-impl.h"
#include "range.h"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

void count_if_pageable(const void * host) {
    if (!is_pinned(host)) {
        call_counts().add(Call::CopyPageable);
    }
}

// The queue's device holds the tensor, and something can be enqueued.
bool can_transfer(Queue & queue, const ggml_tensor * tensor) {
    if (device_of_memory(tensor) != &queue.device()) {
        GGML_LOG_ERROR("%s: tensor '%s' is not in this device's memory; transfer it on the backend that has it\n",
                       queue.device().name(), tensor->name);
        queue.note_failure();
        return false;
    }
    return queue.select();
}

// Host memory to the device, on the destination's queue
void copy_from_host(Queue & queue, const ggml_tensor * src, ggml_tensor * dst) {
    if (queue.select()) {
        count_if_pageable(src->data);
        queue.check(copy_to_device(dst->data, src->data, ggml_nbytes(src), queue.stream()), "copying from the host");
    }
}

// Device to device, on the source's queue
void copy_from_device(Queue & from, Queue & to, const ggml_tensor * src, ggml_tensor * dst) {
    const size_t size = ggml_nbytes(src);
    bool enqueued = false;
    if (&from.device() == &to.device()) {
        enqueued = from.select() && from.check(copy_within_device(dst->data, src->data, size, from.stream()),
                                               "copying within the device");
    } else {
        connect(from.device(), to.device());
        connect(to.device(), from.device());
        enqueued = from.select() && from.check(copy_to_peer(dst->data, to.device().index(), src->data,
                                                            from.device().index(), size, from.stream()),
                                               "copying to a peer");
    }
    if (enqueued) {
        from.let_wait(to);
    } else {
        to.note_failure();
    }
}

} // namespace

void set_tensor_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    const Range range("set");
    Queue & queue = queue_of(backend);
    if (can_transfer(queue, tensor)) {
        count_if_pageable(data);
        queue.check(copy_to_device(address(tensor, offset), data, size, queue.stream()), "writing a tensor");
    }
}

void get_tensor_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    const Range range("get");
    Queue & queue = queue_of(backend);
    if (can_transfer(queue, tensor)) {
        count_if_pageable(data);
        queue.check(copy_to_host(data, address(tensor, offset), size, queue.stream()), "reading a tensor");
    }
}

void set_tensor_2d_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data) {
    const Range range("set");
    Queue & queue = queue_of(backend);
    if (can_transfer(queue, tensor)) {
        count_if_pageable(data);
        queue.check(copy_to_device_2d(address(tensor, offset), stride_tensor, data, stride_data, size, n_copies,
                                      queue.stream()),
                    "writing parts of a tensor");
    }
}

void get_tensor_2d_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data) {
    const Range range("get");
    Queue & queue = queue_of(backend);
    if (can_transfer(queue, tensor)) {
        count_if_pageable(data);
        queue.check(
            copy_to_host_2d(data, stride_data, address(tensor, offset), stride_tensor, size, n_copies, queue.stream()),
            "reading parts of a tensor");
    }
}

enum ggml_backend_copy_queue copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst) {
    if (device_of(dst) == nullptr || src == nullptr) {
        return GGML_BACKEND_COPY_QUEUE_NONE;
    }
    if (device_of(src) != nullptr) {
        return GGML_BACKEND_COPY_QUEUE_SOURCE;
    }
    return ggml_backend_dev_type(src) == GGML_BACKEND_DEVICE_TYPE_CPU ? GGML_BACKEND_COPY_QUEUE_DESTINATION
                                                                      : GGML_BACKEND_COPY_QUEUE_NONE;
}

bool cpy_tensor_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const ggml_tensor * src,
                      ggml_tensor * dst) {
    const Range range("copy");
    Queue & to = queue_of(backend_dst);
    if (ggml_nbytes(src) != ggml_nbytes(dst) || device_of_memory(dst) != &to.device()) {
        return false;
    }
    switch (copy_queue(backend_src->device, backend_dst->device)) {
    case GGML_BACKEND_COPY_QUEUE_DESTINATION:
        if (!is_in_host_memory(src)) {
            return false;
        }
        copy_from_host(to, src, dst);
        return true;
    case GGML_BACKEND_COPY_QUEUE_SOURCE: {
        Queue & from = queue_of(backend_src);
        if (device_of_memory(src) != &from.device()) {
            return false;
        }
        copy_from_device(from, to, src, dst);
        return true;
    }
    default: return false;
    }
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
