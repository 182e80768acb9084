// Runs one scenario: batches of many sizes, a graph for each, several runs in flight.

#include "engine.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct batch {
    int n_tokens;
    int first_position;
    int32_t tokens[MAX_BATCH];
};

struct run {
    const struct machine * machine;
    const struct model * model;
    const struct scenario * scenario;
    struct kv_cache kv;
    struct expert_cache cache;
    ggml_backend_sched_t sched;
    struct ggml_context * context; // of the batch's graph; the next batch uses it while this one is in flight
    struct batch_graph graph;      // of the last batch
    int step;
    int first_step_of_call;
    bool has_called;
    float logits[MAX_IN_FLIGHT][MAX_BATCH * N_VOCAB];
    int n_logits[MAX_IN_FLIGHT];
    int n_in_flight;
    uint64_t hash;
    bool counts_reallocations;
    int n_reallocations, n_by_backends, n_by_sizes;
    int n_evaluated; // the nodes that the eval callback has seen after they were computed
};

// FNV-1a
static void add_to_hash(uint64_t * hash, const void * data, size_t size) {
    for (const unsigned char * byte = data; size > 0; byte++, size--) {
        *hash = (*hash ^ *byte) * 0x100000001b3u;
    }
}

static void count_reallocation(ggml_backend_sched_t sched, struct ggml_cgraph * graph, bool backend_ids_changed,
                               bool size_changed, void * user_data) {
    struct run * run = user_data;
    require(sched == run->sched && graph, "the reallocation callback gets its scheduler and a graph");
    if (run->counts_reallocations) {
        run->n_reallocations++;
        run->n_by_backends += backend_ids_changed;
        run->n_by_sizes += size_changed;
    }
}

// An eval callback. It wants the ids and the logits.
static bool count_evaluated(struct ggml_tensor * node, bool ask, void * user_data) {
    const char * name = ggml_get_name(node);
    if (ask) {
        return strncmp(name, "ids-", 4) == 0 || strcmp(name, "logits") == 0;
    }
    ((struct run *) user_data)->n_evaluated++;
    return true;
}

// Returns a prefill, a small batch or a single token. When the KV cache is full, a new sequence begins.
static struct batch next_batch(int step, int * position, uint64_t * state) {
    struct batch batch = {.n_tokens = 1};
    if (step % 16 == 0) {
        batch.n_tokens = MAX_CACHED_BATCH + 1 + (int) (next_random(state) % (MAX_BATCH - MAX_CACHED_BATCH));
    } else if (step % 16 == 8) {
        batch.n_tokens = 2 + (int) (next_random(state) % (MAX_CACHED_BATCH - 1));
    }
    if (*position + batch.n_tokens > N_CTX) {
        *position = 0;
    }
    batch.first_position = *position;
    *position += batch.n_tokens;
    for (int i = 0; i < batch.n_tokens; i++) {
        batch.tokens[i] = (int32_t) (next_random(state) % N_VOCAB);
    }
    return batch;
}

static struct batch_graph build(struct run * run, int n_tokens, int first_position, int n_kv) {
    ggml_reset(run->context);
    ggml_backend_sched_reset(run->sched);
    const struct graph_inputs inputs = {
        .context = run->context,
        .sched = run->sched,
        .machine = run->machine,
        .model = run->model,
        .kv = &run->kv,
        .cache = run->scenario->options & CALLBACK ? &run->cache : NULL,
        .scenario = run->scenario,
        .n_tokens = n_tokens,
        .first_position = first_position,
        .n_kv = n_kv,
    };
    return build_graph(&inputs);
}

// Reserves what llama.cpp reserves: the largest prefill, a single token, and the prefill again.
static void reserve(struct run * run) {
    const int sizes[] = {MAX_BATCH, 1, MAX_BATCH};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const struct batch_graph graph = build(run, sizes[i], N_CTX - sizes[i], N_CTX);
        require(ggml_backend_sched_reserve(run->sched, graph.graph), "the reserve");
    }
}

static void set_inputs(const struct batch_graph * graph, const struct batch * batch, int n_kv) {
    static float mask[MAX_BATCH * N_CTX];
    int32_t positions[MAX_BATCH];
    int64_t rows[MAX_BATCH];
    for (int i = 0; i < batch->n_tokens; i++) {
        positions[i] = batch->first_position + i;
        rows[i] = positions[i];
        for (int j = 0; j < n_kv; j++) {
            mask[i * n_kv + j] = j <= positions[i] ? 0.0f : -INFINITY;
        }
    }
    ggml_backend_tensor_set(graph->tokens, batch->tokens, 0, ggml_nbytes(graph->tokens));
    ggml_backend_tensor_set(graph->positions, positions, 0, ggml_nbytes(graph->positions));
    ggml_backend_tensor_set(graph->rows, rows, 0, ggml_nbytes(graph->rows));
    ggml_backend_tensor_set(graph->mask, mask, 0, ggml_nbytes(graph->mask));
}

// Waits for the runs in flight and takes their logits.
static void finish(struct run * run) {
    ggml_backend_sched_synchronize(run->sched);
    for (int i = 0; i < run->n_in_flight; i++) {
        for (int j = 0; j < run->n_logits[i]; j++) {
            require(isfinite(run->logits[i][j]), "finite logits");
        }
        add_to_hash(&run->hash, run->logits[i], (size_t) run->n_logits[i] * sizeof(float));
    }
    run->n_in_flight = 0;
}

// Calls the newer functions once, if the scenario wants them at this moment.
static void call_at(struct run * run, enum moment moment) {
    if (run->scenario->moment == moment && !run->has_called && run->step >= run->first_step_of_call) {
        call_newer_functions(run->sched, run->scenario->name, moment);
        run->has_called = true;
    }
}

