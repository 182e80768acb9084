// The expert cache of the engine

#include "engine.h"

#include <string.h>

static void make_banks(struct expert_banks * banks, const struct model * model, ggml_backend_t backend) {
    banks->backend = backend;
    banks->tensors = tensors_new();
    struct ggml_context * ctx = banks->tensors.context;
    for (int i = 0; i < N_EXPERT_TENSORS; i++) {
        const struct ggml_tensor * like = model->layers[0].experts[i];
        struct ggml_tensor * bank = ggml_new_tensor_3d(ctx, like->type, like->ne[0], like->ne[1], N_SLOTS + 1);
        banks->banks[i] = bank;
        banks->cached[i] = ggml_view_3d(ctx, bank, bank->ne[0], bank->ne[1], N_SLOTS, bank->nb[1], bank->nb[2], 0);
        ggml_format_name(bank, "bank.%d", i);
        ggml_format_name(banks->cached[i], "cached.%d", i);
    }
    tensors_alloc(&banks->tensors, ggml_backend_get_default_buffer_type(backend), true);
    for (int i = 0; i < N_SLOTS; i++) {
        banks->owner[i] = -1;
    }
}

void expert_cache_new(struct expert_cache * cache, const struct model * model, const struct machine * machine,
                      unsigned options) {
    *cache = (struct expert_cache){.model = model,
                                   .n_devices = machine->n_devices,
                                   .holds_experts = (options & CACHE) != 0,
                                   .sends_tables = !(options & TABLE_BY_SCHED)};
    cache->host = tensors_new();
    for (int i = 0; i < N_LAYERS; i++) {
        cache->tables[i] = ggml_new_tensor_2d(cache->host.context, GGML_TYPE_I32, 1, N_EXPERTS);
        ggml_format_name(cache->tables[i], "table-%d", i);
        for (int j = 0; j < machine->n_devices; j++) {
            if (machine->backends[j] == machine_layer(machine, i)) {
                cache->layer_device[i] = j;
            }
        }
    }
    tensors_alloc(&cache->host, ggml_backend_cpu_buffer_type(), true);
    ggml_backend_buffer_clear(cache->host.buffer, 0xff); // no expert has a slot
    for (int i = 0; i < machine->n_devices; i++) {
        make_banks(&cache->devices[i], model, machine->backends[i]);
    }
}

void expert_cache_free(struct expert_cache * cache) {
    tensors_free(&cache->host);
    for (int i = 0; i < cache->n_devices; i++) {
        tensors_free(&cache->devices[i].tensors);
    }
}

bool expert_cache_serves(const struct expert_cache * cache, int n_tokens) {
    const int n_experts = n_tokens * N_USED < N_EXPERTS ? n_tokens * N_USED : N_EXPERTS; // at most
    return cache->holds_experts && n_tokens <= MAX_CACHED_BATCH && n_experts <= N_SLOTS;
}

static int32_t * table_of(const struct expert_cache * cache, int layer) {
    return cache->tables[layer]->data;
}

// Reads ids that the device has, and sets `used[e]` to whether expert e is among them.
static void read_ids(ggml_backend_t backend, const struct ggml_tensor * ids, bool used[N_EXPERTS]) {
    static unsigned char data[MAX_BATCH * N_EXPERTS * sizeof(int32_t)];
    require(ggml_nbytes(ids) <= sizeof(data), "at most MAX_BATCH * N_EXPERTS ids");
    ggml_backend_tensor_get_async(backend, ids, data, 0, ggml_nbytes(ids));
    ggml_backend_synchronize(backend);
    memset(used, 0, N_EXPERTS * sizeof(bool));
    for (int64_t row = 0; row < ids->ne[1]; row++) {
        for (int64_t i = 0; i < ids->ne[0]; i++) {
            int32_t id;
            memcpy(&id, data + (size_t) row * ids->nb[1] + (size_t) i * ids->nb[0], sizeof(id));
            require(id >= 0 && id < N_EXPERTS, "the ids that the callback reads have been computed");
            used[id] = true;
        }
    }
}

// Returns the least recently used slot that this lookup does not need, and takes it from the expert that has it.
static int evict(struct expert_cache * cache, struct expert_banks * banks) {
    int slot = -1;
    for (int i = 0; i < N_SLOTS; i++) {
        if (banks->last_use[i] != cache->clock && (slot < 0 || banks->last_use[i] < banks->last_use[slot])) {
            slot = i;
        }
    }
    require(slot >= 0, "a slot for each expert of a lookup");
    const int32_t owner = banks->owner[slot];
    if (owner >= 0) {
        table_of(cache, owner / N_EXPERTS)[owner % N_EXPERTS] = -1; // often another layer's table
        cache->n_evictions++;
    }
    return slot;
}

static void upload(const struct expert_cache * cache, struct expert_banks * banks, int layer, int expert, int slot) {
    for (int i = 0; i < N_EXPERT_TENSORS; i++) {
        const struct ggml_tensor * experts = cache->model->layers[layer].experts[i];
        const size_t size = experts->nb[2];
        ggml_backend_tensor_set_async(banks->backend, banks->banks[i],
                                      (const char *) experts->data + (size_t) expert * size, (size_t) slot * size,
                                      size);
    }
}

