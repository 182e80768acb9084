// rows.h - graphs over rows of kSize numbers, for tests of what is kept from graph to graph.

#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

constexpr int64_t kSize = 64;

inline RigOptions one_device() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    return options;
}

inline std::vector<float> numbers(int64_t rows, float first) {
    return ramp(static_cast<size_t>(kSize * rows), first, 0.25f);
}

// Allocates, fills the inputs, runs, and gives the values of `result`. All nodes are on `backend`, if it is given.
inline std::vector<float> run(ggml_backend_sched_t sched, ggml_context * ctx, ggml_tensor * result,
                              const std::vector<ggml_tensor *> & inputs, ggml_backend_t backend = nullptr) {
    ggml_set_output(result);
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, result);
    ggml_backend_sched_reset(sched);
    for (int i = 0; backend && i < ggml_graph_n_nodes(graph); i++) {
        ggml_backend_sched_set_tensor_backend(sched, ggml_graph_node(graph, i), backend);
    }
    EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched, graph));
    float first = 1.0f;
    for (ggml_tensor * input : inputs) {
        write_floats(input, numbers(input->ne[1], first));
        first += 2.0f;
    }
    EXPECT_EQ(ggml_backend_sched_graph_compute(sched, graph), GGML_STATUS_SUCCESS);
    return read_floats(result);
}

inline ggml_tensor * new_input(ggml_context * ctx, int64_t rows) {
    ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSize, rows);
    ggml_set_input(input);
    return input;
}

} // namespace ggml_sched::test
