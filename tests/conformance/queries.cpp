#include "queries.h"

#include "platform.h"

#ifdef CONFORMANCE_FOREIGN
enum ggml_backend_copy_queue {}; // its values are those of CopyQueue
using ggml_backend_copy_queue_t = ggml_backend_copy_queue (*)(ggml_backend_dev_t, ggml_backend_dev_t);
using ggml_backend_event_reaches_t = bool (*)(ggml_backend_dev_t, ggml_backend_dev_t);
using ggml_backend_sets_ranges_t = bool (*)(ggml_backend_dev_t);
#else
#include "ggml-backend-impl.h"
#endif

namespace conformance {

namespace {

template <typename Function> Function proc(ggml_backend_dev_t device, const char * name) {
    return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name));
}

} // namespace

bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter) {
    if (recorder == waiter) {
        return true;
    }
    const auto reaches = proc<ggml_backend_event_reaches_t>(recorder, "ggml_backend_event_reaches");
    return reaches != nullptr ? reaches(recorder, waiter) : known_event_reaches(recorder, waiter);
}

CopyQueue copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst) {
    const auto queue = proc<ggml_backend_copy_queue_t>(dst, "ggml_backend_copy_queue");
    return queue != nullptr ? static_cast<CopyQueue>(queue(src, dst)) : known_copy_queue(src, dst);
}

bool sets_ranges(ggml_backend_dev_t device) {
    const auto sets = proc<ggml_backend_sets_ranges_t>(device, "ggml_backend_sets_ranges");
    return sets != nullptr ? sets(device) : known_to_set_ranges(device);
}

bool has_events(ggml_backend_dev_t device) {
    ggml_backend_dev_props props;
    ggml_backend_dev_get_props(device, &props);
    return props.caps.events;
}

} // namespace conformance
