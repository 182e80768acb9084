// Weights and KV cache of the engine

#include "engine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

ggml_backend_t machine_cpu(const struct machine * machine) {
    return machine->backends[machine->n_devices];
}

static int layer_backend_index(const struct machine * machine, int layer) {
    return machine->n_devices == 0 ? 0 : layer * machine->n_devices / N_LAYERS;
}

ggml_backend_t machine_layer(const struct machine * machine, int layer) {
    return machine->backends[layer_backend_index(machine, layer)];
}

struct tensors tensors_new(void) {
    const struct ggml_init_params params = {64 * ggml_tensor_overhead(), NULL, true};
    const struct tensors tensors = {ggml_init(params), NULL};
    require(tensors.context, "a context for tensors");
    return tensors;
}

void tensors_alloc(struct tensors * tensors, ggml_backend_buffer_type_t type, bool are_weights) {
    if (!ggml_get_first_tensor(tensors->context)) {
        return;
    }
    tensors->buffer = ggml_backend_alloc_ctx_tensors_from_buft(tensors->context, type);
    require(tensors->buffer, "memory for tensors");
    ggml_backend_buffer_clear(tensors->buffer, 0);
    ggml_backend_buffer_set_usage(tensors->buffer,
                                  are_weights ? GGML_BACKEND_BUFFER_USAGE_WEIGHTS : GGML_BACKEND_BUFFER_USAGE_ANY);
}

void tensors_free(struct tensors * tensors) {
    ggml_backend_buffer_free(tensors->buffer);
    ggml_free(tensors->context);
}

