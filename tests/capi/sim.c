/* Simulated devices: queues, events, the clock. */

#include "ggml-sim.h"

#include <string.h>

#include "capi.h"

static void check_profiles(void) {
    struct ggml_sim_config config = ggml_sim_config_default(GGML_SIM_PROFILE_VULKAN);
    CHECK(capi_same_text(ggml_sim_profile_name(GGML_SIM_PROFILE_NO_EVENTS), "no-events"));
    CHECK(ggml_sim_profile_from_name("uma") == GGML_SIM_PROFILE_UMA);
    CHECK(ggml_sim_profile_from_name("unknown") == GGML_SIM_PROFILE_COUNT);
    CHECK(config.profile == GGML_SIM_PROFILE_VULKAN && config.memory_bytes > 0);
    CHECK(ggml_backend_sim_configure(0, &config));
    config = ggml_sim_config_default(GGML_SIM_PROFILE_CUDA);
    CHECK(ggml_backend_sim_configure(0, &config) && ggml_backend_sim_configure(1, &config));
    CHECK(ggml_backend_reg_dev_get(ggml_backend_sim_reg(), 0) == ggml_backend_sim_device(0));
    CHECK(ggml_backend_sim_device(GGML_SIM_MAX_DEVICES) == NULL);
}

/* a on one device, its copy b on the other, 2*b there. */
static void check_two_queues(ggml_backend_t first, ggml_backend_t second) {
    const struct ggml_init_params params = {
        .mem_size = 16 * ggml_tensor_overhead() + ggml_graph_overhead_custom(16, false),
        .mem_buffer = NULL,
        .no_alloc = true,
    };
    struct ggml_context * ctx_a = ggml_init(params);
    struct ggml_context * ctx_b = ggml_init(params);
    struct ggml_tensor * a = ggml_new_tensor_1d(ctx_a, GGML_TYPE_F32, 4);
    struct ggml_tensor * b = ggml_new_tensor_1d(ctx_b, GGML_TYPE_F32, 4);
    struct ggml_tensor * twice = ggml_scale(ctx_b, b, 2.0f);
    struct ggml_cgraph * graph = ggml_new_graph_custom(ctx_b, 16, false);
    ggml_backend_buffer_t buffer_a = ggml_backend_alloc_ctx_tensors(ctx_a, first);
    ggml_backend_buffer_t buffer_b = ggml_backend_alloc_ctx_tensors(ctx_b, second);
    ggml_backend_event_t event = ggml_backend_event_new(ggml_backend_get_device(first));
    const float values[4] = {1, 2, 3, 4};
    float back[4] = {0};
    ggml_build_forward_expand(graph, twice);
    CHECK(buffer_a != NULL && buffer_b != NULL && event != NULL);

    ggml_backend_tensor_set_async(first, a, values, 0, sizeof(values));
    ggml_backend_event_record(event, first);
    ggml_backend_event_wait(second, event);
    ggml_backend_tensor_copy_async(first, second, a, b);
    CHECK(ggml_backend_graph_compute_async(second, graph) == GGML_STATUS_SUCCESS);
    ggml_backend_tensor_get_async(second, twice, back, 0, sizeof(back));
    ggml_backend_event_synchronize(event);
    ggml_backend_synchronize(second);
    CHECK(back[0] == 2.0f && back[3] == 8.0f);

    CHECK(ggml_backend_sim_fail_launch(1, 1));
    CHECK(ggml_backend_graph_compute(second, graph) == GGML_STATUS_FAILED);
    CHECK(ggml_backend_sim_fail(1, GGML_SIM_CALL_LAUNCH, 0));
    CHECK(capi_same_text(ggml_sim_call_name(GGML_SIM_CALL_EVENT_NEW), "event_new"));
    CHECK(ggml_backend_graph_compute(second, graph) == GGML_STATUS_SUCCESS);

    ggml_backend_event_free(event);
    ggml_backend_buffer_free(buffer_a);
    ggml_backend_buffer_free(buffer_b);
    ggml_free(ctx_a);
    ggml_free(ctx_b);
}

void capi_test_sim(void) {
    check_profiles();
    ggml_backend_sim_set_seed(0);
    ggml_backend_sim_reset_clock();
    ggml_backend_sim_reset_counters();

    ggml_backend_t first = ggml_backend_dev_init(ggml_backend_sim_device(0), NULL);
    ggml_backend_t second = ggml_backend_dev_init(ggml_backend_sim_device(1), NULL);
    CHECK(first != NULL && second != NULL && ggml_backend_is_sim(first));
    check_two_queues(first, second);

    const double before = ggml_backend_sim_time_us();
    ggml_backend_sim_advance_us(5.0);
    CHECK(before > 0 && ggml_backend_sim_time_us() == before + 5.0);
    struct ggml_sim_counters counters;
    memset(&counters, 0, sizeof(counters));
    ggml_backend_sim_get_counters(&counters);
    CHECK(counters.copy_async_calls == 1 && counters.set_async_calls == 1 && counters.graph_launches >= 2);
    CHECK(counters.event_record_calls == 1 && counters.event_wait_calls == 1);
    ggml_backend_free(first);
    ggml_backend_free(second);
}
