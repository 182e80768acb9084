/* Devices and the registry. */

#include <stdlib.h>
#include <string.h>

#include "capi.h"
#include "ggml-sim.h"

static void check_device(ggml_backend_dev_t device) {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    struct ggml_backend_dev_props props;
    ggml_backend_dev_memory(device, &free_bytes, &total_bytes);
    ggml_backend_dev_get_props(device, &props);
    CHECK(free_bytes <= total_bytes && props.memory_total == total_bytes);
    CHECK(capi_same_text(props.name, ggml_backend_dev_name(device)) && props.type == ggml_backend_dev_type(device));
    CHECK(strlen(ggml_backend_dev_description(device)) > 0);
    CHECK(ggml_backend_dev_supports_buft(device, ggml_backend_dev_buffer_type(device)));
    CHECK((ggml_backend_dev_host_buffer_type(device) != NULL) == props.caps.host_buffer);

    const struct ggml_init_params params = {
        .mem_size = 8 * ggml_tensor_overhead(), .mem_buffer = NULL, .no_alloc = true};
    struct ggml_context * ctx = ggml_init(params);
    struct ggml_tensor * op = ggml_silu(ctx, ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4));
    CHECK(ggml_backend_dev_supports_op(device, op) && !ggml_backend_dev_offload_op(device, op));
    ggml_free(ctx);

    if (props.caps.buffer_from_host_ptr) {
        void * memory = malloc(4096);
        ggml_backend_buffer_t buffer = ggml_backend_dev_buffer_from_host_ptr(device, memory, 4096, 4096);
        CHECK(buffer != NULL);
        ggml_backend_buffer_free(buffer);
        free(memory);
    }
    ggml_backend_t backend = ggml_backend_dev_init(device, NULL);
    CHECK(backend != NULL && ggml_backend_get_device(backend) == device);
    ggml_backend_free(backend);
}

static void check_lists(void) {
    const size_t n_regs = ggml_backend_reg_count();
    const size_t n_devices = ggml_backend_dev_count();
    ggml_backend_reg_t reg = ggml_backend_reg_by_name("cpu");
    CHECK(n_regs >= 2 && n_devices >= 2 && ggml_backend_reg_get(n_regs) == NULL);
    CHECK(reg != NULL && reg == ggml_backend_cpu_reg() && capi_same_text(ggml_backend_reg_name(reg), "CPU"));
    CHECK(ggml_backend_reg_dev_count(reg) == 1 && ggml_backend_reg_dev_get(reg, 1) == NULL);
    ggml_backend_dev_t cpu = ggml_backend_reg_dev_get(reg, 0);
    CHECK(cpu == ggml_backend_dev_by_name("CPU") && cpu == ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    CHECK(ggml_backend_dev_backend_reg(cpu) == reg && ggml_backend_dev_get(n_devices) == NULL);

    /* What is known already is not added again. */
    ggml_backend_register(reg);
    ggml_backend_device_register(cpu);
    CHECK(ggml_backend_reg_count() == n_regs && ggml_backend_dev_count() == n_devices);
}

static void check_set_threads(ggml_backend_t backend) {
    /* C has no cast from void * to a function. */
    void * address = ggml_backend_reg_get_proc_address(ggml_backend_cpu_reg(), "ggml_backend_set_n_threads");
    ggml_backend_set_n_threads_t set_n_threads = NULL;
    memcpy(&set_n_threads, &address, sizeof(address));
    CHECK(set_n_threads != NULL);
    if (set_n_threads != NULL) {
        set_n_threads(backend, 2);
    }
}

void capi_test_registry(void) {
    ggml_backend_dev_t sim = ggml_backend_sim_device(0); /* listed from here on */
    CHECK(sim != NULL && ggml_backend_dev_by_name("sim0") == sim);
    check_lists();
    check_device(ggml_backend_dev_by_name("CPU"));
    check_device(sim);

    ggml_backend_t by_name = ggml_backend_init_by_name("CPU", NULL);
    ggml_backend_t by_type = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, NULL);
    ggml_backend_t best = ggml_backend_init_best();
    CHECK(by_name != NULL && by_type != NULL && best != NULL);
    check_set_threads(by_name);
    ggml_backend_free(by_name);
    ggml_backend_free(by_type);
    ggml_backend_free(best);
}
