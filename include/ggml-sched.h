// ggml-sched.h - what this scheduler offers beyond ggml_backend_sched_*: synchronization modes, statistics, plans.
//
// All functions follow the scheduler's threading: one thread at a time. They accept any sched made by
// ggml_backend_sched_new and do not touch a backend unless they say so.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ggml_sched_sync_mode {
    GGML_SCHED_SYNC_AUTO    = 0, // the waits that the hazards need, on the device where possible
    GGML_SCHED_SYNC_BARRIER = 1, // the host waits before a split's copies and once before its launch
    GGML_SCHED_SYNC_SERIAL  = 2, // the host waits around each copy and before each launch
};

// Takes effect at the next run. The default is AUTO, or what the environment variable GGML_SCHED_SYNC
// (auto, barrier, serial) says when the scheduler is made.
GGML_API void                      ggml_sched_set_sync_mode(ggml_backend_sched_t sched, enum ggml_sched_sync_mode mode);
GGML_API enum ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched);

// Why weights in host memory were streamed to devices, or were not; see ggml_sched_set_streaming. The order is part of
// the meaning: of several graphs or devices, the largest decision counts.
enum ggml_sched_stream_decision {
    GGML_SCHED_STREAM_DECISION_NONE            = 0, // no graph has been allocated or reserved
    GGML_SCHED_STREAM_DECISION_NOT_NEEDED      = 1, // no device needs copies of weights in host memory
    GGML_SCHED_STREAM_DECISION_OFF             = 2, // the budget is 0, or the synchronization mode is not AUTO
    GGML_SCHED_STREAM_DECISION_NO_QUEUE        = 3, // the device has no asynchronous copies, events or free queue
    GGML_SCHED_STREAM_DECISION_NO_MEMORY       = 4, // the device has too little free memory, or makes no second queue
    GGML_SCHED_STREAM_DECISION_WRITTEN_WEIGHTS = 5, // a copy callback may write the weights
    GGML_SCHED_STREAM_DECISION_LARGE_WEIGHTS   = 6, // each weight is larger than half of the ring
    GGML_SCHED_STREAM_DECISION_SMALL_WEIGHTS   = 7, // the weights are too small on average; only AUTO looks at this
    GGML_SCHED_STREAM_DECISION_STREAMED        = 8, // weights or caches are copied ahead of their use
};

// Returns a decision as a sentence, with what to do about it. The text stays. "" if it is no decision.
GGML_API const char * ggml_sched_stream_decision_text(uint64_t decision);

// Counters since the scheduler was made or ggml_sched_reset_stats. Calls of ggml_backend_sched_synchronize are the
// caller's own and not counted.
struct ggml_sched_stats {
    uint64_t runs;
    uint64_t plans;           // how many runs needed a new plan
    uint64_t host_waits;      // the host blocked for a hazard, a mode or a snapshot
    uint64_t throttle_waits;  // the host blocked to keep the number of runs in flight bounded; not in host_waits
    uint64_t device_waits;    // a queue waits for an event
    uint64_t records;         // events recorded, those of the plan
    uint64_t async_copies;
    uint64_t blocking_copies;
    uint64_t bytes_copied;    // by both; snapshots are not counted
    uint64_t launches;
    uint64_t snapshots;       // inputs that were copied aside on the host, so that the caller may overwrite them
    uint64_t snapshot_bytes;
    uint64_t streamed_bytes;  // of weights that were copied ahead; part of bytes_copied
    uint64_t staged_bytes;    // of bytes_copied, out of pageable memory: the host was busy copying them to pinned memory
    uint64_t kept_bytes;      // of weights that were not copied again; see ggml_sched_keep_weights
    uint64_t cache_bytes;     // of caches that were copied ahead of what is added to them; part of bytes_copied
    uint64_t expert_runs_by_ids; // runs that streamed the experts that the router's ids named
    uint64_t expert_runs_whole;  // runs that streamed all experts, without waiting for the ids
    uint64_t expert_bytes_sent;  // in runs by the ids, of the experts that they named,
    uint64_t expert_bytes_of_all; // and what all experts would have been; the one by the other is the share in use
    uint64_t unplanned_waits; // of host_waits: no plan shows them. A backend refused a copy, a run broke off, memory for
                              // streaming was given back, or a chunk of pinned memory was still being read
    uint64_t stream_decision; // the largest ggml_sched_stream_decision of all graphs that were allocated or reserved
};

GGML_API void ggml_sched_get_stats(ggml_backend_sched_t sched, struct ggml_sched_stats * stats);
GGML_API void ggml_sched_reset_stats(ggml_backend_sched_t sched);

