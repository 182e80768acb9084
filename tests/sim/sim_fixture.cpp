#include "sim_fixture.h"

#include <algorithm>
#include <cmath>

SimTest::SimTest() {
    ggml_log_set([](ggml_log_level, const char * text, void * log) { *static_cast<std::string *>(log) += text; },
                 &log_);
    ctx_ = ggml_init({(size_t) 1 << 26, nullptr, true});
    ggml_backend_sim_set_seed(0);
    ggml_backend_sim_reset_clock();
    ggml_backend_sim_reset_counters();
}

SimTest::~SimTest() {
    for (ggml_backend_t backend : backends_) {
        ggml_backend_free(backend);
    }
    for (ggml_backend_event_t event : events_) {
        ggml_backend_event_free(event);
    }
    for (ggml_backend_buffer_t buffer : buffers_) {
        ggml_backend_buffer_free(buffer);
    }
    ggml_free(ctx_);
    ggml_backend_sim_set_seed(0);
    EXPECT_EQ(violations(), expected_violations_) << log_;
    ggml_log_set(nullptr, nullptr);
}

ggml_sim_config SimTest::config(ggml_sim_profile profile) {
    ggml_sim_config config = ggml_sim_config_default(profile);
    config.memory_bytes = 1 << 20;
    config.flops_per_us = 1;
    config.bytes_per_us = 1;
    config.link_bytes_per_us = 1;
    config.link_latency_us = 1000;
    config.launch_us = 10000;
    config.host_call_us = 0;
    return config;
}

ggml_backend_t SimTest::backend(int device, ggml_sim_profile profile) {
    if (std::find(configured_.begin(), configured_.end(), device) == configured_.end()) {
        const ggml_sim_config cfg = config(profile);
        EXPECT_TRUE(ggml_backend_sim_configure(device, &cfg)) << log_;
        configured_.push_back(device);
    }
    backends_.push_back(ggml_backend_dev_init(ggml_backend_sim_device(device), nullptr));
    return backends_.back();
}

ggml_backend_t SimTest::cpu() {
    backends_.push_back(ggml_backend_cpu_init());
    ggml_backend_cpu_set_n_threads(backends_.back(), 1);
    return backends_.back();
}

void SimTest::free_backend(ggml_backend_t backend) {
    backends_.erase(std::find(backends_.begin(), backends_.end(), backend));
    ggml_backend_free(backend);
}

void SimTest::place(ggml_tensor * tensor, ggml_backend_buffer_type_t buft) {
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, ggml_nbytes(tensor));
    ASSERT_NE(buffer, nullptr) << log_;
    buffers_.push_back(buffer);
    ASSERT_EQ(ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)), GGML_STATUS_SUCCESS);
}

ggml_tensor * SimTest::vector_in(ggml_backend_buffer_type_t buft) {
    ggml_tensor * tensor = ggml_new_tensor_1d(ctx_, GGML_TYPE_F32, n);
    place(tensor, buft);
    return tensor;
}

ggml_tensor * SimTest::vector_on(ggml_backend_t backend, float value) {
    ggml_tensor * tensor = vector_on(backend);
    fill(tensor, value);
    return tensor;
}

ggml_tensor * SimTest::pinned_vector(int device, float value) {
    ggml_tensor * tensor = vector_in(ggml_backend_dev_host_buffer_type(ggml_backend_sim_device(device)));
    fill(tensor, value);
    return tensor;
}

void SimTest::free_buffer_of(ggml_tensor * tensor) {
    buffers_.erase(std::find(buffers_.begin(), buffers_.end(), tensor->buffer));
    ggml_backend_buffer_free(tensor->buffer);
}

ggml_cgraph * SimTest::graph_of(ggml_tensor * node) {
    ggml_cgraph * graph = ggml_new_graph_custom(ctx_, 16, false);
    ggml_build_forward_expand(graph, node);
    return graph;
}

ggml_cgraph * SimTest::scale(ggml_tensor * src, float s, ggml_tensor * dst) {
    ggml_tensor * node = ggml_scale(ctx_, src, s);
    node->buffer = dst->buffer;
    node->data = dst->data;
    return graph_of(node);
}

void SimTest::launch_scale(ggml_backend_t backend, ggml_tensor * src, float s, ggml_tensor * dst) {
    EXPECT_EQ(ggml_backend_graph_compute_async(backend, scale(src, s, dst)), GGML_STATUS_SUCCESS) << log_;
}

ggml_backend_event_t SimTest::event_of(int device) {
    events_.push_back(ggml_backend_event_new(ggml_backend_sim_device(device)));
    EXPECT_NE(events_.back(), nullptr);
    return events_.back();
}

void SimTest::free_event(ggml_backend_event_t event) {
    events_.erase(std::find(events_.begin(), events_.end(), event));
    ggml_backend_event_free(event);
}

void SimTest::fill(ggml_tensor * tensor, float value) {
    const std::vector<float> data((size_t) ggml_nelements(tensor), value);
    ggml_backend_tensor_set(tensor, data.data(), 0, ggml_nbytes(tensor));
}

std::vector<float> SimTest::values(const ggml_tensor * tensor) {
    std::vector<float> data((size_t) ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, data.data(), 0, ggml_nbytes(tensor));
    return data;
}

bool SimTest::is_garbage(const ggml_tensor * tensor) {
    const std::vector<float> data = values(tensor);
    return std::all_of(data.begin(), data.end(), [](float x) { return std::isnan(x); });
}

ggml_sim_counters SimTest::counters() {
    ggml_sim_counters counters = {};
    ggml_backend_sim_get_counters(&counters);
    return counters;
}
