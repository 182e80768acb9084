/* GPU backends, where the library was built with them: with a device, and what they say without one. */

#include "ggml-cuda.h"
#include "ggml-gpu.h"
#include "ggml-hip.h"

#include <stdlib.h>
#include <string.h>

#include "capi.h"

/* The functions of one vendor; those of ggml-cuda.h and ggml-hip.h have the same types. */
struct vendor {
    ggml_backend_t (*init)(int device);
    bool (*is_own)(ggml_backend_t backend);
    ggml_backend_buffer_type_t (*buffer_type)(int device);
    ggml_backend_buffer_type_t (*host_buffer_type)(void);
    int (*get_device_count)(void);
    void (*get_device_description)(int device, char * description, size_t description_size);
    void (*get_device_memory)(int device, size_t * free_bytes, size_t * total_bytes);
    bool (*register_host_buffer)(void * buffer, size_t size);
    void (*unregister_host_buffer)(void * buffer);
    ggml_backend_reg_t (*reg)(void);
};

static void ignore(enum ggml_log_level level, const char * text, void * user_data) {
    (void) level;
    (void) text;
    (void) user_data;
}

static void check_first_device(const struct vendor * v) {
    ggml_backend_t backend = v->init(0);
    ggml_backend_buffer_type_t host = v->host_buffer_type();
    void * memory = malloc(1 << 16);
    CHECK(backend != NULL && v->is_own(backend));
    CHECK(ggml_backend_get_default_buffer_type(backend) == v->buffer_type(0));
    CHECK(host != NULL && ggml_backend_buft_is_host(host));
    CHECK(v->register_host_buffer(memory, 1 << 16));
    v->unregister_host_buffer(memory);
    free(memory);
    ggml_backend_free(backend);
}

static void check_vendor(const struct vendor * v) {
    const int n_devices = v->get_device_count();
    char description[64] = "text";
    size_t free_bytes = 1;
    size_t total_bytes = 1;
    ggml_backend_t cpu = ggml_backend_cpu_init();
    void * address = ggml_backend_reg_get_proc_address(v->reg(), "ggml_backend_gpu_get_counters");
    ggml_backend_gpu_get_counters_t get_counters;
    struct ggml_gpu_counters counters;
    CHECK((size_t) n_devices == ggml_backend_reg_dev_count(v->reg()));
    CHECK(address != NULL);
    if (address != NULL) {
        memcpy(&get_counters, &address, sizeof(address)); /* C has no conversion from an object's address */
        get_counters(&counters);
        CHECK(n_devices > 0 || counters.kernel_launch == 0);
    }
    ggml_log_set(ignore, NULL);
    CHECK(v->init(n_devices) == NULL && v->init(-1) == NULL && v->buffer_type(n_devices) == NULL);
    v->get_device_description(n_devices, description, sizeof(description));
    v->get_device_memory(n_devices, &free_bytes, &total_bytes);
    CHECK(strlen(description) == 0 && free_bytes == 0 && total_bytes == 0);
    CHECK(!v->is_own(cpu) && !v->is_own(NULL));
    if (n_devices == 0) {
        CHECK(v->host_buffer_type() == NULL);
        CHECK(!v->register_host_buffer(description, sizeof(description)));
        v->unregister_host_buffer(description);
    }
    ggml_log_set(NULL, NULL);
    if (n_devices > 0) {
        v->get_device_description(0, description, sizeof(description));
        v->get_device_memory(0, &free_bytes, &total_bytes);
        CHECK(strlen(description) > 0 && free_bytes <= total_bytes && total_bytes > 0);
        check_first_device(v);
    }
    ggml_backend_free(cpu);
}

void capi_test_gpu(void) {
#ifdef GGML_USE_CUDA
    const struct vendor cuda = {
        ggml_backend_cuda_init,
        ggml_backend_is_cuda,
        ggml_backend_cuda_buffer_type,
        ggml_backend_cuda_host_buffer_type,
        ggml_backend_cuda_get_device_count,
        ggml_backend_cuda_get_device_description,
        ggml_backend_cuda_get_device_memory,
        ggml_backend_cuda_register_host_buffer,
        ggml_backend_cuda_unregister_host_buffer,
        ggml_backend_cuda_reg,
    };
    check_vendor(&cuda);
#endif
#ifdef GGML_USE_HIP
    const struct vendor hip = {
        ggml_backend_hip_init,
        ggml_backend_is_hip,
        ggml_backend_hip_buffer_type,
        ggml_backend_hip_host_buffer_type,
        ggml_backend_hip_get_device_count,
        ggml_backend_hip_get_device_description,
        ggml_backend_hip_get_device_memory,
        ggml_backend_hip_register_host_buffer,
        ggml_backend_hip_unregister_host_buffer,
        ggml_backend_hip_reg,
    };
    check_vendor(&hip);
#endif
#if !defined(GGML_USE_CUDA) && !defined(GGML_USE_HIP)
    CHECK(ggml_backend_reg_by_name("CUDA") == NULL && ggml_backend_reg_by_name("HIP") == NULL);
    (void) check_vendor;
#endif
}
