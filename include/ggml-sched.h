// ggml-sched.h - what this scheduler offers beyond ggml_backend_sched_*: switches, counters, plans, traces, streaming.
//
// The functions take a scheduler of ggml_backend_sched_new. They use no backend unless their comment says so. The
// drop-in is a ggml with this scheduler beside ggml's own. There, a scheduler that is ggml's own ignores the functions.
// Getters return zeros, "" and GGML_SCHED_SYNC_SERIAL for it.
//
// Threading: one thread at a time may use a scheduler, as for ggml_backend_sched_*. A function that is called while
// another one works with the same scheduler is refused, unless its comment allows it in callbacks.
//
// Errors: ggml_sched_get_error returns the text of the last error. The log has the same text, except for a run that an
// eval callback has ended.
//
// Switches: an environment variable is read when a scheduler is made, and a function changes the same switch later:
//
//   variable                  values (the default first)                 function
//   GGML_SCHED                ours, stock (only in the drop-in)          none: ggml_backend_sched_new reads it
//   GGML_SCHED_SYNC           auto, barrier, serial                      ggml_sched_set_sync_mode
//   GGML_SCHED_VERIFY         0, 1                                       ggml_sched_set_verify
//   GGML_SCHED_REUSE          1, 0                                       ggml_sched_set_reuse
//   GGML_SCHED_TRACE          the path of a file (no trace)             ggml_sched_trace_start, ggml_sched_trace_stop
//   GGML_SCHED_STREAM         auto, off, unlimited, or a number of MiB   ggml_sched_set_streaming
//   GGML_SCHED_STREAM_KEEP    0, 1                                       ggml_sched_keep_weights
//   GGML_SCHED_EXPERTS        off, auto, or a number of MiB              ggml_sched_set_experts
//   GGML_SCHED_EXPERT_MISSES  shared, none or upload                     ggml_sched_set_experts
//   GGML_SCHED_DEBUG          0, 1, 2                                    ggml_sched_set_debug
//   GGML_SCHED_DEBUG_REALLOC  0, 1, 2                                    ggml_sched_set_debug_realloc
//
// Words are compared without regard to case. A 1 of the table may also be on, yes or true, and a 0 off, no or false. An
// off may also be 0, no or false. An unknown value is an error on stderr, also with a log callback; the default is used
// then. If a variable is set, a line on stderr names the scheduler that was made: ggml-sched or ggml's own. Each of
// these lines is printed once per process.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// The version of this header. CMake reads the project's version here.
#define GGML_SCHED_VERSION_MAJOR 0
#define GGML_SCHED_VERSION_MINOR 1
#define GGML_SCHED_VERSION_PATCH 0

// Returns the version of the library, for example "0.1.0". The text is static. Any thread may call this.
GGML_API const char * ggml_sched_version(void);

// How the host and the devices wait in the runs of a scheduler
enum ggml_sched_sync_mode {
    GGML_SCHED_SYNC_AUTO    = 0, // The scheduler makes the waits that the hazards need, on the device where possible.
    GGML_SCHED_SYNC_BARRIER = 1, // The host waits before a split's copies and once before its launch.
    GGML_SCHED_SYNC_SERIAL  = 2, // The host waits around each copy and before each launch.
};

// Sets the mode of the next runs. What is streamed follows with the next graph that is allocated. A mode that does not
// exist is an error, and the mode stays. Callbacks may call both functions.
GGML_API void                      ggml_sched_set_sync_mode(ggml_backend_sched_t sched, enum ggml_sched_sync_mode mode);
GGML_API enum ggml_sched_sync_mode ggml_sched_get_sync_mode(ggml_backend_sched_t sched);

// Why weights in host memory were streamed to devices, or were not; see ggml_sched_set_streaming. If graphs or devices
// have several decisions, the largest counts.
enum ggml_sched_stream_decision {
    GGML_SCHED_STREAM_DECISION_NONE            = 0, // no graph has been allocated or reserved since streaming was set
    GGML_SCHED_STREAM_DECISION_NOT_NEEDED      = 1, // no device needs copies of weights in host memory
    GGML_SCHED_STREAM_DECISION_OFF             = 2, // the budget is 0, or the synchronization mode is not AUTO
    GGML_SCHED_STREAM_DECISION_NO_QUEUE        = 3, // the device has no asynchronous copies, events or free queue
    GGML_SCHED_STREAM_DECISION_NO_MEMORY       = 4, // too little free memory, no second queue, or a tiny budget
    GGML_SCHED_STREAM_DECISION_WRITTEN_WEIGHTS = 5, // a copy callback may write the weights
    GGML_SCHED_STREAM_DECISION_LARGE_WEIGHTS   = 6, // each weight that may be streamed is larger than half of the ring
    GGML_SCHED_STREAM_DECISION_SMALL_WEIGHTS   = 7, // the weights that fit are too small on average; only for AUTO
    GGML_SCHED_STREAM_DECISION_STREAMED        = 8, // weights or caches are copied ahead of their use
};

