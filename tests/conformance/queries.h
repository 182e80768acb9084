// The questions that the scheduler asks a registry, as it asks them. docs/backend-guide.md says what they mean.

#pragma once

#include "ggml-backend.h"

namespace conformance {

// The queue on which cpy_tensor_async runs: the values of ggml_backend_copy_queue
enum class CopyQueue { None = 0, Source = 1, Destination = 2, Unknown = 3 };

bool event_reaches(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);
CopyQueue copy_queue(ggml_backend_dev_t src, ggml_backend_dev_t dst);
bool sets_ranges(ggml_backend_dev_t device);
bool has_events(ggml_backend_dev_t device);

} // namespace conformance
