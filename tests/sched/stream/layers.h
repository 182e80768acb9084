// layers.h - layers with weights in host memory, and a rig that streams them to a device.

#pragma once

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

constexpr int64_t kWidth = 64;
constexpr int64_t kRows = 32; // of a batch
constexpr size_t kWeightBytes = kWidth * kWidth * sizeof(float);

struct StreamRig : Rig {
    StreamRig(RigOptions options, size_t budget, size_t lookahead = 0)
        : Rig(std::move(options)) {
        set_streaming(sched(), budget, lookahead);
        ggml_sched_set_verify(sched(), true);
    }
};

inline RigOptions on(ggml_sim_profile profile, uint64_t seed = 0) {
    RigOptions options;
    options.devices = {profile};
    options.seed = seed;
    return options;
}

// Layers x = w * x + x with the weights in host memory, computed by one device.
struct Layers {
    ContextPtr weights_context = make_context();
    ContextPtr context;
    std::vector<ggml_tensor *> weights;
    BufferPtr buffer;
    ggml_tensor * input = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;
    size_t host_after = SIZE_MAX; // that many layers the CPU computes something, again and again
    int other_device = -1;        // this device computes it, and not the CPU

    Layers(const Rig & rig, int n_layers, bool pinned = true) {
        for (int i = 0; i < n_layers; i++) {
            weights.push_back(ggml_new_tensor_2d(weights_context.get(), GGML_TYPE_F32, kWidth, kWidth));
        }
        const ggml_backend_dev_t device = ggml_backend_get_device(rig.device(0));
        buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_context.get(),
                                                              pinned ? ggml_backend_dev_host_buffer_type(device)
                                                                     : ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        for (int i = 0; i < n_layers; i++) {
            write_floats(weights[i], ramp(kWidth * kWidth, static_cast<float>(i % 7) - 3.0F, 1.0F / 4096));
        }
    }

    void build(const Rig & rig, int device = 0) {
        context = make_context();
        input = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kWidth, kRows);
        ggml_set_input(input);
        graph = ggml_new_graph(context.get());
        result = input;
        for (size_t i = 0; i < weights.size(); i++) {
            if (i > 0 && i % host_after == 0) {
                result = ggml_scale(context.get(), result, 0.5F);
                ggml_backend_sched_set_tensor_backend(rig.sched(), result,
                                                      other_device < 0 ? rig.cpu() : rig.device(other_device));
            }
            ggml_tensor * product = ggml_mul_mat(context.get(), weights[i], result);
            ggml_tensor * small = ggml_scale(context.get(), product, 1.0F / 64);
            result = ggml_add(context.get(), small, result);
            for (ggml_tensor * node : {product, small, result}) {
                ggml_backend_sched_set_tensor_backend(rig.sched(), node, device < 0 ? rig.cpu() : rig.device(device));
            }
        }
        ggml_set_output(result);
        ggml_build_forward_expand(graph, result);
    }

    void allocate(const Rig & rig, int device = 0) {
        ggml_backend_sched_reset(rig.sched());
        build(rig, device);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
    }

    void start(const Rig & rig, float seed) {
        write_floats(input, ramp(kWidth * kRows, seed, 0.125F));
        ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
    }

    std::vector<float> compute(const Rig & rig, float seed) {
        start(rig, seed);
        ggml_backend_sched_synchronize(rig.sched());
        return read_floats(result);
    }

    std::vector<float> on_cpu(const Rig & rig, float seed) {
        allocate(rig, -1);
        return compute(rig, seed);
    }
};

} // namespace ggml_sched::test