// Returns a decision as a sentence, with what to do about it; "" for another number. The text is static. Any thread may
// call this.
GGML_API const char * ggml_sched_stream_decision_text(uint64_t decision);

// Counters since the scheduler was made, or since ggml_sched_reset_stats. The caller's own waits, by
// ggml_backend_sched_synchronize, are not counted. Names with "bytes" are in bytes. All others but stream_decision and
// expert_banks_off are counts. A later version may add counters at the end. No counter moves.
struct ggml_sched_stats {
    uint64_t runs;
    uint64_t plans;           // runs that needed a new plan
    uint64_t host_waits;      // The host waited for a hazard, a mode or a snapshot.
    uint64_t throttle_waits;  // The host waited to bound the number of runs in flight. Not part of host_waits.
    uint64_t device_waits;    // A queue waited for an event.
    uint64_t records;         // events that the plans record
    uint64_t async_copies;
    uint64_t blocking_copies;
    uint64_t bytes_copied;    // by asynchronous and blocking copies, without snapshots
    uint64_t launches;
    uint64_t snapshots;       // inputs that were copied aside on the host so that the caller may overwrite them
    uint64_t snapshot_bytes;
    uint64_t streamed_bytes;  // bytes of weights that were copied ahead of their use; part of bytes_copied
    uint64_t staged_bytes;    // bytes that went from pageable to pinned memory first; part of bytes_copied
    uint64_t kept_bytes;      // bytes of weights that were not copied again; see ggml_sched_keep_weights
    uint64_t cache_bytes;     // bytes of caches that were copied before the run added to them; part of bytes_copied
    uint64_t expert_runs_by_ids;  // runs that streamed the experts that the router's ids named
    uint64_t expert_runs_whole;   // runs that streamed all experts, without waiting for the ids
    uint64_t expert_bytes_sent;   // bytes that were sent of the experts that the ids named, in runs by the ids
    uint64_t expert_bytes_of_all; // bytes of all experts, in runs by the ids
    uint64_t unplanned_waits; // waits of the host that no plan shows; part of host_waits. They follow a refused copy, a
                              // run that broke off, memory of streaming that was given back, or a busy pinned chunk.
    uint64_t stream_decision; // the largest ggml_sched_stream_decision of all graphs that were allocated or reserved
                              // since streaming was set; ggml_sched_reset_stats keeps it
    uint64_t resident_bytes;  // bytes of device memory that resident experts have now, no count; see
                              // ggml_sched_set_experts; ggml_sched_reset_stats keeps it
    uint64_t expert_pairs;    // pairs of a token and an expert in blocks that were parted; see ggml_sched_set_experts
    uint64_t expert_misses;   // pairs that the CPU computed, since their experts had no entry
    uint64_t expert_uploads;  // experts that were copied to an entry after the banks were first filled
    uint64_t expert_banks_off; // no count: numbers of pairs of a graph that are no longer parted, since banks did not
                               // pay, see ggml_sched_expert_misses; ggml_sched_reset_stats keeps it
    uint64_t expert_bytes_in_banks; // bytes of experts that a device copied out of a bank, so that they were not sent;
                                    // part of bytes_copied
};

// Writes the counters to the first `size` bytes of `stats`; pass sizeof(struct ggml_sched_stats). A program that was
// compiled with an older header gets the counters that it knows. Bytes beyond the library's struct become zero. reset
// sets all counters but stream_decision, resident_bytes and expert_banks_off to zero. Callbacks may call both functions.
GGML_API void ggml_sched_get_stats(ggml_backend_sched_t sched, struct ggml_sched_stats * stats, size_t size);
GGML_API void ggml_sched_reset_stats(ggml_backend_sched_t sched);

