// What the tests of the simulated devices share: devices, tensors and graphs that clean up after themselves, and a
// check at the end that the contract was broken exactly as often as the test says.

#pragma once

#include "ggml-cpu.h"
#include "ggml-sim.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

class SimTest : public ::testing::Test {
  protected:
    static constexpr int64_t n = 16; // elements of a vector

    SimTest();
    ~SimTest() override;

    // Configured at the first use of the device in a test, with costs of 1 per unit.
    ggml_backend_t backend(int device, ggml_sim_profile profile = GGML_SIM_PROFILE_CUDA);
    static ggml_sim_config config(ggml_sim_profile profile);
    ggml_backend_t cpu();
    // Frees it now; the rest goes at the end.
    void free_backend(ggml_backend_t backend);
    void free_buffer_of(ggml_tensor * tensor);

    // F32 vectors, each in a buffer of its own
    ggml_tensor * vector_in(ggml_backend_buffer_type_t buft);
    ggml_tensor * vector_on(ggml_backend_t backend) { return vector_in(ggml_backend_get_default_buffer_type(backend)); }
    ggml_tensor * vector_on(ggml_backend_t backend, float value);
    ggml_tensor * pinned_vector(int device, float value);
    void place(ggml_tensor * tensor, ggml_backend_buffer_type_t buft);

    // dst = s * src, as a graph of one node
    ggml_cgraph * scale(ggml_tensor * src, float s, ggml_tensor * dst);
    ggml_cgraph * graph_of(ggml_tensor * node);
    void launch_scale(ggml_backend_t backend, ggml_tensor * src, float s, ggml_tensor * dst);

    ggml_backend_event_t event_of(int device);
    void free_event(ggml_backend_event_t event);

    static void fill(ggml_tensor * tensor, float value); // blocking
    static std::vector<float> values(const ggml_tensor * tensor);
    static float first(const ggml_tensor * tensor) { return values(tensor)[0]; } // blocking
    static bool is_garbage(const ggml_tensor * tensor);                          // all NaN

    static ggml_sim_counters counters();
    static uint64_t violations() { return counters().contract_violations; }
    void expect_violations(uint64_t count) { expected_violations_ = count; }
    bool was_logged(const std::string & part) const { return log_.find(part) != std::string::npos; }

    ggml_context * ctx() { return ctx_; }

  private:
    ggml_context * ctx_;
    std::vector<ggml_backend_t> backends_;
    std::vector<ggml_backend_event_t> events_;
    std::vector<ggml_backend_buffer_t> buffers_;
    std::vector<int> configured_;
    std::string log_;
    uint64_t expected_violations_ = 0;
};