// splitmix64
uint64_t next_random(uint64_t * state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fill(struct ggml_tensor * tensor, float center, float radius, uint64_t * state) {
    const int64_t n = ggml_nelements(tensor);
    float * values = malloc((size_t) n * sizeof(float));
    void * data = malloc(ggml_nbytes(tensor));
    require(values && data, "memory for random weights");
    for (int64_t i = 0; i < n; i++) {
        const float unit = (float) (next_random(state) >> 40) / (float) (1 << 24); // 0 to 1
        values[i] = center + radius * (2 * unit - 1);
    }
    if (tensor->type == GGML_TYPE_F32) {
        ggml_backend_tensor_set(tensor, values, 0, ggml_nbytes(tensor));
    } else {
        ggml_quantize_chunk(tensor->type, values, data, 0, ggml_nrows(tensor), tensor->ne[0], NULL);
        ggml_backend_tensor_set(tensor, data, 0, ggml_nbytes(tensor));
    }
    free(data);
    free(values);
}

// Fills a matrix whose products with vectors are about as large as the vectors.
static void fill_matrix(struct ggml_tensor * tensor, uint64_t * state) {
    fill(tensor, 0, sqrtf(3.0f / (float) tensor->ne[0]), state);
}

static struct ggml_tensor * matrix(struct tensors * place, enum ggml_type type, int n_in, int n_out) {
    return ggml_new_tensor_2d(place->context, type, n_in, n_out);
}

static struct ggml_tensor * norm(struct tensors * place) {
    return ggml_new_tensor_1d(place->context, GGML_TYPE_F32, N_EMBD);
}

static void make_layer(struct model * model, struct tensors * device, int index) {
    struct layer * layer = &model->layers[index];
    struct tensors * host = &model->host;
    layer->attention_norm = norm(host);
    layer->query = matrix(index == 1 ? host : device, GGML_TYPE_F16, N_EMBD, N_EMBD);
    layer->key = matrix(device, GGML_TYPE_F16, N_EMBD, N_EMBD);
    layer->value = matrix(device, GGML_TYPE_F16, N_EMBD, N_EMBD);
    layer->attention_out = matrix(index == 2 ? host : device, GGML_TYPE_F16, N_EMBD, N_EMBD);
    layer->experts_norm = norm(host);
    layer->router = matrix(index == ROUTED_ON_HOST ? host : device, GGML_TYPE_F32, N_EMBD, N_EXPERTS);
    for (int i = 0; i < N_EXPERT_TENSORS; i++) {
        const int n_in = i == EXPERTS_DOWN ? N_FF : N_EMBD;
        const int n_out = i == EXPERTS_DOWN ? N_EMBD : N_FF;
        layer->experts[i] = ggml_new_tensor_3d(host->context, GGML_TYPE_Q8_0, n_in, n_out, N_EXPERTS);
        ggml_format_name(layer->experts[i], "experts-%d.%d", index, i);
    }
    ggml_format_name(layer->attention_norm, "attention_norm-%d", index);
    ggml_format_name(layer->query, "query-%d", index);
    ggml_format_name(layer->attention_out, "attention_out-%d", index);
    ggml_format_name(layer->experts_norm, "experts_norm-%d", index);
    ggml_format_name(layer->router, "router-%d", index);
}

static void fill_layer(struct layer * layer, uint64_t * state) {
    fill(layer->attention_norm, 1, 0.2f, state);
    fill_matrix(layer->query, state);
    fill_matrix(layer->key, state);
    fill_matrix(layer->value, state);
    fill_matrix(layer->attention_out, state);
    fill(layer->experts_norm, 1, 0.2f, state);
    fill_matrix(layer->router, state);
    for (int i = 0; i < N_EXPERT_TENSORS; i++) {
        fill_matrix(layer->experts[i], state);
    }
}

void model_new(struct model * model, const struct machine * machine) {
    *model = (struct model){0};
    model->host = tensors_new();
    for (int i = 0; i <= machine->n_devices; i++) {
        model->device[i] = tensors_new();
    }
    model->token_embeddings = matrix(&model->host, GGML_TYPE_F32, N_EMBD, N_VOCAB);
    model->position_embeddings = matrix(&model->host, GGML_TYPE_F32, N_EMBD, N_CTX);
    model->out_norm = norm(&model->host);
    ggml_set_name(model->token_embeddings, "token_embeddings");
    ggml_set_name(model->position_embeddings, "position_embeddings");
    ggml_set_name(model->out_norm, "out_norm");
    for (int i = 0; i < N_LAYERS; i++) {
        make_layer(model, &model->device[layer_backend_index(machine, i)], i);
    }
    model->out = matrix(&model->device[layer_backend_index(machine, N_LAYERS - 1)], GGML_TYPE_F16, N_EMBD, N_VOCAB);

    tensors_alloc(&model->host, ggml_backend_get_default_buffer_type(machine_cpu(machine)), true);
    for (int i = 0; i <= machine->n_devices; i++) {
        tensors_alloc(&model->device[i], ggml_backend_get_default_buffer_type(machine->backends[i]), true);
    }
    uint64_t state = 1;
    fill(model->token_embeddings, 0, 1, &state);
    fill(model->position_embeddings, 0, 0.5f, &state);
    fill(model->out_norm, 1, 0.2f, &state);
    for (int i = 0; i < N_LAYERS; i++) {
        fill_layer(&model->layers[i], &state);
    }
    fill_matrix(model->out, &state);
}

void model_free(struct model * model) {
    tensors_free(&model->host);
    for (int i = 0; i <= MAX_DEVICES; i++) {
        tensors_free(&model->device[i]);
    }
}

void kv_cache_new(struct kv_cache * cache, const struct machine * machine, bool on_host) {
    *cache = (struct kv_cache){0};
    for (int i = 0; i <= machine->n_devices; i++) {
        cache->tensors[i] = tensors_new();
    }
    for (int i = 0; i < N_LAYERS; i++) {
        const int place = on_host ? machine->n_devices : layer_backend_index(machine, i);
        cache->keys[i] = matrix(&cache->tensors[place], GGML_TYPE_F16, N_EMBD, N_CTX);
        cache->values[i] = matrix(&cache->tensors[place], GGML_TYPE_F16, N_EMBD, N_CTX);
        ggml_format_name(cache->keys[i], "keys-%d", i);
        ggml_format_name(cache->values[i], "values-%d", i);
    }
    for (int i = 0; i <= machine->n_devices; i++) {
        tensors_alloc(&cache->tensors[i], ggml_backend_get_default_buffer_type(machine->backends[i]), false);
    }
}

void kv_cache_free(struct kv_cache * cache) {
    for (int i = 0; i <= MAX_DEVICES; i++) {
        tensors_free(&cache->tensors[i]);
    }
}