// Counters of one block of experts that has a bank; see ggml_sched_set_experts. They count since the bank was made, or
// since ggml_sched_reset_stats. A bank that gives its memory back takes its counters with it. A later version may add
// fields at the end. No field moves.
struct ggml_sched_expert_stats {
    char     name[64];     // of the block's first weight, cut off if it is longer
    int32_t  backend;      // index of the backend whose memory has the bank
    int32_t  n_experts;
    int32_t  n_entries;    // experts that the bank has room for
    uint64_t pairs;        // pairs of a token and an expert that were parted
    uint64_t misses;       // pairs that the CPU computed, since their experts had no entry
    uint64_t uploads;      // experts that were copied to an entry after the bank was first filled
    uint64_t upload_bytes; // bytes of these experts
};

// Writes the counters of the first `n` blocks of experts that have a bank, in the order in which the banks were made.
// Returns how many such blocks there are. Pass sizeof(struct ggml_sched_expert_stats) as `stats_size`. A program that
// was compiled with an older header gets the fields that it knows. Bytes beyond the library's struct become zero, and so
// do structs beyond the last bank. `stats` may be NULL if `n` is 0. This waits for nothing. Callbacks may call it.
GGML_API int ggml_sched_get_expert_stats(ggml_backend_sched_t sched, struct ggml_sched_expert_stats * stats, int n,
                                         size_t stats_size);

// Writes what the last run did in one split, one letter for each step in order. s is a wait of the host, w a wait of a
// queue, a an asynchronous copy, c a blocking copy, g a launch. Snapshots and event records have no letter. With an
// eval callback, g and what follows g happens once for each slice.
//
// At most `size` bytes are written, the final zero included. Returns the length of the whole text without the zero.
// `buf` may be NULL if `size` is 0. A split that does not exist has the text "". Callbacks may call this.
GGML_API size_t ggml_sched_get_pattern(ggml_backend_sched_t sched, int split, char * buf, size_t size);

// Writes the plan of the last run as text, by the rules of ggml_sched_get_pattern. The text has what is streamed and
// when, then lanes, steps, waits and the reason of each wait. The project's docs/reading-a-plan.md explains it.
GGML_API size_t ggml_sched_get_plan_text(ggml_backend_sched_t sched, char * buf, size_t size);

// Switches verification on or off, from the next graph on. Callbacks may call this.
//
// A verified run first proves that its plan orders every hazard. A plan that does not is not executed: the compute call
// returns GGML_STATUS_FAILED and the error names the hazard. Results that are kept from earlier graphs are proved, too:
// each stage also runs afresh, and a difference fails the call.
GGML_API void ggml_sched_set_verify(ggml_backend_sched_t sched, bool verify);

// Switches reuse on or off, from the next graph on. Without reuse every stage runs anew for each graph, and each run is
// planned anew. The results are the same.
GGML_API void ggml_sched_set_reuse(ggml_backend_sched_t sched, bool reuse);

// Sets what the scheduler logs, as debug lines, of each graph that it splits. Level 0 is nothing, 1 the splits, and 2
// also each node with the cause of its assignment. Another level is an error, and the level stays.
GGML_API void ggml_sched_set_debug(ggml_backend_sched_t sched, int level);

// Sets when ggml_backend_sched_alloc_graph fails rather than replace a compute buffer that is too small. Level 0 is
// never, 1 if neither backends nor sizes have changed, 2 always. ggml_backend_sched_realloc_callback says when these
// have changed. The default is 1 where ggml was compiled with GGML_SCHED_NO_REALLOC. Another level is an error.
GGML_API void ggml_sched_set_debug_realloc(ggml_backend_sched_t sched, int level);

// These start and stop a trace: what the following runs do, and when, in Chrome's trace format. Perfetto and
// chrome://tracing read it. It has a track for the host and for each asynchronous backend, and a slice for each step.
// An arrow is a wait with its reason. The project's docs/tracing.md says which clock gives the times.
//
// start ends the trace that is being made, if there is one, and opens the file at `path`. If the file cannot be
// written, it returns false, with an error, and nothing is traced. stop writes the file. It returns false, with an
// error, if writing fails or nothing is being traced. If start ends a trace and cannot write it, the log says so.
// ggml_backend_sched_free also ends the trace. None of these waits for work in flight. A trace ends after a million
// events, and says so.
//
// The n-th scheduler of a process that GGML_SCHED_TRACE=FILE traces writes FILE.n, from the second on.
GGML_API bool ggml_sched_trace_start(ggml_backend_sched_t sched, const char * path);
GGML_API bool ggml_sched_trace_stop(ggml_backend_sched_t sched);

