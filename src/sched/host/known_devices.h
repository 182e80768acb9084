// Known devices - the facts about ggml's own devices, whose registries lack the functions of docs/backend-guide.md. The
// name of the registry decides. Devices that are not known get the answers that are always safe.
//
// The functions keep nothing. Any thread may call them.

#pragma once

#include "ggml-backend.h"
#include "plan/machine.h"

namespace ggml_sched::host {

// True if queues of the device `waiter` can wait for events of another device, `recorder`.
bool known_event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);

// Finds how asynchronous copies from `src` to `dst` are ordered. Returns false if they are refused or unreliable.
bool known_copy_order(ggml_backend_dev_t src, ggml_backend_dev_t dst, plan::CopyOrder & order);

// True if the host writes small tensors to memory of this type by itself. It looks how long such writes take.
bool known_host_writes(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft);

// True if copies from host memory to the device may overtake launches that were enqueued before them.
bool known_to_overtake(ggml_backend_dev_t device);

// True if an event keeps what each record has made, until the host waits for the event.
bool known_to_keep_records(ggml_backend_dev_t device);

// True if copies on one queue of the device go on beside launches on another.
bool known_to_overlap(ggml_backend_dev_t device);

// True if one call may set any range of a buffer, with several tensors in it.
bool known_to_set_ranges(ggml_backend_dev_t device);

} // namespace ggml_sched::host
