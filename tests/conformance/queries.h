// The questions that the scheduler asks a registry, as it asks them.

#pragma once

#include "ggml-backend-impl.h"

namespace conformance {

inline bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    if (recorder == waiter) {
        return true;
    }
    const auto reaches = reinterpret_cast<ggml_backend_event_reaches_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(recorder), "ggml_backend_event_reaches"));
    return reaches != nullptr && reaches(recorder, waiter);
}

inline ggml_backend_copy_queue copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst) {
    const auto queue = reinterpret_cast<ggml_backend_copy_queue_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(dst), "ggml_backend_copy_queue"));
    return queue != nullptr ? queue(src, dst) : GGML_BACKEND_COPY_QUEUE_UNKNOWN;
}

inline bool sets_ranges(ggml_backend_dev_t device) {
    const auto sets = reinterpret_cast<ggml_backend_sets_ranges_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_sets_ranges"));
    return sets != nullptr && sets(device);
}

inline bool has_events(ggml_backend_dev_t device) {
    ggml_backend_dev_props props;
    ggml_backend_dev_get_props(device, &props);
    return props.caps.events;
}

} // namespace conformance