// What the last run did in one split, in order: s the host waits, w a queue waits, a asynchronous copy, c blocking copy,
// g graph launch. Snapshots and event records have no letter. With an eval callback, g and what follows it is done once
// for each slice. Writes at most size bytes, the final zero included, and
// returns the length that the text has without it; buf may be NULL if size is 0. An index outside gives "".
GGML_API size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size);

// The plan of the last run as text: what is streamed and when, then lanes, steps, waits and the reason of each wait. Same
// convention as get_pattern.
GGML_API size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size);

// Before each run with a plan that has not been checked yet, prove that the plan orders every hazard. A plan that does
// not is not executed: graph_compute_async returns GGML_STATUS_FAILED and the log names the hazard. What is kept from
// an earlier graph is proved, too: each stage also runs afresh, and a difference fails the call. Off unless
// GGML_SCHED_VERIFY=1 in the environment when the scheduler is made. With GGML_SCHED_REUSE=0 then, every stage runs anew.
GGML_API void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify);

// Writes what the following runs do, and when, to a file in Chrome's trace format, which Perfetto and chrome://tracing
// show: a track for the host and one for each asynchronous backend, a slice for each step, and an arrow for each wait
// with its reason. Times are the devices' own if they tell them (simulated devices do); otherwise those of the host, which
// knows when something was enqueued, and of the rest only by when it was done. docs/tracing.md has the details.
//
// start opens the file, and first ends the trace that is being made, if there is one. False, and an error, if the file
// cannot be written; nothing is traced then. stop writes the file; false, and an error, if that fails or nothing is being
// traced. ggml_backend_sched_free does the same. Neither waits for work in flight. A trace ends early, and says so, after
// a million events. Runs that are not traced pay nothing.
//
// GGML_SCHED_TRACE=FILE in the environment when a scheduler is made starts a trace at once; the second scheduler of
// a process writes FILE.2, and so on.
GGML_API bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path);
GGML_API bool ggml_sched_trace_stop(ggml_backend_sched_t sched);

// Streaming: weights in host memory that a device computes with are copied to it ahead of their use, on a queue of their own
// (a second backend of the device), to a ring of device memory outside of the compute buffer. The results are the same
// to the bit; the time of a run tends to the longer of computing and copying, and not to their sum.
//
// budget_bytes: the most device memory to use, for each device. GGML_SCHED_STREAM_AUTO, the default, takes up to a quarter
// of what is free when the first graph is reserved or allocated, and none for graphs that need none; 0 switches streaming
// off. If less can be had, less is used, and a warning logged. lookahead_bytes: how far copies may be ahead of their use;
// 0 is the default, 1 GiB. The smaller of the two is the size of the ring.
//
// What is streamed: weights in host memory of at most half the ring, on devices with asynchronous copies and events, in
// mode AUTO. Splits are then cut by how much of it they wait for. Out of pinned memory (the device's host buffer type) the
// host never waits for a copy of it; other memory it copies to pinned memory, with several threads, during the call. Of
// experts (MUL_MAT_ID) either all are streamed or those that the ids name, which the host then waits for.
//
// Waits for runs in flight and forgets the allocated graph, like ggml_backend_sched_reset. Frees the memory of the ring.
// The environment variable GGML_SCHED_STREAM (auto, 0, or MiB) sets budget_bytes when a scheduler is made.
#define GGML_SCHED_STREAM_AUTO SIZE_MAX
GGML_API void ggml_sched_set_streaming(ggml_backend_sched_t sched, size_t budget_bytes, size_t lookahead_bytes);

// Weights that are still in the ring from an earlier run are not copied again. The caller promises that nobody writes to
// weights in host memory as long as this is on, neither the program nor a graph, and that no other weights come to lie there.
// No scheduler could notice (some engines merge adapters into them).
// Of use where the ring is large enough for all that is streamed, or nearly so: give it budget and lookahead. Off unless
// GGML_SCHED_STREAM_KEEP=1 in the environment when the scheduler is made. Setting it, to whatever, forgets what is there:
// so call it after weights have been written. Takes effect at the next run.
GGML_API void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep);

// Undoes ggml_backend_sched_alloc_graph: takes the memory from the tensors that the scheduler had placed; their contents
// are lost. The graph must exist. Waits for what is in flight, then resets. Without an allocated graph it only resets.
GGML_API void ggml_sched_unalloc_graph(ggml_backend_sched_t sched);

// The error of the last call of this scheduler that can fail, "" if it went well. A call that went well may have learnt
// that an earlier run has failed on a device: then this is the text. Getters change nothing here. Valid until the next
// call with this sched.
GGML_API const char * ggml_sched_get_error(ggml_backend_sched_t sched);

#ifdef __cplusplus
}
#endif
