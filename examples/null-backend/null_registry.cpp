// null_registry.cpp - the registry: the list of devices, and the answers to what the scheduler asks beyond ggml's
// interface. docs/backend-guide.md describes each question, and what happens without an answer.

#include <cstring>

#include "null_impl.h"

namespace {

const char * get_name(ggml_backend_reg_t) {
    return "Null";
}
size_t get_device_count(ggml_backend_reg_t) {
    return null_device_count;
}
ggml_backend_dev_t get_device(ggml_backend_reg_t, size_t index) {
    return null_backend_device(static_cast<int>(index));
}

// A queue of each of these devices can wait for an event of each other one.
bool event_reaches(ggml_backend_dev_t, ggml_backend_dev_t) {
    return true;
}
// cpy_tensor_async enqueues its copy on the queue of the source.
ggml_backend_copy_queue copy_queue(ggml_backend_dev_t, ggml_backend_dev_t) {
    return GGML_BACKEND_COPY_QUEUE_SOURCE;
}

void * get_proc_address(ggml_backend_reg_t, const char * name) {
    if (std::strcmp(name, "ggml_backend_event_reaches") == 0) {
        return reinterpret_cast<void *>(event_reaches);
    }
    if (std::strcmp(name, "ggml_backend_copy_queue") == 0) {
        return reinterpret_cast<void *>(copy_queue);
    }
    return nullptr;
}

} // namespace

ggml_backend_reg_t null_backend_reg(void) {
    static ggml_backend_reg registry = {
        GGML_BACKEND_API_VERSION, {get_name, get_device_count, get_device, get_proc_address}, nullptr};
    return &registry;
}
