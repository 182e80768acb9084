// alloc_graph, and with it the host's part of the run, where a device computes with weights in host memory, and a cache
// there grows from one micro-batch of a prompt to the next.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-sched.h"
#include "null_backend.h"

namespace ggml_sched::bench {
namespace {

struct Free {
    void operator()(ggml_context * context) const { ggml_free(context); }
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
    void operator()(ggml_backend_sched_t sched) const { ggml_backend_sched_free(sched); }
};
template <typename T> using Ptr = std::unique_ptr<T, Free>;

constexpr size_t kLayers = 32;
constexpr int64_t kHeads = 4;
constexpr int64_t kHead = 32;
constexpr int64_t kWidth = kHeads * kHead;
constexpr int64_t kTokens = 64; // of a micro-batch
constexpr int kMicroBatches = 8;
constexpr int64_t kCells = kTokens * kMicroBatches;
constexpr size_t kRing = size_t{4} << 20; // bytes

class Model {
  public:
    explicit Model(bool caches_on_host)
        : caches_on_host_(caches_on_host)
        , device_(null_backend_init(0))
        , cpu_(ggml_backend_cpu_init()) {
        ggml_backend_t handles[] = {device_.get(), cpu_.get()};
        const ggml_backend_buffer_type_t pinned =
            ggml_backend_dev_host_buffer_type(ggml_backend_get_device(device_.get()));
        make_context(weights_, 7 * kLayers);
        for (size_t i = 0; i < kLayers; i++) {
            for (int j = 0; j < 6; j++) {
                layers_[i].weights[j] = ggml_new_tensor_2d(weights_.get(), GGML_TYPE_F32, kWidth, kWidth);
            }
            layers_[i].norm = ggml_new_tensor_1d(weights_.get(), GGML_TYPE_F32, kWidth);
        }
        allocate(weights_, pinned);
        ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        make_context(caches_, 2 * kLayers);
        for (Layer & layer : layers_) {
            for (ggml_tensor *& cache : layer.caches) {
                cache = ggml_new_tensor_2d(caches_.get(), GGML_TYPE_F16, kWidth, kCells);
            }
        }
        allocate(caches_, ggml_backend_get_default_buffer_type(caches_on_host ? cpu_.get() : device_.get()));
        sched_.reset(ggml_backend_sched_new(handles, nullptr, 2, GGML_DEFAULT_GRAPH_SIZE, false, true));
        ggml_sched_stream_params params = ggml_sched_stream_default_params();
        params.budget_bytes = kRing;
        ggml_sched_set_streaming(sched_.get(), &params);
    }

    ggml_backend_sched_t sched() const { return sched_.get(); }
    ggml_cgraph * graph() const { return graph_; }

    void build(int micro_batch) {
        constexpr size_t n = kLayers * 48 + 64;
        graph_context_.reset(
            ggml_init({n * ggml_tensor_overhead() + ggml_graph_overhead_custom(n, false), nullptr, true}));
        ggml_context * ctx = graph_context_.get();
        graph_ = ggml_new_graph_custom(ctx, n, false);
        n_used_ = (micro_batch + 1) * kTokens;
        ggml_tensor * x = input(ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kTokens));
        positions_ = input(ggml_new_tensor_1d(ctx, GGML_TYPE_I32, kTokens));
        rows_ = input(ggml_new_tensor_1d(ctx, GGML_TYPE_I64, kTokens));
        mask_ = input(ggml_new_tensor_2d(ctx, GGML_TYPE_F32, n_used_, kTokens));
        for (const Layer & layer : layers_) {
            x = ggml_add(ctx, x, attention(ctx, layer, normed(ctx, layer, x)));
            ggml_tensor * inner = normed(ctx, layer, x);
            ggml_tensor * gate = ggml_mul_mat(ctx, layer.weights[4], inner);
            ggml_tensor * both = ggml_mul(ctx, ggml_silu(ctx, gate), inner);
            x = ggml_add(ctx, x, ggml_mul_mat(ctx, layer.weights[5], both));
        }
        ggml_set_output(x);
        ggml_build_forward_expand(graph_, x);
    }

    // Stores into the first rows of the caches.
    bool run() const {
        const std::vector<int64_t> rows(kTokens, 0);
        ggml_backend_tensor_set(rows_, rows.data(), 0, ggml_nbytes(rows_));
        return ggml_backend_sched_graph_compute_async(sched_.get(), graph_) == GGML_STATUS_SUCCESS;
    }

  private:
    struct Layer {
        ggml_tensor * weights[6];
        ggml_tensor * norm;
        ggml_tensor * caches[2];
    };

