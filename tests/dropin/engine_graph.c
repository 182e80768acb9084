// The graph of one batch

#include "engine.h"

#include <math.h>

static void assign(const struct graph_inputs * in, struct ggml_tensor * node, ggml_backend_t backend) {
    if (in->machine->n_devices > 0) {
        ggml_backend_sched_set_tensor_backend(in->sched, node, backend);
    }
}

static struct ggml_tensor * input(const struct graph_inputs * in, enum ggml_type type, int64_t n_columns,
                                  int64_t n_rows, const char * name) {
    struct ggml_tensor * tensor = ggml_new_tensor_2d(in->context, type, n_columns, n_rows);
    ggml_set_input(tensor);
    ggml_set_name(tensor, name);
    return tensor;
}

// Assigns the product with the norm weights, which are on the host, to the layer's device.
static struct ggml_tensor * norm(const struct graph_inputs * in, struct ggml_tensor * x, struct ggml_tensor * weights,
                                 int layer) {
    struct ggml_tensor * product = ggml_mul(in->context, ggml_rms_norm(in->context, x, 1e-5f), weights);
    ggml_format_name(product, "norm of %s", ggml_get_name(weights));
    assign(in, product, machine_layer(in->machine, layer));
    return product;
}

// Writes keys by SET_ROWS and values by CPY, because engines use both. A graph that is computed again writes values by
// SET_ROWS, too: a view would write them to the rows of the first batch.
static void write_kv(const struct graph_inputs * in, const struct batch_graph * out, struct ggml_tensor * x,
                     int index) {
    struct ggml_context * ctx = in->context;
    const struct layer * layer = &in->model->layers[index];
    struct ggml_tensor * keys = ggml_mul_mat(ctx, layer->key, x);
    ggml_build_forward_expand(out->graph, ggml_set_rows(ctx, in->kv->keys[index], keys, out->rows));

    struct ggml_tensor * values = ggml_mul_mat(ctx, layer->value, x);
    struct ggml_tensor * all = in->kv->values[index];
    if (in->scenario->options & REUSE) {
        ggml_build_forward_expand(out->graph, ggml_set_rows(ctx, all, values, out->rows));
        return;
    }
    struct ggml_tensor * place =
        ggml_view_2d(ctx, all, N_EMBD, in->n_tokens, all->nb[1], (size_t) in->first_position * all->nb[1]);
    ggml_build_forward_expand(out->graph, ggml_cpy(ctx, values, place));
}

// Returns the visible part of the cache, as [head size, n_kv, N_HEADS].
static struct ggml_tensor * visible(const struct graph_inputs * in, struct ggml_tensor * cached) {
    const size_t head_bytes = ggml_row_size(cached->type, N_EMBD / N_HEADS);
    return ggml_view_3d(in->context, cached, N_EMBD / N_HEADS, in->n_kv, N_HEADS, cached->nb[1], head_bytes, 0);
}

static struct ggml_tensor * attention(const struct graph_inputs * in, const struct batch_graph * out,
                                      struct ggml_tensor * x, int index) {
    struct ggml_context * ctx = in->context;
    const struct layer * layer = &in->model->layers[index];
    ggml_backend_t device = machine_layer(in->machine, index);
    write_kv(in, out, x, index);

    struct ggml_tensor * query = ggml_mul_mat(ctx, layer->query, x);
    query = ggml_reshape_3d(ctx, query, N_EMBD / N_HEADS, N_HEADS, in->n_tokens);
    struct ggml_tensor * scores =
        ggml_mul_mat(ctx, visible(in, in->kv->keys[index]), ggml_permute(ctx, query, 0, 2, 1, 3));
    scores = ggml_soft_max_ext(ctx, scores, out->mask, 1 / sqrtf(N_EMBD / N_HEADS), 0);
    struct ggml_tensor * values = ggml_permute(ctx, visible(in, in->kv->values[index]), 1, 0, 2, 3);
    struct ggml_tensor * mixed = ggml_mul_mat(ctx, ggml_cont(ctx, values), scores);
    mixed = ggml_cont_2d(ctx, ggml_permute(ctx, mixed, 0, 2, 1, 3), N_EMBD, in->n_tokens);
    assign(in, mixed, (in->scenario->options & KV_ON_HOST) != 0 ? machine_cpu(in->machine) : device);

    struct ggml_tensor * result = ggml_mul_mat(ctx, layer->attention_out, mixed);
    assign(in, result, device);
    return result;
}

// Returns the ids of the chosen experts, as I32 [N_USED, n_tokens]. Sets `shares` to f32 [1, N_USED, n_tokens].
static struct ggml_tensor * route(const struct graph_inputs * in, struct ggml_tensor * x, int index,
                                  struct ggml_tensor ** shares) {
    struct ggml_context * ctx = in->context;
    struct ggml_tensor * probabilities = ggml_soft_max(ctx, ggml_mul_mat(ctx, in->model->layers[index].router, x));
    // The result of TOP_K is contiguous, that of ARGSORT is read through a view.
    struct ggml_tensor * ids = index == ROUTED_ON_HOST || index % 2 ? ggml_top_k(ctx, probabilities, N_USED)
                                                                    : ggml_argsort_top_k(ctx, probabilities, N_USED);
    if (index == ROUTED_ON_HOST) {
        assign(in, ids, machine_cpu(in->machine));
    }
    ggml_format_name(ids, "ids-%d", index);
    *shares = ggml_get_rows(ctx, ggml_reshape_3d(ctx, probabilities, 1, N_EXPERTS, in->n_tokens), ids);
    return ids;
}

