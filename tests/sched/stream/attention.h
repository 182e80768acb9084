// Attention - layers of a transformer whose caches lie in host memory, for tests of what is sent of caches.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

constexpr int64_t kWidth = 64;
constexpr int64_t kTokens = 4;
constexpr int64_t kCells = 64;
constexpr size_t kWeightBytes = kWidth * kWidth * sizeof(float);
constexpr size_t kCacheBytes = kWidth * kCells * sizeof(float);
constexpr int kLayers = 5;

enum class Add { Rows, Part, TwoParts };

struct AttentionOptions {
    bool pinned = false;
    void * memory = nullptr; // holds the caches; NULL: the CPU's buffer type allocates it
    ggml_type type = GGML_TYPE_F32;
    Add add = Add::Rows;
    ggml_type ids_type = GGML_TYPE_I64;
    int64_t n_cells = kCells; // that attention reads
};

// Layers that add the keys of a batch to a cache, as CPUs do with a cache in their memory, and read all of it.
struct Attention {
    const AttentionOptions options;
    ContextPtr kept_context = make_context();
    ContextPtr context;
    std::vector<ggml_tensor *> weights;
    std::vector<ggml_tensor *> caches;
    BufferPtr weights_buffer;
    BufferPtr caches_buffer;
    ggml_tensor * input = nullptr;
    ggml_tensor * ids = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;

    Attention(const Rig & rig, const AttentionOptions & cache_options)
        : options(cache_options) {
        ggml_backend_buffer_type_t pinned = ggml_backend_dev_host_buffer_type(ggml_backend_get_device(rig.device(0)));
        for (int i = 0; i < kLayers; i++) {
            weights.push_back(ggml_new_tensor_2d(kept_context.get(), GGML_TYPE_F32, kWidth, kWidth));
        }
        weights_buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(kept_context.get(), pinned));
        ggml_backend_buffer_set_usage(weights_buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        cache_context_ = make_context();
        for (int i = 0; i < kLayers; i++) {
            write_floats(weights[i], ramp(kWidth * kWidth, static_cast<float>(i) - 2.0F, 1.0F / 1024));
            caches.push_back(ggml_new_tensor_2d(cache_context_.get(), options.type, kWidth, kCells));
            ggml_format_name(caches.back(), "cache%d", i);
        }
        if (options.memory) {
            caches_buffer.reset(ggml_backend_cpu_buffer_from_ptr(options.memory, kLayers * kCacheBytes));
            for (int i = 0; i < kLayers; i++) {
                ggml_backend_tensor_alloc(caches_buffer.get(), caches[i],
                                          static_cast<char *>(options.memory) + i * kCacheBytes);
            }
        } else {
            caches_buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(
                cache_context_.get(), options.pinned ? pinned : ggml_backend_cpu_buffer_type()));
        }
        ggml_backend_buffer_clear(caches_buffer.get(), 0);
    }

    void build(const Rig & rig, int64_t first, bool on_cpu) {
        context = make_context();
        ggml_context * ctx = context.get();
        input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kTokens);
        ids = ggml_new_tensor_1d(ctx, options.ids_type, kTokens);
        ggml_set_name(ids, "ids");
        for (ggml_tensor * tensor : {input, ids}) {
            ggml_set_input(tensor);
        }
        graph = ggml_new_graph(ctx);
        result = input;
        for (int i = 0; i < kLayers; i++) {
            ggml_tensor * keys = compute(rig, on_cpu, ggml_mul_mat(ctx, weights[i], result));
            add(keys, caches[i], first);
            ggml_tensor * cells = ggml_view_2d(ctx, caches[i], kWidth, options.n_cells, caches[i]->nb[1], 0);
            ggml_tensor * scores = compute(rig, on_cpu, ggml_mul_mat(ctx, cells, keys));
            ggml_tensor * sum = compute(rig, on_cpu, ggml_sum_rows(ctx, scores));
            ggml_tensor * mixed = compute(rig, on_cpu, ggml_add(ctx, keys, sum));
            result = compute(rig, on_cpu, ggml_rms_norm(ctx, mixed, 1e-3F));
        }
        ggml_set_output(result);
        ggml_build_forward_expand(graph, result);
    }

    std::vector<float> run(const Rig & rig, int64_t first, const std::vector<int64_t> & rows, bool on_cpu = false) {
        ggml_backend_sched_reset(rig.sched());
        build(rig, first, on_cpu);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        start(rig, static_cast<float>(first), rows);
        ggml_backend_sched_synchronize(rig.sched());
        return read_floats(result);
    }

    void start(const Rig & rig, float seed, const std::vector<int64_t> & rows) {
        write_floats(input, ramp(kWidth * kTokens, seed, 0.125F));
        if (ids->buffer) { // else nobody reads them
            const std::vector<int32_t> narrow(rows.begin(), rows.end());
            const void * data =
                options.ids_type == GGML_TYPE_I64 ? static_cast<const void *>(rows.data()) : narrow.data();
            ggml_backend_tensor_set(ids, data, 0, ggml_nbytes(ids));
        }
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(rig.sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(rig.sched());
    }

  private:
    static ggml_tensor * compute(const Rig & rig, bool on_cpu, ggml_tensor * node) {
        ggml_backend_sched_set_tensor_backend(rig.sched(), node, on_cpu ? rig.cpu() : rig.device(0));
        return node;
    }

    void add(ggml_tensor * keys, ggml_tensor * cache, int64_t first) {
        ggml_context * ctx = context.get();
        const auto part = [&](ggml_tensor * tensor, int64_t n, int64_t at) {
            return ggml_view_2d(ctx, tensor, kWidth, n, tensor->nb[1], static_cast<size_t>(at) * tensor->nb[1]);
        };
        switch (options.add) {
        case Add::Rows: ggml_build_forward_expand(graph, ggml_set_rows(ctx, cache, keys, ids)); break;
        case Add::Part: ggml_build_forward_expand(graph, ggml_cpy(ctx, keys, part(cache, kTokens, first))); break;
        case Add::TwoParts:
            for (const int64_t half : {int64_t{0}, kTokens / 2}) {
                ggml_tensor * to = part(cache, kTokens / 2, first + half);
                ggml_build_forward_expand(graph, ggml_cpy(ctx, part(keys, kTokens / 2, half), to));
            }
            break;
        }
    }

    ContextPtr cache_context_;
};

inline RigOptions on(ggml_sim_profile profile, uint64_t seed = 0) {
    RigOptions options;
    options.devices = {profile};
    options.seed = seed;
    return options;
}

struct CacheRig : Rig {
    explicit CacheRig(const RigOptions & options, size_t budget = 16 * kWeightBytes)
        : Rig(options) {
        set_streaming(sched(), budget);
        ggml_sched_set_verify(sched(), true);
    }
};

inline std::vector<int64_t> rows_from(int64_t first) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < kTokens; i++) {
        rows.push_back(first + i);
    }
    return rows;
}

} // namespace ggml_sched::test
