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

// True if one call may set any range of a buffer, with several tensors in it.
bool known_to_set_ranges(ggml_backend_dev_t device);

} // namespace ggml_sched::host
