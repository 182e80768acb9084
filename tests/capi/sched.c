/* The scheduler over a simulated device and the CPU. */

#include "ggml-sched.h"

#include <stdio.h>
#include <string.h>

#include "capi.h"
#include "ggml-sim.h"

enum { N = 8 };

/* y = (w * x) * 2, where the device has w and the caller the input x. */
struct model {
    struct ggml_context * weights;
    ggml_backend_buffer_t buffer;
    struct ggml_tensor * w;

    struct ggml_context * ctx;
    struct ggml_cgraph * graph;
    struct ggml_tensor * x;
    struct ggml_tensor * product;
    struct ggml_tensor * y;
};

static struct ggml_context * new_context(void) {
    const struct ggml_init_params params = {
        .mem_size = 16 * ggml_tensor_overhead() + ggml_graph_overhead_custom(16, false),
        .mem_buffer = NULL,
        .no_alloc = true,
    };
    return ggml_init(params);
}

/* A graph that has been placed or split is not given to the scheduler again: each use builds a new one. */
static void build_graph(struct model * model) {
    ggml_free(model->ctx);
    model->ctx = new_context();
    model->graph = ggml_new_graph_custom(model->ctx, 16, false);
    model->x = ggml_set_name(ggml_new_tensor_1d(model->ctx, GGML_TYPE_F32, N), "x");
    model->product = ggml_set_name(ggml_mul(model->ctx, model->w, model->x), "product");
    model->y = ggml_set_name(ggml_scale(model->ctx, model->product, 2.0f), "y");
    ggml_set_input(model->x);
    ggml_set_output(model->y);
    ggml_build_forward_expand(model->graph, model->y);
}

