// A program that plays an engine: a small transformer with a mixture of experts, run through ggml's public functions.
//
// Its weights and tokens are random but the same in every process. The logits have the same bits, wherever they are
// computed. The program prints a hash of the logits of each scenario, and newer_ggml.py compares the hashes.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"

enum {
    N_LAYERS = 6,
    N_EMBD = 64,
    N_HEADS = 4,
    N_FF = 32, // the width of an expert
    N_EXPERTS = 16,
    N_USED = 4, // the experts of a token
    N_VOCAB = 96,
    N_CTX = 320,
    ROUTED_ON_HOST = 4, // the layer whose router is on the host, and whose ids the CPU computes
    KV_STEP = 32,       // the visible part of the KV cache grows by so many tokens
    MAX_BATCH = 64,
    MAX_CACHED_BATCH = 8, // larger batches do not read experts from the expert cache
    N_SLOTS = 20,         // the slots of a device; its layers have 48 experts if there are two devices
    MAX_DEVICES = 4,
    MAX_IN_FLIGHT = 4,
    MAX_NODES = 1024,
};

// The expert tensors of a layer
enum { EXPERTS_UP, EXPERTS_GATE, EXPERTS_DOWN, N_EXPERT_TENSORS };

// Ends the program if `condition` does not hold.
void require(bool condition, const char * what);

// The devices come first, and the CPU comes last, as a scheduler wants them.
struct machine {
    ggml_backend_t backends[MAX_DEVICES + 1];
    int n_devices;
};

ggml_backend_t machine_cpu(const struct machine * machine);

// Returns the device of a layer, or the CPU if there is no device.
ggml_backend_t machine_layer(const struct machine * machine, int layer);

// The tensors of a context, with their memory
struct tensors {
    struct ggml_context * context;
    ggml_backend_buffer_t buffer;
};

struct tensors tensors_new(void);
void tensors_alloc(struct tensors * tensors, ggml_backend_buffer_type_t type, bool are_weights);
void tensors_free(struct tensors * tensors);

// `f32`, `f16` and `q8_0` name ggml's types. "Host" means: in a host buffer that is marked as weights.
struct layer {
    struct ggml_tensor * attention_norm;            // host
    struct ggml_tensor * query;                     // f16, host in layer 1
    struct ggml_tensor * key;                       // f16
    struct ggml_tensor * value;                     // f16
    struct ggml_tensor * attention_out;             // f16, host in layer 2
    struct ggml_tensor * experts_norm;              // host
    struct ggml_tensor * router;                    // f32, host in layer ROUTED_ON_HOST
    struct ggml_tensor * experts[N_EXPERT_TENSORS]; // q8_0, host
};

struct model {
    struct tensors host;
    struct tensors device[MAX_DEVICES + 1];   // by the index of the backend
    struct ggml_tensor * token_embeddings;    // f32, host
    struct ggml_tensor * position_embeddings; // f32, host
    struct ggml_tensor * out_norm;            // host
    struct ggml_tensor * out;                 // f16
    struct layer layers[N_LAYERS];
};

void model_new(struct model * model, const struct machine * machine);
void model_free(struct model * model);

// Returns a random number and advances `state`.
uint64_t next_random(uint64_t * state);

// The KV cache of one scenario
struct kv_cache {
    struct tensors tensors[MAX_DEVICES + 1];
    struct ggml_tensor * keys[N_LAYERS];   // f16 [N_EMBD, N_CTX]
    struct ggml_tensor * values[N_LAYERS]; // f16 [N_EMBD, N_CTX]
};

void kv_cache_new(struct kv_cache * cache, const struct machine * machine, bool on_host);
void kv_cache_free(struct kv_cache * cache);

// The options of a scenario
enum {
    ON_DEVICES = 1,      // on the devices; otherwise on the CPU alone
    PARALLEL = 2,        // with the argument `parallel` of ggml_backend_sched_new
    CALLBACK = 4,        // with a copy callback
    CACHE = 8,           // the callback keeps an expert cache
    OFFLOAD = 16,        // a layer's MUL_MAT_ID with the host's experts is assigned to the layer's device
    KV_ON_HOST = 32,     // the KV cache is in host memory, and the CPU computes attention
    EVAL_CALLBACK = 64,  // with an eval callback
    REUSE = 128,         // the last batch's graph is computed again if the batch has the same shape
    LATE_CALLBACK = 256, // the copy callback is set when the first graph has been allocated
    TABLE_BY_SCHED = 512 // the copy callback rewrites a table, and lets the scheduler copy it
};

