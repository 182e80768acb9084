// What is known about devices whose registries do not answer the scheduler's questions (docs/backend-guide.md): those
// of ggml itself, by the names of their registries. Whoever is not known gets the answers that are always safe.

#pragma once

#include "ggml-backend.h"
#include "plan/machine.h"

namespace ggml_sched::host {

// Events of `recorder` can be waited for by `waiter`'s queue, another device.
bool known_event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);

// How asynchronous copies between the two are ordered; false if they are refused, or not to be relied on.
bool known_copy_order(ggml_backend_dev_t src, ggml_backend_dev_t dst, plan::CopyOrder & order);

// Tensors are their bytes, and any range of a buffer may be set at once.
bool known_to_set_ranges(ggml_backend_dev_t device);

} // namespace ggml_sched::host