// Gives a slot to each used expert of the layer.
static void give_slots(struct expert_cache * cache, struct expert_banks * banks, int layer,
                       const bool used[N_EXPERTS]) {
    int32_t * table = table_of(cache, layer);
    cache->clock++;
    for (int e = 0; e < N_EXPERTS; e++) {
        if (used[e] && table[e] >= 0) {
            banks->last_use[table[e]] = cache->clock;
            cache->n_hits++;
        }
    }
    for (int e = 0; e < N_EXPERTS; e++) {
        if (used[e] && table[e] < 0) {
            const int slot = evict(cache, banks);
            banks->owner[slot] = layer * N_EXPERTS + e;
            banks->last_use[slot] = cache->clock;
            table[e] = slot;
            upload(cache, banks, layer, e, slot);
            cache->n_misses++;
        }
    }
}

// Returns the GET_ROWS of a split that reads `table`, or NULL.
static const struct ggml_tensor * find_lookup(struct ggml_cgraph * graph, const struct ggml_tensor * table) {
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const struct ggml_tensor * node = ggml_graph_node(graph, i);
        if (node->op == GGML_OP_GET_ROWS && node->src[0] == table) {
            return node;
        }
    }
    return NULL;
}

static void require_computed_earlier(struct ggml_cgraph * graph, const struct ggml_tensor * ids) {
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const struct ggml_tensor * node = ggml_graph_node(graph, i);
        const bool computes_ids = node == ids || (ids->view_src && node == ids->view_src);
        require(!computes_ids, "the ids are computed by an earlier split than the one that looks up slots");
    }
}

static void copy_table(struct expert_cache * cache, ggml_backend_t backend, int layer, struct ggml_tensor * dst,
                       struct ggml_cgraph * graph) {
    struct expert_banks * banks = &cache->devices[cache->layer_device[layer]];
    require(backend == banks->backend, "a table is copied to its layer's device");
    const struct ggml_tensor * lookup = find_lookup(graph, dst);
    require(lookup, "a GET_ROWS in the split that the table is copied for");
    require_computed_earlier(graph, lookup->src[1]);

    bool used[N_EXPERTS];
    read_ids(backend, lookup->src[1], used);
    give_slots(cache, banks, layer, used);
    if (cache->sends_tables) {
        ggml_backend_tensor_set_async(backend, dst, table_of(cache, layer), 0, ggml_nbytes(dst));
    }
    cache->n_lookups++;
}

// Returns a view of `n` experts that has memory. The view lives as long as `context`.
static struct ggml_tensor * experts_view(struct ggml_context * context, struct ggml_tensor * experts, int first,
                                         int n) {
    struct ggml_tensor * view = ggml_view_3d(context, experts, experts->ne[0], experts->ne[1], n, experts->nb[1],
                                             experts->nb[2], (size_t) first * experts->nb[2]);
    require(ggml_backend_view_init(view) == GGML_STATUS_SUCCESS, "a view of experts");
    return view;
}

// Copies the used experts alone: from the banks if they have them, otherwise from the host.
static void copy_used(struct expert_cache * cache, ggml_backend_t backend, int layer, int tensor,
                      struct ggml_tensor * dst, const struct ggml_tensor * ids) {
    bool used[N_EXPERTS];
    read_ids(backend, ids, used);
    struct expert_banks * banks = &cache->devices[cache->layer_device[layer]];
    const struct ggml_tensor * src = cache->model->layers[layer].experts[tensor];
    struct tensors views = tensors_new();
    for (int e = 0; e < N_EXPERTS; e++) {
        const int32_t slot = table_of(cache, layer)[e];
        if (used[e] && slot >= 0 && backend == banks->backend) {
            ggml_backend_tensor_copy_async(backend, backend, experts_view(views.context, banks->banks[tensor], slot, 1),
                                           experts_view(views.context, dst, e, 1));
        } else if (used[e]) {
            const size_t at = (size_t) e * src->nb[2];
            ggml_backend_tensor_set_async(backend, dst, (const char *) src->data + at, at, src->nb[2]);
        }
    }
    tensors_free(&views);
    cache->n_used_copies++;
}

bool expert_cache_copy(ggml_backend_t backend, const struct ggml_tensor * src, struct ggml_tensor * dst,
                       struct ggml_cgraph * graph, void * user_data) {
    struct expert_cache * cache = user_data;
    for (int i = 0; i < N_LAYERS; i++) {
        if (src == cache->tables[i]) {
            copy_table(cache, backend, i, dst, graph);
            return cache->sends_tables;
        }
        for (int j = 0; j < N_EXPERT_TENSORS; j++) {
            const struct ggml_tensor * first =
                src == cache->model->layers[i].experts[j] ? ggml_graph_node(graph, 0) : NULL;
            if (first && first->op == GGML_OP_MUL_MAT_ID && first->src[0] == dst) {
                copy_used(cache, backend, i, j, dst, first->src[2]);
                return true;
            }
        }
    }
    cache->n_declined++;
    return false;
}