static struct model new_model(ggml_backend_t device) {
    struct model model = {.ctx = NULL};
    const float ones[N] = {1, 2, 3, 4, 5, 6, 7, 8};
    model.weights = new_context();
    model.w = ggml_set_name(ggml_new_tensor_1d(model.weights, GGML_TYPE_F32, N), "w");
    model.buffer = ggml_backend_alloc_ctx_tensors(model.weights, device);
    CHECK(model.buffer != NULL);
    ggml_backend_buffer_set_usage(model.buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    ggml_backend_tensor_set(model.w, ones, 0, sizeof(ones));
    build_graph(&model);
    return model;
}

static void free_model(struct model * model) {
    ggml_backend_buffer_free(model->buffer);
    ggml_free(model->weights);
    ggml_free(model->ctx);
}

static void check_version(void) {
    char text[32];
    snprintf(text, sizeof(text), "%d.%d.%d", GGML_SCHED_VERSION_MAJOR, GGML_SCHED_VERSION_MINOR,
             GGML_SCHED_VERSION_PATCH);
    CHECK(capi_same_text(ggml_sched_version(), text));
    CHECK(capi_same_text(text, GGML_SCHED_PROJECT_VERSION));
}

static void check_switches(ggml_backend_sched_t sched) {
    ggml_sched_set_sync_mode(sched, GGML_SCHED_SYNC_BARRIER);
    CHECK(ggml_sched_get_sync_mode(sched) == GGML_SCHED_SYNC_BARRIER);
    ggml_sched_set_sync_mode(sched, GGML_SCHED_SYNC_AUTO);
    ggml_sched_set_verify(sched, true);
    ggml_sched_set_reuse(sched, true);
    ggml_sched_set_debug(sched, 0);
    ggml_sched_set_debug_realloc(sched, 0);
    struct ggml_sched_stream_params params = ggml_sched_stream_default_params();
    CHECK(params.size == sizeof(params) && params.budget_bytes == GGML_SCHED_STREAM_AUTO);
    params.budget_bytes = GGML_SCHED_STREAM_UNLIMITED;
    ggml_sched_set_streaming(sched, &params);
    params.budget_bytes = GGML_SCHED_STREAM_OFF;
    ggml_sched_set_streaming(sched, &params);
    params.budget_bytes = GGML_SCHED_STREAM_AUTO;
    ggml_sched_set_streaming(sched, &params);
    struct ggml_sched_expert_params experts = ggml_sched_expert_default_params();
    CHECK(experts.size == sizeof(experts) && experts.budget_bytes == GGML_SCHED_EXPERTS_OFF &&
          experts.misses == GGML_SCHED_EXPERT_MISSES_SHARED);
    experts.budget_bytes = GGML_SCHED_EXPERTS_AUTO;
    experts.misses = GGML_SCHED_EXPERT_MISSES_UPLOAD;
    ggml_sched_set_experts(sched, &experts);
    experts.budget_bytes = GGML_SCHED_EXPERTS_OFF;
    ggml_sched_set_experts(sched, &experts);
    ggml_sched_keep_weights(sched, true);
    ggml_sched_keep_weights(sched, false);
    CHECK(capi_same_text(ggml_sched_get_error(sched), ""));
}

static void check_properties(ggml_backend_sched_t sched, ggml_backend_t device, ggml_backend_t cpu) {
    CHECK(ggml_backend_sched_get_n_backends(sched) == 2 && ggml_backend_sched_get_n_copies(sched) == 1);
    CHECK(ggml_backend_sched_get_backend(sched, 0) == device && ggml_backend_sched_get_backend(sched, 1) == cpu);
    CHECK(ggml_backend_sched_get_backend(sched, 2) == NULL);
    ggml_backend_buffer_type_t buft = ggml_backend_get_default_buffer_type(device);
    CHECK(ggml_backend_sched_get_buffer_type(sched, device) == buft);
}

static void check_placement(ggml_backend_sched_t sched, struct model * model, ggml_backend_t device,
                            ggml_backend_t cpu) {
    size_t sizes[2] = {0, 0};
    ggml_backend_sched_reserve_size(sched, model->graph, sizes);
    CHECK(sizes[0] + sizes[1] > 0);
    build_graph(model);
    CHECK(ggml_backend_sched_reserve(sched, model->graph));
    CHECK(ggml_backend_sched_get_buffer_size(sched, device) >= sizes[0]);

    build_graph(model);
    ggml_backend_sched_split_graph(sched, model->graph);
    CHECK(ggml_backend_sched_get_n_splits(sched) >= 1);
    CHECK(ggml_backend_sched_get_tensor_backend(sched, model->product) == device);
    ggml_backend_sched_reset(sched);
    build_graph(model);
    ggml_backend_sched_set_tensor_backend(sched, model->y, cpu);
    CHECK(ggml_backend_sched_get_tensor_backend(sched, model->y) == cpu);
}

static bool see_product(struct ggml_tensor * t, bool ask, void * user_data) {
    if (ask) {
        return strcmp(t->name, "product") == 0;
    }
    ++*(int *) user_data;
    return true;
}

static void check_runs(ggml_backend_sched_t sched, const struct model * model) {
    float x[N] = {1, 1, 1, 1, 1, 1, 1, 1};
    float y[N] = {0};
    int n_seen = 0;
    CHECK(ggml_backend_sched_alloc_graph(sched, model->graph));
    ggml_backend_tensor_set(model->x, x, 0, sizeof(x));
    CHECK(ggml_backend_sched_graph_compute(sched, model->graph) == GGML_STATUS_SUCCESS);
    ggml_backend_tensor_get(model->y, y, 0, sizeof(y));
    CHECK(y[0] == 2.0f && y[N - 1] == 16.0f);

    x[0] = 3;
    ggml_backend_tensor_set(model->x, x, 0, sizeof(x));
    CHECK(ggml_backend_sched_graph_compute_async(sched, model->graph) == GGML_STATUS_SUCCESS);
    ggml_backend_sched_synchronize(sched);
    ggml_backend_tensor_get(model->y, y, 0, sizeof(y));
    CHECK(y[0] == 6.0f && y[N - 1] == 16.0f);

    ggml_backend_sched_set_eval_callback(sched, see_product, &n_seen);
    CHECK(ggml_backend_sched_graph_compute(sched, model->graph) == GGML_STATUS_SUCCESS);
    CHECK(n_seen == 1);
    ggml_backend_sched_set_eval_callback(sched, NULL, NULL);
}

static void check_trace(ggml_backend_sched_t sched, const struct model * model) {
    const char * path = "ggml-sched-capi-trace.json";
    char begin[16] = "";
    CHECK(!ggml_sched_trace_stop(sched));
    CHECK(ggml_sched_trace_start(sched, path));
    CHECK(ggml_backend_sched_graph_compute(sched, model->graph) == GGML_STATUS_SUCCESS);
    CHECK(ggml_sched_trace_stop(sched));
    FILE * file = fopen(path, "rb");
    CHECK(file != NULL && fread(begin, 1, sizeof(begin) - 1, file) == sizeof(begin) - 1 && begin[0] == '{');
    CHECK(file != NULL && fclose(file) == 0 && remove(path) == 0);
}

static void check_observation(ggml_backend_sched_t sched) {
    struct ggml_sched_stats stats;
    char pattern[32];
    char plan[16];
    memset(&stats, 0, sizeof(stats));
    ggml_sched_get_stats(sched, &stats, sizeof(stats));
    CHECK(stats.runs == 3 && stats.plans >= 1 && stats.launches >= 6);
    const size_t length = ggml_sched_get_pattern(sched, 0, pattern, sizeof(pattern));
    CHECK(length == strlen(pattern) && strchr(pattern, 'g') != NULL);
    CHECK(ggml_sched_get_plan_text(sched, plan, sizeof(plan)) >= strlen(plan) && strlen(plan) == sizeof(plan) - 1);
    CHECK(stats.stream_decision != GGML_SCHED_STREAM_DECISION_NONE);
    CHECK(strlen(ggml_sched_stream_decision_text(stats.stream_decision)) > 0);
    CHECK(capi_same_text(ggml_sched_stream_decision_text(99), ""));
    struct ggml_sched_expert_stats expert_stats;
    memset(&expert_stats, 1, sizeof(expert_stats));
    CHECK(ggml_sched_get_expert_stats(sched, &expert_stats, 1, sizeof(expert_stats)) == 0);
    CHECK(capi_same_text(expert_stats.name, "") && expert_stats.pairs == 0 && expert_stats.upload_bytes == 0);
    CHECK(ggml_sched_get_expert_stats(sched, NULL, 0, sizeof(expert_stats)) == 0);
    ggml_sched_reset_stats(sched);
    ggml_sched_get_stats(sched, &stats, sizeof(stats));
    CHECK(stats.runs == 0 && stats.launches == 0);
}

static bool count_copy(ggml_backend_t backend, const struct ggml_tensor * src, struct ggml_tensor * dst,
                       struct ggml_cgraph * graph, void * user_data) {
    CHECK(backend != NULL && src != dst && graph != NULL);
    ++*(int *) user_data;
    return false;
}

static void count_realloc(ggml_backend_sched_t sched, struct ggml_cgraph * graph, bool backend_ids_changed,
                          bool size_changed, void * user_data) {
    CHECK(sched != NULL && graph != NULL && !(backend_ids_changed && size_changed));
    ++*(int *) user_data;
}

// The graph has no weights in host memory, and fits the buffers that it was allocated in before.
static void check_callbacks(ggml_backend_sched_t sched, const struct model * model) {
    int n_copies = 0;
    int n_reallocs = 0;
    float x[N] = {2, 2, 2, 2, 2, 2, 2, 2};
    ggml_backend_sched_set_copy_callback(sched, count_copy, &n_copies);
    ggml_backend_sched_set_realloc_callback(sched, count_realloc, &n_reallocs);
    ggml_sched_unalloc_graph(sched);
    CHECK(model->x->buffer == NULL && model->y->buffer == NULL);
    CHECK(ggml_backend_sched_alloc_graph(sched, model->graph));
    ggml_backend_tensor_set(model->x, x, 0, sizeof(x));
    CHECK(ggml_backend_sched_graph_compute(sched, model->graph) == GGML_STATUS_SUCCESS);
    CHECK(n_copies == 0 && n_reallocs <= 1);
    ggml_backend_sched_set_copy_callback(sched, NULL, NULL);
    ggml_backend_sched_set_realloc_callback(sched, NULL, NULL);
}

void capi_test_sched(void) {
    ggml_backend_t device = ggml_backend_dev_init(ggml_backend_sim_device(2), NULL);
    ggml_backend_t cpu = ggml_backend_cpu_init();
    ggml_backend_t backends[2] = {device, cpu};
    CHECK(device != NULL && cpu != NULL);
    struct model model = new_model(device);
    ggml_backend_sched_t sched = ggml_backend_sched_new(backends, NULL, 2, GGML_DEFAULT_GRAPH_SIZE, false, true);
    CHECK(sched != NULL);
    check_version();
    check_properties(sched, device, cpu);
    check_switches(sched);
    check_placement(sched, &model, device, cpu);
    check_runs(sched, &model);
    check_observation(sched);
    check_trace(sched, &model);
    check_callbacks(sched, &model);
    ggml_backend_sched_free(sched);
    free_model(&model);
    ggml_backend_free(device);
    ggml_backend_free(cpu);
}