// Returns the slots of the experts, as I32 [N_USED, n_tokens].
static struct ggml_tensor * look_up(const struct graph_inputs * in, struct ggml_tensor * ids, int index) {
    struct ggml_context * ctx = in->context;
    if (!ggml_is_contiguous(ids)) {
        ids = ggml_cont(ctx, ids);
    }
    ids = ggml_reshape_1d(ctx, ids, ggml_nelements(ids));
    struct ggml_tensor * slots = ggml_get_rows(ctx, in->cache->tables[index], ids);
    ggml_format_name(slots, "slots-%d", index);
    assign(in, slots, machine_layer(in->machine, index));
    return ggml_reshape_2d(ctx, slots, N_USED, in->n_tokens);
}

static struct ggml_tensor * multiply_by_experts(const struct graph_inputs * in, struct ggml_tensor * experts,
                                                struct ggml_tensor * x, struct ggml_tensor * ids, int index) {
    struct ggml_tensor * product = ggml_mul_mat_id(in->context, experts, x, ids);
    ggml_format_name(product, "product with %s", ggml_get_name(experts));
    if (in->scenario->options & OFFLOAD) {
        assign(in, product, machine_layer(in->machine, index));
    }
    return product;
}

static struct ggml_tensor * mixture(const struct graph_inputs * in, struct ggml_tensor * x, int index) {
    struct ggml_context * ctx = in->context;
    const struct expert_cache * cache = in->cache;
    struct ggml_tensor * shares = NULL;
    struct ggml_tensor * ids = route(in, x, index, &shares);
    struct ggml_tensor * const * experts = in->model->layers[index].experts;
    if (cache && expert_cache_serves(cache, in->n_tokens)) {
        ids = look_up(in, ids, index);
        experts = cache->devices[cache->layer_device[index]].cached;
    }

    x = ggml_reshape_3d(ctx, x, N_EMBD, 1, in->n_tokens);
    struct ggml_tensor * up = multiply_by_experts(in, experts[EXPERTS_UP], x, ids, index);
    struct ggml_tensor * gate = multiply_by_experts(in, experts[EXPERTS_GATE], x, ids, index);
    struct ggml_tensor * active = ggml_swiglu_split(ctx, gate, up);
    struct ggml_tensor * down = multiply_by_experts(in, experts[EXPERTS_DOWN], active, ids, index);
    down = ggml_mul(ctx, down, shares); // [N_EMBD, N_USED, n_tokens]

    struct ggml_tensor * sum = NULL;
    for (int i = 0; i < N_USED; i++) {
        struct ggml_tensor * part =
            ggml_view_2d(ctx, down, N_EMBD, in->n_tokens, down->nb[2], (size_t) i * down->nb[1]);
        sum = sum ? ggml_add(ctx, sum, part) : part;
    }
    return sum;
}

struct batch_graph build_graph(const struct graph_inputs * in) {
    struct ggml_context * ctx = in->context;
    const struct model * model = in->model;
    struct batch_graph out = {0};
    out.graph = ggml_new_graph_custom(ctx, MAX_NODES, false);
    out.tokens = input(in, GGML_TYPE_I32, in->n_tokens, 1, "tokens");
    out.positions = input(in, GGML_TYPE_I32, in->n_tokens, 1, "positions");
    out.rows = input(in, GGML_TYPE_I64, in->n_tokens, 1, "rows");
    out.mask = input(in, GGML_TYPE_F32, in->n_kv, in->n_tokens, "mask");

    // The device reads this host weight by GET_ROWS, as it reads a table of slots. The copy callback declines it.
    struct ggml_tensor * positions = ggml_get_rows(ctx, model->position_embeddings, out.positions);
    assign(in, positions, machine_layer(in->machine, 0));
    struct ggml_tensor * x = ggml_add(ctx, ggml_get_rows(ctx, model->token_embeddings, out.tokens), positions);
    for (int i = 0; i < N_LAYERS; i++) {
        x = ggml_add(ctx, x, attention(in, &out, norm(in, x, model->layers[i].attention_norm, i), i));
        x = ggml_add(ctx, x, mixture(in, norm(in, x, model->layers[i].experts_norm, i), i));
        ggml_format_name(x, "layer-%d", i);
    }
    out.logits = ggml_mul_mat(ctx, model->out, norm(in, x, model->out_norm, N_LAYERS - 1));
    ggml_set_name(out.logits, "logits");
    ggml_set_output(out.logits);
    ggml_build_forward_expand(out.graph, out.logits);
    return out;
}