    static void make_context(Ptr<ggml_context> & context, size_t n) {
        context.reset(ggml_init({n * ggml_tensor_overhead(), nullptr, true}));
    }
    void allocate(const Ptr<ggml_context> & context, ggml_backend_buffer_type_t buft) {
        buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(context.get(), buft));
    }

    static ggml_tensor * input(ggml_tensor * tensor) {
        ggml_set_input(tensor);
        return tensor;
    }

    static ggml_tensor * normed(ggml_context * ctx, const Layer & layer, ggml_tensor * x) {
        return ggml_mul(ctx, ggml_rms_norm(ctx, x, 1e-5f), layer.norm);
    }

    ggml_tensor * attention(ggml_context * ctx, const Layer & layer, ggml_tensor * x) {
        const auto heads = [&](ggml_tensor * rows) { return ggml_reshape_3d(ctx, rows, kHead, kHeads, kTokens); };
        const auto turned = [&](ggml_tensor * rows) { return ggml_rope(ctx, heads(rows), positions_, kHead, 0); };
        ggml_tensor * query = turned(ggml_mul_mat(ctx, layer.weights[0], x));
        ggml_tensor * key = turned(ggml_mul_mat(ctx, layer.weights[1], x));
        ggml_tensor * value = ggml_mul_mat(ctx, layer.weights[2], x);
        key = stored(ctx, layer.caches[0], ggml_reshape_2d(ctx, key, kWidth, kTokens));
        value = stored(ctx, layer.caches[1], value);
        ggml_tensor * scores = ggml_mul_mat(ctx, key, ggml_permute(ctx, query, 0, 2, 1, 3));
        ggml_tensor * shares = ggml_soft_max_ext(ctx, scores, mask_, 0.1f, 0.0f);
        ggml_tensor * sums = ggml_mul_mat(ctx, ggml_cont(ctx, ggml_transpose(ctx, value)), shares);
        ggml_tensor * joined = ggml_cont_2d(ctx, ggml_permute(ctx, sums, 0, 2, 1, 3), kWidth, kTokens);
        return ggml_mul_mat(ctx, layer.weights[3], joined);
    }

    // What the cache holds afterwards, by head
    ggml_tensor * stored(ggml_context * ctx, ggml_tensor * cache, ggml_tensor * rows) {
        ggml_build_forward_expand(graph_, ggml_set_rows(ctx, cache, rows, rows_));
        ggml_tensor * used = ggml_view_3d(ctx, cache, kHead, kHeads, n_used_, cache->nb[0] * kHead, cache->nb[1], 0);
        return ggml_permute(ctx, used, 0, 2, 1, 3);
    }

    const bool caches_on_host_;
    Ptr<ggml_backend> device_;
    Ptr<ggml_backend> cpu_;
    Ptr<ggml_context> weights_;
    Ptr<ggml_context> caches_;
    Ptr<ggml_context> graph_context_;
    std::vector<Ptr<ggml_backend_buffer>> buffers_;
    Layer layers_[kLayers] = {};
    ggml_cgraph * graph_ = nullptr;
    ggml_tensor * positions_ = nullptr;
    ggml_tensor * rows_ = nullptr;
    ggml_tensor * mask_ = nullptr;
    int64_t n_used_ = 0;
    Ptr<ggml_backend_sched> sched_;
};

void offloaded_graph(benchmark::State & state) {
    Model model(state.range(0) != 0);
    const bool runs = state.range(1) != 0;
    const auto next = [&](int micro_batch) {
        ggml_backend_sched_synchronize(model.sched());
        ggml_backend_sched_reset(model.sched());
        model.build(micro_batch);
    };
    for (const int micro_batch : {kMicroBatches - 1, 0, 1}) { // buffers are made
        next(micro_batch);
        ggml_backend_sched_alloc_graph(model.sched(), model.graph());
    }
    int micro_batch = 0;
    for (auto _ : state) {
        state.PauseTiming();
        next(micro_batch);
        micro_batch = (micro_batch + 1) % kMicroBatches;
        state.ResumeTiming();
        if (!ggml_backend_sched_alloc_graph(model.sched(), model.graph()) || (runs && !model.run())) {
            state.SkipWithError(ggml_sched_get_error(model.sched()));
            break;
        }
    }
    state.counters["nodes"] = ggml_graph_n_nodes(model.graph());
    state.counters["splits"] = ggml_backend_sched_get_n_splits(model.sched());
}
BENCHMARK(offloaded_graph)
    ->ArgsProduct({{0, 1}, {0, 1}})
    ->ArgNames({"caches_on_host", "runs"})
    ->Unit(benchmark::kMicrosecond);

} // namespace
} // namespace ggml_sched::bench
