#include "arguments.h"
#include "ggml-backend-impl.h"

using ggml_sched::given;

ggml_backend_event_t ggml_backend_event_new(ggml_backend_dev_t device) {
    if (device == nullptr || device->iface.event_new == nullptr) {
        return nullptr;
    }
    return device->iface.event_new(device);
}

void ggml_backend_event_free(ggml_backend_event_t event) {
    if (event != nullptr && event->device->iface.event_free != nullptr) {
        event->device->iface.event_free(event->device, event);
    }
}

void ggml_backend_event_record(ggml_backend_event_t event, ggml_backend_t backend) {
    if (!given(event, __func__, "event") || !given(backend, __func__, "backend")) {
        return;
    }
    if (backend->iface.event_record == nullptr) {
        GGML_LOG_ERROR("%s: backend %s has no events; synchronize it instead\n", __func__, ggml_backend_name(backend));
        return;
    }
    backend->iface.event_record(backend, event);
}

void ggml_backend_event_synchronize(ggml_backend_event_t event) {
    if (!given(event, __func__, "event")) {
        return;
    }
    if (event->device->iface.event_synchronize == nullptr) {
        GGML_LOG_ERROR("%s: the host cannot wait for events of %s; synchronize the backend instead\n", __func__,
                       ggml_backend_dev_name(event->device));
        return;
    }
    event->device->iface.event_synchronize(event->device, event);
}

void ggml_backend_event_wait(ggml_backend_t backend, ggml_backend_event_t event) {
    if (!given(backend, __func__, "backend") || !given(event, __func__, "event")) {
        return;
    }
    if (backend->iface.event_wait == nullptr) {
        GGML_LOG_ERROR("%s: backend %s has no events; synchronize instead\n", __func__, ggml_backend_name(backend));
        return;
    }
    backend->iface.event_wait(backend, event);
}