// Builds and allocates the batch's graph, unless the last batch's graph can be computed again.
static void prepare(struct run * run, const struct batch * batch, int n_kv) {
    const bool fits = run->graph.graph && run->graph.tokens->ne[0] == batch->n_tokens && run->graph.mask->ne[0] == n_kv;
    if (fits && (run->scenario->options & REUSE)) {
        return;
    }
    run->graph = build(run, batch->n_tokens, batch->first_position, n_kv);
    call_at(run, MOMENT_ASSIGNED);
    require(ggml_backend_sched_alloc_graph(run->sched, run->graph.graph), "the allocation of a graph");
}

static void compute(struct run * run, const struct batch * batch) {
    const int end = batch->first_position + batch->n_tokens;
    const int n_kv = (end + KV_STEP - 1) / KV_STEP * KV_STEP;
    prepare(run, batch, n_kv);
    set_inputs(&run->graph, batch, n_kv);
    if ((run->scenario->options & LATE_CALLBACK) && run->step == 0) {
        ggml_backend_sched_set_copy_callback(run->sched, expert_cache_copy, &run->cache);
    }
    call_at(run, MOMENT_ALLOCATED);
    require(ggml_backend_sched_graph_compute_async(run->sched, run->graph.graph) == GGML_STATUS_SUCCESS, "a run");

    const int index = run->n_in_flight++;
    struct ggml_tensor * logits = run->graph.logits;
    run->n_logits[index] = (int) ggml_nelements(logits);
    ggml_backend_t backend = ggml_backend_sched_get_tensor_backend(run->sched, logits);
    require(backend, "a backend of the logits");
    if (run->scenario->moment == MOMENT_UNREAD) {
        ggml_backend_sched_synchronize(run->sched);
        call_at(run, MOMENT_UNREAD);
    }
    ggml_backend_tensor_get_async(backend, logits, run->logits[index], 0, ggml_nbytes(logits));
    call_at(run, MOMENT_IN_FLIGHT);
    if (run->n_in_flight == run->scenario->in_flight) {
        finish(run);
    }
}

static struct run * run_new(const struct machine * machine, const struct model * model,
                            const struct scenario * scenario) {
    static const struct machine none = {.n_devices = 0};
    struct run * run = calloc(1, sizeof(*run));
    require(run, "memory for a run");
    *run = (struct run){.machine = machine, .model = model, .scenario = scenario, .hash = 0xcbf29ce484222325u};
    kv_cache_new(&run->kv, machine, (scenario->options & KV_ON_HOST) != 0);
    expert_cache_new(&run->cache, model, scenario->options & CALLBACK ? machine : &none, scenario->options);
    const size_t graph_size = ggml_graph_overhead_custom(MAX_NODES, false) + MAX_NODES * ggml_tensor_overhead();
    run->context = ggml_init((struct ggml_init_params){graph_size, NULL, true});

    ggml_backend_t backends[MAX_DEVICES + 1];
    for (int i = 0; i <= machine->n_devices; i++) {
        backends[i] = machine->backends[i];
    }
    run->sched = ggml_backend_sched_new(backends, NULL, machine->n_devices + 1, MAX_NODES,
                                        (scenario->options & PARALLEL) != 0, true);
    require(run->context && run->sched, "a scheduler");
    ggml_backend_sched_set_realloc_callback(run->sched, count_reallocation, run);
    if ((scenario->options & CALLBACK) && !(scenario->options & LATE_CALLBACK)) {
        ggml_backend_sched_set_copy_callback(run->sched, expert_cache_copy, &run->cache);
    }
    if (scenario->options & EVAL_CALLBACK) {
        ggml_backend_sched_set_eval_callback(run->sched, count_evaluated, run);
    }
    return run;
}

static void run_free(struct run * run) {
    ggml_backend_sched_free(run->sched);
    ggml_free(run->context);
    expert_cache_free(&run->cache);
    kv_cache_free(&run->kv);
    free(run);
}

static void print_results(const struct run * run) {
    const char * name = run->scenario->name;
    const struct expert_cache * cache = &run->cache;
    printf("hash: %s: %016" PRIx64 "\n", name, run->hash);
    printf("reallocations: %s: %d (backends changed %d, sizes changed %d)\n", name, run->n_reallocations,
           run->n_by_backends, run->n_by_sizes);
    if ((run->scenario->options & CACHE) != 0) {
        printf("lookups: %s: %d (hits %d, misses %d, evictions %d)\n", name, cache->n_lookups, cache->n_hits,
               cache->n_misses, cache->n_evictions);
    }
    if (run->scenario->options & CALLBACK) {
        printf("other calls: %s: copied used experts %d, declined %d\n", name, cache->n_used_copies, cache->n_declined);
    }
    if (run->scenario->options & EVAL_CALLBACK) {
        printf("evaluated: %s: %d\n", name, run->n_evaluated);
    }
    fflush(stdout);
}

void run_scenario(const struct machine * machine, const struct model * model, const struct scenario * scenario) {
    struct run * run = run_new(machine, model, scenario);
    call_at(run, MOMENT_NEW);
    reserve(run);
    call_at(run, MOMENT_RESERVED);
    run->counts_reallocations = true;
    run->first_step_of_call = scenario->n_steps / 2 + 2; // two runs are in flight, where four can be

    uint64_t state = 2;
    int position = 0;
    for (run->step = 0; run->step < scenario->n_steps; run->step++) {
        const struct batch batch = next_batch(run->step, &position, &state);
        compute(run, &batch);
    }
    finish(run);
    print_results(run);
    if (scenario->moment != MOMENT_NEVER) {
        require(run->has_called, "the moment of the calls");
        call_newer_functions_again(run->sched, scenario->name);
    }
    run_free(run);
}