// Streaming copies weights in host memory to the device that computes with them, ahead of their use. The copies have a
// queue of their own (a second backend of the device), and a ring of device memory as their target. The results are the
// same to the bit. The time of a run tends to the longer of computing and copying, instead of to their sum.
//
// In mode AUTO, weights of at most half the ring are streamed to devices with asynchronous copies and events. The sizes
// of the weights then decide where splits begin. Copies out of pinned memory (the device's host buffer type) never make
// the host wait. Several threads copy other memory to pinned memory during the call. For a MUL_MAT_ID, the scheduler
// streams all experts, or waits for the ids on the host and streams the experts that they name.
//
// These are values of the budget, and AUTO also of the lookahead.
#define GGML_SCHED_STREAM_OFF       0
#define GGML_SCHED_STREAM_AUTO      SIZE_MAX
#define GGML_SCHED_STREAM_UNLIMITED (SIZE_MAX - 1)

// The parameters of streaming. A later version may add fields at the end. Zero will be their default.
struct ggml_sched_stream_params {
    size_t size;            // sizeof(struct ggml_sched_stream_params), as the caller was compiled
    size_t budget_bytes;    // the most device memory for the ring of each backend
    size_t lookahead_bytes; // the most bytes that copies may be ahead of their use
};

// Returns the defaults: both values are GGML_SCHED_STREAM_AUTO. The function is part of the caller, so that its struct
// has the caller's size.
static inline struct ggml_sched_stream_params ggml_sched_stream_default_params(void) {
    struct ggml_sched_stream_params params;
    params.size            = sizeof(params);
    params.budget_bytes    = GGML_SCHED_STREAM_AUTO;
    params.lookahead_bytes = GGML_SCHED_STREAM_AUTO;
    return params;
}

// Sets how much memory streaming may use. Waits for runs in flight, frees the memory of the ring, and forgets the
// allocated graph like ggml_backend_sched_reset.
//
// The budget AUTO takes up to a quarter of the memory that is free when the first graph is split, measured, reserved or
// allocated. UNLIMITED takes what the graph's weights need. OFF ends streaming. A graph that streams nothing takes no
// memory. If less memory is free, less is used, with a warning in the log. Where experts are streamed, measuring the
// link takes up to 128 MiB more for a moment. The lookahead AUTO (or 0) is 1 GiB if the budget is AUTO, and the budget
// otherwise. The ring is as large as the smaller of both values, or smaller if the graph needs less.
//
// It is an error if `params` is NULL, its size is too small or above 4096, or it sets fields of a later version. The
// settings stay then, nothing waits, and the graph is forgotten all the same.
GGML_API void ggml_sched_set_streaming(ggml_backend_sched_t sched, const struct ggml_sched_stream_params * params);

// With `keep`, from the next run on, weights that are still in the ring from an earlier run are not copied again. The
// caller promises that neither the program nor a graph writes to weights in host memory, and that no other weights come
// to lie there. The scheduler cannot notice such a write. Each call forgets what is in the ring, so call it after
// weights have been written. It gains most if the ring holds all weights, which needs a large budget.
GGML_API void ggml_sched_keep_weights(ggml_backend_sched_t sched, bool keep);

// Resident experts are expert tensors of host memory of which a copy stays in the memory of a device. The nodes read
// the copies, as if the engine had put these tensors on the device. So their layers need no CPU, and nothing is sent. It
// gains most for decoding, which otherwise leaves the experts in host memory to the CPU.
//
// An expert tensor is one that a MUL_MAT_ID reads as its matrices, or that another node reads with the same ids, in a
// buffer of weights in host memory. All expert tensors that are read with the same ids become resident together, on the
// device of their layer. They do so in the order of the graph, while the budget lasts. Where a weight of integers is
// read with the ids, the engine has a cache of experts itself, and nothing becomes resident. A copy callback is not
// asked for resident experts.
//
// These are values of the budget.
#define GGML_SCHED_EXPERTS_OFF  0
#define GGML_SCHED_EXPERTS_AUTO SIZE_MAX