// Some experts of the layers of one device, in memory of that device
struct expert_banks {
    ggml_backend_t backend;
    struct tensors tensors;
    struct ggml_tensor * banks[N_EXPERT_TENSORS];
    struct ggml_tensor * cached[N_EXPERT_TENSORS]; // views of the banks: what graphs read
    int32_t owner[N_SLOTS];                        // layer * N_EXPERTS + expert, or -1
    uint64_t last_use[N_SLOTS];
};

// An expert cache by the copy callback: the slots of a layer's experts are in a table in host memory. The scheduler
// copies the table to the device for a GET_ROWS, and asks the callback first. The callback uploads missing experts and
// rewrites the tables.
struct expert_cache {
    const struct model * model;
    struct tensors host;
    struct ggml_tensor * tables[N_LAYERS]; // I32 [1, N_EXPERTS]: the expert's slot, or -1
    struct expert_banks devices[MAX_DEVICES];
    int n_devices;
    int layer_device[N_LAYERS];
    bool holds_experts; // false: the callback copies used experts, and no graph reads the tables
    bool sends_tables;  // false: the callback rewrites a table, and the scheduler copies it
    uint64_t clock;
    int n_lookups, n_hits, n_misses, n_evictions, n_used_copies, n_declined;
};

void expert_cache_new(struct expert_cache * cache, const struct model * model, const struct machine * machine,
                      unsigned options);
void expert_cache_free(struct expert_cache * cache);

// True if graphs for batches of `n_tokens` tokens read their experts from the cache.
bool expert_cache_serves(const struct expert_cache * cache, int n_tokens);

// A ggml_backend_sched_copy_callback; `user_data` is the struct expert_cache.
bool expert_cache_copy(ggml_backend_t backend, const struct ggml_tensor * src, struct ggml_tensor * dst,
                       struct ggml_cgraph * graph, void * user_data);

// When the functions that only this ggml has are called. MOMENT_ASSIGNED and later ones are in the middle of a
// scenario.
enum moment {
    MOMENT_NEVER,
    MOMENT_NEW,       // before the first graph
    MOMENT_RESERVED,  // after the reserve
    MOMENT_ASSIGNED,  // after the nodes of a graph have been assigned
    MOMENT_ALLOCATED, // after a graph has been allocated and its inputs have been set
    MOMENT_IN_FLIGHT, // after graphs have been submitted and their logits asked for, before the wait for them
    MOMENT_UNREAD,    // after the wait for a run, before its logits are read
    N_MOMENTS,
};

struct scenario {
    const char * name;
    unsigned options;
    int in_flight; // the runs that are submitted before one wait
    int n_steps;
    enum moment moment;
};

// Tensors of one batch's graph
struct batch_graph {
    struct ggml_cgraph * graph;
    struct ggml_tensor * tokens;    // I32 [n_tokens]
    struct ggml_tensor * positions; // I32 [n_tokens]
    struct ggml_tensor * rows;      // I64 [n_tokens]: rows of the KV cache
    struct ggml_tensor * mask;      // f32 [n_kv, n_tokens]
    struct ggml_tensor * logits;    // f32 [N_VOCAB, n_tokens]
};

// A graph is built from these.
struct graph_inputs {
    struct ggml_context * context;
    ggml_backend_sched_t sched;
    const struct machine * machine;
    const struct model * model;
    const struct kv_cache * kv;
    const struct expert_cache * cache;
    const struct scenario * scenario;
    int n_tokens;
    int first_position;
    int n_kv; // visible part of the KV cache
};

// Builds the graph of a batch and assigns nodes to devices.
struct batch_graph build_graph(const struct graph_inputs * inputs);

// Runs a scenario and prints its hash.
void run_scenario(const struct machine * machine, const struct model * model, const struct scenario * scenario);

// Calls the functions that only this ggml has and prints what they return.
void call_newer_functions(ggml_backend_sched_t sched, const char * scenario, enum moment moment);

// Calls one of them again after the scenario has ended.
void call_newer_functions_again(ggml_backend_sched_t sched, const char * scenario);
