// The scheduler's own time, on devices that do nothing: preparing a fresh graph, and running an allocated one again.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "ggml-cpu.h"
#include "ggml-sched.h"
#include "null_backend.h"

namespace ggml_sched::bench {
namespace {

struct Free {
    void operator()(ggml_context * context) const { ggml_free(context); }
    void operator()(ggml_backend * backend) const { ggml_backend_free(backend); }
    void operator()(ggml_backend_sched * sched) const { ggml_backend_sched_free(sched); }
    void operator()(ggml_backend_buffer * buffer) const { ggml_backend_buffer_free(buffer); }
};
template <typename T> using Ptr = std::unique_ptr<T, Free>;

constexpr int64_t kWidth = 64;
constexpr int kNodesPerLayer = 10;
constexpr int kDevices = 3;

// In what a graph may differ from the last one
struct Variant {
    float scale = 0.5f;           // a parameter of operations
    int64_t rows = 4;             // a shape, of every tensor but the weights
    bool has_another_end = false; // one node more
};

// A stack of layers like those of a language model, spread over three devices: three splits. The CPU has no part in it.
class Stack {
  public:
    explicit Stack(int n_nodes)
        : n_layers_(n_nodes / kNodesPerLayer) {
        std::vector<ggml_backend_t> handles;
        for (int device = 0; device < kDevices; device++) {
            backends_.emplace_back(null_backend_init(device));
            handles.push_back(backends_.back().get());
            make_weights(device, (n_layers_ * (device + 1)) / kDevices - (n_layers_ * device) / kDevices);
        }
        backends_.emplace_back(ggml_backend_cpu_init());
        handles.push_back(backends_.back().get());
        sched_.reset(ggml_backend_sched_new(handles.data(), nullptr, static_cast<int>(handles.size()),
                                            GGML_DEFAULT_GRAPH_SIZE, false, true));
    }

    ggml_backend_sched_t sched() const { return sched_.get(); }
    ggml_cgraph * graph() const { return graph_; }
    int n_nodes() const { return ggml_graph_n_nodes(graph_); }

    void build(const Variant & variant = {}) {
        const size_t n = static_cast<size_t>(n_layers_) * (kNodesPerLayer + 6) + 64;
        context_.reset(ggml_init({n * ggml_tensor_overhead() + ggml_graph_overhead_custom(n, false), nullptr, true}));
        ggml_context * ctx = context_.get();
        ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, variant.rows);
        ggml_set_input(input);
        ggml_tensor * x = input;
        for (ggml_tensor * weight : weights_) {
            x = layer(ctx, x, weight, variant);
        }
        if (variant.has_another_end) {
            x = ggml_silu(ctx, x);
        }
        ggml_set_output(x);
        graph_ = ggml_new_graph_custom(ctx, n, false);
        ggml_build_forward_expand(graph_, x);
    }

  private:
    static ggml_tensor * layer(ggml_context * ctx, ggml_tensor * x, ggml_tensor * weight, const Variant & variant) {
        ggml_tensor * norm = ggml_rms_norm(ctx, x, 1e-5f);
        ggml_tensor * q = ggml_mul_mat(ctx, weight, norm);
        ggml_tensor * k = ggml_mul_mat(ctx, weight, norm);
        ggml_tensor * gate = ggml_silu(ctx, k);
        ggml_tensor * mixed = ggml_mul(ctx, q, gate);
        ggml_tensor * view = ggml_reshape_3d(ctx, mixed, kWidth / 2, 2, variant.rows);
        ggml_tensor * scaled = ggml_scale(ctx, view, variant.scale);
        ggml_tensor * flat = ggml_reshape_2d(ctx, scaled, kWidth, variant.rows);
        return ggml_add(ctx, x, ggml_mul_mat(ctx, weight, flat));
    }

    void make_weights(int device, int n) {
        const size_t count = static_cast<size_t>(n) + 1;
        weight_contexts_.emplace_back(ggml_init({count * ggml_tensor_overhead(), nullptr, true}));
        for (int i = 0; i < n; i++) {
            weights_.push_back(ggml_new_tensor_2d(weight_contexts_.back().get(), GGML_TYPE_F32, kWidth, kWidth));
        }
        buffers_.emplace_back(ggml_backend_alloc_ctx_tensors(weight_contexts_.back().get(), backends_[device].get()));
        ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }

    int n_layers_;
    std::vector<Ptr<ggml_backend>> backends_;
    std::vector<Ptr<ggml_context>> weight_contexts_;
    std::vector<Ptr<ggml_backend_buffer>> buffers_;
    std::vector<ggml_tensor *> weights_;
    Ptr<ggml_context> context_;
    ggml_cgraph * graph_ = nullptr;
    Ptr<ggml_backend_sched> sched_;
};

// What a graph costs that has just been built: alloc_graph and the host's part of its run, its construction not
// counted. Graphs of the variant take turns with the plain one; the first ones, for which buffers are made, do not
// count.
void prepare(benchmark::State & state, const Variant & variant) {
    Stack stack(static_cast<int>(state.range(0)));
    const auto build = [&](bool plain) {
        ggml_backend_sched_synchronize(stack.sched());
        ggml_backend_sched_reset(stack.sched());
        stack.build(plain ? Variant() : variant);
    };
    const auto run = [&] {
        return ggml_backend_sched_alloc_graph(stack.sched(), stack.graph()) &&
               ggml_backend_sched_graph_compute_async(stack.sched(), stack.graph()) == GGML_STATUS_SUCCESS;
    };
    bool plain = false;
    for (int i = 0; i < 4; i++, plain = !plain) {
        build(plain);
        run();
    }
    for (auto _ : state) {
        state.PauseTiming();
        build(plain);
        plain = !plain;
        state.ResumeTiming();
        if (!run()) {
            state.SkipWithError(ggml_sched_get_error(stack.sched()));
            break;
        }
    }
    state.counters["nodes"] = stack.n_nodes();
    state.counters["splits"] = ggml_backend_sched_get_n_splits(stack.sched());
    state.counters["per_node"] = benchmark::Counter(static_cast<double>(state.iterations()) * stack.n_nodes(),
                                                    benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// The same graph built anew, as engines do for every token
void fresh_graph(benchmark::State & state) {
    prepare(state, {});
}
BENCHMARK(fresh_graph)->RangeMultiplier(10)->Range(100, 100000)->Unit(benchmark::kMicrosecond);

// Another graph each time: operations have other parameters
void changed_graph(benchmark::State & state) {
    Variant variant;
    variant.scale = 0.25f;
    prepare(state, variant);
}
BENCHMARK(changed_graph)->RangeMultiplier(10)->Range(100, 100000)->Unit(benchmark::kMicrosecond);

// All tensors have another shape, as from one micro-batch to the next: the graph is lowered and planned anew
void resized_graph(benchmark::State & state) {
    Variant variant;
    variant.rows = 3;
    prepare(state, variant);
}
BENCHMARK(resized_graph)->RangeMultiplier(10)->Range(100, 100000)->Unit(benchmark::kMicrosecond);

// It has other nodes: all stages run, and the allocator plans anew
void restructured_graph(benchmark::State & state) {
    Variant variant;
    variant.has_another_end = true;
    prepare(state, variant);
}
BENCHMARK(restructured_graph)->RangeMultiplier(10)->Range(100, 100000)->Unit(benchmark::kMicrosecond);

// The same allocated graph again, with nothing in between: the plan is found, not made.
void run_again(benchmark::State & state) {
    Stack stack(static_cast<int>(state.range(0)));
    stack.build();
    for (auto _ : state) {
        if (ggml_backend_sched_graph_compute_async(stack.sched(), stack.graph()) != GGML_STATUS_SUCCESS) {
            state.SkipWithError(ggml_sched_get_error(stack.sched()));
            break;
        }
    }
    ggml_sched_stats stats;
    ggml_sched_get_stats(stack.sched(), &stats, sizeof(stats));
    state.counters["splits"] = ggml_backend_sched_get_n_splits(stack.sched());
    state.counters["plans"] = static_cast<double>(stats.plans);
}
BENCHMARK(run_again)->Arg(1000)->Arg(10000);

// As a token's generation does it: run, wait, run.
void run_and_synchronize(benchmark::State & state) {
    Stack stack(1000);
    stack.build();
    for (auto _ : state) {
        ggml_backend_sched_graph_compute(stack.sched(), stack.graph());
    }
}
BENCHMARK(run_and_synchronize);

} // namespace
} // namespace ggml_sched::bench

BENCHMARK_MAIN();