// These values say what is done where the budget has no room for all blocks of a device. With SHARED or UPLOAD, each
// block gets a bank: device memory with entries for a part of its experts, at first the same part for all. The experts
// that a router has chosen often lately have an entry. The device computes the pairs of a token and an expert that has
// one. Weights that are streamed for a prompt are copied out of the bank, as far as they have an entry.
//
// A block of more than 31 tokens, or with a node that does not work pair by pair, is not parted; GGML_SCHED_DEBUG=1
// says why. No block is parted in a graph with an eval callback or a copy callback. With SHARED, two runs without banks
// are measured now and then, if the caller allocates a graph for every few runs. If they are faster in two trials in a
// row, pairs are no longer parted, and a warning says so. The same happens to a caller that runs one graph many times,
// if entries save the CPU less than 5 % of the time of 256 runs, twice in a row; the next allocated graph is as built.
enum ggml_sched_expert_misses {
    GGML_SCHED_EXPERT_MISSES_NONE   = 0, // Whole blocks become resident in the order of the graph. There are no banks.
    GGML_SCHED_EXPERT_MISSES_SHARED = 1, // The CPU computes the other pairs, at the same time. If the link is fast, some
                                         // experts are copied to an entry instead, as many as measured times say. Rows
                                         // of the result have the bits of where they were computed, which changes from
                                         // run to run.
    GGML_SCHED_EXPERT_MISSES_UPLOAD = 2, // An expert without an entry is copied to one first. The results of these
                                         // blocks are the bits of the device.
};

// The parameters of resident experts. A later version may add fields at the end. Zero will be their default.
struct ggml_sched_expert_params {
    size_t size;         // sizeof(struct ggml_sched_expert_params), as the caller was compiled
    size_t budget_bytes; // the most device memory for resident experts on each device
    enum ggml_sched_expert_misses misses;
};

// Returns the defaults: the budget is GGML_SCHED_EXPERTS_OFF, misses are SHARED. The function is part of the caller, so
// that its struct has the caller's size.
static inline struct ggml_sched_expert_params ggml_sched_expert_default_params(void) {
    struct ggml_sched_expert_params params;
    params.size         = sizeof(params);
    params.budget_bytes = GGML_SCHED_EXPERTS_OFF;
    params.misses       = GGML_SCHED_EXPERT_MISSES_SHARED;
    return params;
}

// Sets how much memory resident experts may use, and what is done about others. Waits for runs in flight, frees the
// memory of those that are resident, and forgets the allocated graph like ggml_backend_sched_reset. The next graph that
// is reserved or allocated makes experts resident again: the call that does so copies them, and returns when they are
// there.
//
// The budget AUTO waits until compute buffers exist, and then takes what is free on the device but 512 MiB. If memory
// for something else runs out, the layer that became resident last gives its memory back, and so on; a warning says so.
// Nothing becomes resident then until this function is called again.
//
// The results are those of the device: they differ from the CPU's in their last bits. So OFF is the default. The caller
// promises that neither the program nor a graph writes to these weights, and that no others come to lie there. A call of
// this function after weights have been written makes the new ones resident. With verification each graph compares one
// tensor with its copy.
//
// It is an error if `params` is NULL, its size is too small or above 4096, `misses` is none of its values, or it sets
// fields of a later version. The settings stay then, nothing waits, and the graph is forgotten all the same.
GGML_API void ggml_sched_set_experts(ggml_backend_sched_t sched, const struct ggml_sched_expert_params * params);

// Undoes ggml_backend_sched_alloc_graph: waits for what is in flight, takes the memory from the tensors that the
// scheduler has placed, and resets. The contents of these tensors are lost. The graph must exist. Without an allocated
// graph this only resets.
GGML_API void ggml_sched_unalloc_graph(ggml_backend_sched_t sched);

// Returns the error of the last call that can fail; "" if that call went well. The text belongs to the scheduler and is
// valid until the next call with it. Callbacks may call this.
//
// Each call that can fail clears the error when it begins. In ggml-backend.h these are reserve, reserve_size,
// set_tensor_backend, split_graph, alloc_graph, graph_compute, graph_compute_async, synchronize and reset. Here they
// are set_sync_mode, set_reuse, set_debug, set_debug_realloc, set_streaming, set_experts, keep_weights, trace_start,
// trace_stop and unalloc_graph. All other functions leave the error as it is, and so does a call that is refused because another one
// works. If a call went well but an earlier run has failed on a device, the text is the error of that run.
GGML_API const char * ggml_sched_get_error(ggml_backend_sched_t sched);

#ifdef __cplusplus
}
#endif
