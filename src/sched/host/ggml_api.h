// ggml's internal headers: ours, or those of the ggml into which the scheduler is built. Declares what a foreign
// ggml lacks. Only the sources of host/ include it.
//
// cmake/ggml-sched-inject.cmake looks into a foreign ggml's headers and defines what it has:
//   GGML_SCHED_DROP_IN              this is a foreign ggml
//   GGML_SCHED_ATTACH               this is the attach library, for a foreign ggml that is met when it runs
//   GGML_SCHED_HAS_GRAPH_UID        graphs carry an identity
//   GGML_SCHED_HAS_GRAPH_OPTIMIZE   backends may reorder a split; if 2, they may also ask for alloc dependencies
//   GGML_SCHED_HAS_OP_CAN_INPLACE   its allocator tells which operations work in place
//   GGML_SCHED_PLACES_FLASH_ATTN_FREELY   its scheduler ignores the weights of flash attention (the sinks)

#pragma once

#include "ggml-alloc.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"

#ifdef GGML_SCHED_ATTACH // The headers are ours. src/attach has the parts of host/ that depend on the ggml.

#elif !defined(GGML_SCHED_DROP_IN)

#define GGML_SCHED_HAS_GRAPH_UID 1
#define GGML_SCHED_HAS_GRAPH_OPTIMIZE 2
#define GGML_SCHED_PLACES_FLASH_ATTN_FREELY 0 // our ggml has no flash attention

#else

#ifndef GGML_SCHED_HAS_OP_CAN_INPLACE
#define GGML_SCHED_HAS_OP_CAN_INPLACE 0
#endif
#ifndef GGML_SCHED_HAS_GRAPH_UID
#define GGML_SCHED_HAS_GRAPH_UID 0
#endif
#ifndef GGML_SCHED_HAS_GRAPH_OPTIMIZE
#define GGML_SCHED_HAS_GRAPH_OPTIMIZE 0
#endif
#ifndef GGML_SCHED_PLACES_FLASH_ATTN_FREELY
#define GGML_SCHED_PLACES_FLASH_ATTN_FREELY 0
#endif

// The types of functions that a device's registry may offer. docs/backend-guide.md says what they mean.
enum ggml_backend_copy_queue {
    GGML_BACKEND_COPY_QUEUE_NONE = 0,
    GGML_BACKEND_COPY_QUEUE_SOURCE = 1,
    GGML_BACKEND_COPY_QUEUE_DESTINATION = 2,
    GGML_BACKEND_COPY_QUEUE_UNKNOWN = 3,
};
using ggml_backend_copy_queue_t = ggml_backend_copy_queue (*)(ggml_backend_dev_t src, ggml_backend_dev_t dst);
using ggml_backend_event_reaches_t = bool (*)(ggml_backend_dev_t recorder, ggml_backend_dev_t waiter);
using ggml_backend_sets_ranges_t = bool (*)(ggml_backend_dev_t device);
using ggml_backend_host_writes_t = bool (*)(ggml_backend_dev_t device);
using ggml_backend_clock_us_t = double (*)();
using ggml_backend_take_failure_t = ggml_status (*)(ggml_backend_t backend, uint64_t * mark);
using ggml_backend_last_operation_times_t = bool (*)(ggml_backend_t backend, double * start_us, double * finish_us);

#endif
