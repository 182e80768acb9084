// chain.h - a chain of nodes and a scheduler of given backends, for tests of the API.

#pragma once

#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

constexpr int64_t kSize = 32;

// A chain of additions of an input to itself, as long as asked for
struct Chain {
    ContextPtr context;
    ggml_tensor * input;
    ggml_tensor * result;
    ggml_cgraph * graph;

    explicit Chain(int length, int64_t size = kSize)
        : context(make_context(static_cast<size_t>(length) + 16)) {
        ggml_context * ctx = context.get();
        input = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, size);
        ggml_set_name(input, "input");
        ggml_set_input(input);
        result = input;
        for (int i = 0; i < length; i++) {
            result = ggml_scale(ctx, result, i % 2 ? 2.0f : 0.5f);
        }
        ggml_set_output(result);
        graph = ggml_new_graph_custom(ctx, static_cast<size_t>(length) + 8, false);
        ggml_build_forward_expand(graph, result);
    }
};

inline ggml_backend_sched_t new_sched(std::vector<ggml_backend_t> backends,
                                      ggml_backend_buffer_type_t * bufts = nullptr) {
    return ggml_backend_sched_new(backends.data(), bufts, static_cast<int>(backends.size()), 64, false, false);
}

} // namespace ggml_sched::test
