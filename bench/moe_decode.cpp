#include "moe_decode.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-ops.h"
#include "ggml-sim.h"
#include "simulated_cpu.h"

namespace ggml_sched::bench {
namespace {

struct Free {
    void operator()(ggml_context * context) const { ggml_free(context); }
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
    void operator()(ggml_backend_sched_t sched) const { ggml_backend_sched_free(sched); }
};
template <typename T> using Ptr = std::unique_ptr<T, Free>;

constexpr int64_t kWidth = 32;  // of an activation
constexpr int64_t kInner = 128; // of an expert
constexpr int64_t kDense = 512; // what stands for attention: two matrices of kWidth * kDense
constexpr size_t kExpertBytes = 3 * kWidth * kInner * sizeof(float);

// The device reads weights as fast as a large GPU. Products of one token are as slow as their weights are read.
constexpr double kDeviceGbPerS = 3000.0;
constexpr double kDeviceLaunchUs = 10.0;
constexpr double kCopyUs = 5.0;
constexpr double kHostCallUs = 2.0;
// Threads of a CPU backend meet after each node, and wake up for each graph.
constexpr double kCpuGraphUs = 5.0;
constexpr double kCpuNodeUs = 1.0;

// Returns bytes of the model in a microsecond.
double speed(double gb_per_s) {
    return gb_per_s * 1e3 / kScale;
}

// Random - the same numbers on each machine (splitmix64)
class Random {
  public:
    explicit Random(uint64_t seed)
        : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    int below(int n) { return static_cast<int>((next() >> 32) * static_cast<uint64_t>(n) >> 32); }
    float number() { return static_cast<float>(below(2001) - 1000) * 1e-4F; }

  private:
    uint64_t state_;
};

// Router - chooses the experts of each layer for token after token
class Router {
  public:
    explicit Router(const DecodeSettings & settings)
        : settings_(settings)
        , random_(settings.seed) {}

    // Returns the logits of all layers for the next token.
    std::vector<float> next() {
        std::vector<float> logits(static_cast<size_t>(kLayers * kExperts), 0.0F);
        for (int layer = 0; layer < kLayers; layer++) {
            for (int i = 0; i < kChosen; i++) {
                float * const row = logits.data() + static_cast<ptrdiff_t>(layer) * kExperts;
                row[choose(row, i)] = 8.0F - 0.25F * static_cast<float>(i);
            }
        }
        n_tokens_++;
        return logits;
    }

  private:
    // The hot experts lie between the others, and are not those with which banks begin.
    bool is_hot(int expert) const {
        const int topic = settings_.tokens_of_topic > 0 ? n_tokens_ / settings_.tokens_of_topic : 0;
        return expert % (kExperts / kEntries) == (3 + topic) % (kExperts / kEntries);
    }

    // Returns an expert that the token has not chosen yet.
    int choose(const float * chosen, int i) {
        if (settings_.hot_percent == 0) {
            return kEntries + (n_tokens_ * kChosen + i) % (kExperts - kEntries);
        }
        const bool is_to_be_hot = random_.below(100) < settings_.hot_percent;
        int expert = random_.below(kExperts);
        while (is_hot(expert) != is_to_be_hot || chosen[expert] != 0.0F) {
            expert = random_.below(kExperts);
        }
        return expert;
    }

    const DecodeSettings & settings_;
    Random random_;
    int n_tokens_ = 0;
};

// Decoder - the machine, the model and the scheduler
class Decoder {
  public:
    explicit Decoder(const DecodeSettings & settings);

    bool is_complete() const { return sched_ && ggml_backend_sched_get_n_backends(sched_.get()) == 2; }
    ggml_backend_sched_t sched() const { return sched_.get(); }
    // Describes the graph and allocates it.
    bool allocate();
    // Computes a token, and adds its result to the hash.
    bool run(const std::vector<float> & logits, uint64_t & hash);

  private:
    struct Layer {
        ggml_tensor * dense[2]; // these and the router are in device memory
        ggml_tensor * router;
        ggml_tensor * experts[3]; // gate, up, down; in host memory
    };

    void make_weights();
    void build();
    ggml_tensor * build_layer(const Layer & layer, int index, ggml_tensor * x);

    Ptr<ggml_backend> device_;
    Ptr<ggml_backend> cpu_;
    Ptr<ggml_context> weights_[2];
    Ptr<ggml_backend_buffer> buffers_[2];
    std::array<Layer, kLayers> layers_ = {};
    Ptr<ggml_context> context_;
    ggml_cgraph * graph_ = nullptr;
    ggml_tensor * x_ = nullptr;
    ggml_tensor * logits_ = nullptr;
    ggml_tensor * result_ = nullptr;
    Ptr<ggml_backend_sched> sched_;
};

Decoder::Decoder(const DecodeSettings & settings) {
    ggml_sim_config config = ggml_sim_config_default(GGML_SIM_PROFILE_CUDA);
    config.bytes_per_us = speed(kDeviceGbPerS);
    config.flops_per_us = 2.0 * speed(kDeviceGbPerS) / sizeof(float);
    config.link_bytes_per_us = speed(settings.link_gb_per_s);
    config.link_latency_us = kCopyUs;
    config.launch_us = kDeviceLaunchUs;
    config.host_call_us = kHostCallUs;
    if (!ggml_backend_sim_configure(0, &config)) {
        return;
    }
    device_.reset(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    cpu_.reset(simulated_cpu_init({speed(settings.cpu_gb_per_s), kCpuGraphUs, kCpuNodeUs}));
    if (!device_ || !cpu_) {
        return;
    }
    make_weights();
    ggml_backend_t backends[] = {device_.get(), cpu_.get()};
    sched_.reset(ggml_backend_sched_new(backends, nullptr, 2, GGML_DEFAULT_GRAPH_SIZE, false, true));
    ggml_sched_expert_params params = ggml_sched_expert_default_params();
    params.misses = settings.misses;
    if (settings.has_experts) { // and half of an expert's memory for alignment
        params.budget_bytes = kExpertBytes * kLayers * kEntries + kExpertBytes / 2;
    }
    ggml_sched_set_experts(sched_.get(), &params);
}

void Decoder::make_weights() {
    enum { kOnDevice, kOnHost };
    for (Ptr<ggml_context> & context : weights_) {
        context.reset(ggml_init({size_t{8} * kLayers * ggml_tensor_overhead(), nullptr, true}));
    }
    for (Layer & layer : layers_) {
        ggml_context * const device = weights_[kOnDevice].get();
        ggml_context * const host = weights_[kOnHost].get();
        layer.dense[0] = ggml_new_tensor_2d(device, GGML_TYPE_F32, kWidth, kDense);
        layer.dense[1] = ggml_new_tensor_2d(device, GGML_TYPE_F32, kDense, kWidth);
        layer.router = ggml_new_tensor_2d(device, GGML_TYPE_F32, kWidth, kExperts);
        layer.experts[0] = ggml_new_tensor_3d(host, GGML_TYPE_F32, kWidth, kInner, kExperts);
        layer.experts[1] = ggml_new_tensor_3d(host, GGML_TYPE_F32, kWidth, kInner, kExperts);
        layer.experts[2] = ggml_new_tensor_3d(host, GGML_TYPE_F32, kInner, kWidth, kExperts);
    }
    ggml_backend_dev_t const device = ggml_backend_get_device(device_.get());
    const ggml_backend_buffer_type_t types[] = {ggml_backend_dev_buffer_type(device),
                                                ggml_backend_dev_host_buffer_type(device)};
    Random random(7);
    for (int i : {kOnDevice, kOnHost}) {
        buffers_[i].reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_[i].get(), types[i]));
        ggml_backend_buffer_set_usage(buffers_[i].get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        for (ggml_tensor * tensor = ggml_get_first_tensor(weights_[i].get()); tensor;
             tensor = ggml_get_next_tensor(weights_[i].get(), tensor)) {
            // The caller chooses the experts, so the routers' own logits are 0.
            const bool is_router = i == kOnDevice && tensor->ne[1] == kExperts;
            std::vector<float> numbers(static_cast<size_t>(ggml_nelements(tensor)), 0.0F);
            if (!is_router) {
                std::generate(numbers.begin(), numbers.end(), [&] { return random.number(); });
            }
            ggml_backend_tensor_set(tensor, numbers.data(), 0, ggml_nbytes(tensor));
        }
    }
}

// A layer as llama.cpp builds it, with two matrices in place of attention.
ggml_tensor * Decoder::build_layer(const Layer & layer, int index, ggml_tensor * x) {
    ggml_context * const ctx = context_.get();
    ggml_tensor * const dense = ggml_mul_mat(ctx, layer.dense[0], ggml_rms_norm(ctx, x, 1e-5F));
    x = ggml_add(ctx, x, ggml_mul_mat(ctx, layer.dense[1], ggml_silu(ctx, dense)));
    ggml_tensor * const normed = ggml_rms_norm(ctx, x, 1e-5F);
    ggml_tensor * const given =
        ggml_view_2d(ctx, logits_, kExperts, 1, logits_->nb[1], static_cast<size_t>(index) * logits_->nb[1]);
    ggml_tensor * const logits = ggml_add(ctx, ggml_mul_mat(ctx, layer.router, normed), given);
    ggml_tensor * const shares = ggml_soft_max(ctx, logits);
    ggml_tensor * const ids = ggml_argsort_top_k(ctx, shares, kChosen);
    ggml_tensor * const weights = ggml_get_rows(ctx, ggml_reshape_3d(ctx, shares, 1, kExperts, 1), ids);
    ggml_tensor * const activation = ggml_reshape_3d(ctx, normed, kWidth, 1, 1);
    ggml_tensor * const up = ggml_mul_mat_id(ctx, layer.experts[1], activation, ids);
    ggml_tensor * const gate = ggml_mul_mat_id(ctx, layer.experts[0], activation, ids);
    ggml_tensor * const experts = ggml_mul_mat_id(ctx, layer.experts[2], ggml_swiglu_split(ctx, gate, up), ids);
    ggml_tensor * const weighted = ggml_mul(ctx, experts, weights);
    ggml_build_forward_expand(graph_, weighted);
    ggml_tensor * sum = nullptr;
    for (size_t i = 0; i < kChosen; i++) {
        ggml_tensor * const one = ggml_view_2d(ctx, weighted, kWidth, 1, weighted->nb[2], i * weighted->nb[1]);
        sum = sum ? ggml_add(ctx, sum, one) : one;
    }
    return ggml_add(ctx, x, sum);
}

void Decoder::build() {
    constexpr size_t n = kLayers * 64 + 64;
    context_.reset(ggml_init({n * ggml_tensor_overhead() + ggml_graph_overhead_custom(n, false), nullptr, true}));
    ggml_context * const ctx = context_.get();
    graph_ = ggml_new_graph_custom(ctx, n, false);
    x_ = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, 1);
    logits_ = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kExperts, kLayers);
    ggml_set_input(x_);
    ggml_set_input(logits_);
    ggml_tensor * x = x_;
    for (int i = 0; i < kLayers; i++) {
        x = build_layer(layers_[static_cast<size_t>(i)], i, x);
    }
    // It stands for the output matrix, so that the device has the result.
    result_ = ggml_mul_mat(ctx, layers_[0].dense[0], ggml_rms_norm(ctx, x, 1e-5F));
    ggml_set_output(result_);
    ggml_build_forward_expand(graph_, result_);
}

bool Decoder::allocate() {
    ggml_backend_sched_reset(sched_.get());
    build();
    return ggml_backend_sched_alloc_graph(sched_.get(), graph_);
}

bool Decoder::run(const std::vector<float> & logits, uint64_t & hash) {
    std::vector<float> x(kWidth);
    for (size_t i = 0; i < x.size(); i++) {
        x[i] = logits[i] + 0.01F * static_cast<float>(i);
    }
    ggml_backend_tensor_set(x_, x.data(), 0, ggml_nbytes(x_));
    ggml_backend_tensor_set(logits_, logits.data(), 0, ggml_nbytes(logits_));
    if (ggml_backend_sched_graph_compute(sched_.get(), graph_) != GGML_STATUS_SUCCESS) {
        return false;
    }
    std::vector<uint32_t> numbers(static_cast<size_t>(ggml_nelements(result_)));
    ggml_backend_tensor_get(result_, numbers.data(), 0, ggml_nbytes(result_));
    for (const uint32_t number : numbers) {
        hash = (hash ^ number) * 0x100000001b3U; // FNV-1a, by words
    }
    return true;
}

} // namespace

std::string decode(const DecodeSettings & settings, DecodeResult & result) {
    ggml_backend_sim_set_seed(settings.seed);
    Decoder decoder(settings);
    if (!decoder.is_complete()) {
        return "the simulated devices have no memory or are in use";
    }
    const auto error = [&] { return std::string(ggml_sched_get_error(decoder.sched())); };
    Router router(settings);
    result = {};
    if (!decoder.allocate()) {
        return error();
    }
    double begin = 0.0;
    for (int i = 0; i < settings.n_warm_up + settings.n_measured; i++) {
        if (i == settings.n_warm_up) {
            result.warm_up_us = (ggml_backend_sim_time_us() - begin) / std::max(settings.n_warm_up, 1);
            ggml_sched_reset_stats(decoder.sched());
        }
        begin = i == 0 || i == settings.n_warm_up ? ggml_backend_sim_time_us() : begin;
        const bool is_next = settings.tokens_of_graph > 0 && i % settings.tokens_of_graph == 0;
        const bool has_graph = !is_next || decoder.allocate();
        if (!has_graph || !decoder.run(router.next(), result.hash)) {
            return error();
        }
    }
    result.token_us = (ggml_backend_sim_time_us() - begin) / settings.n_measured;
    ggml_sched_stats stats = {};
    ggml_sched_get_stats(decoder.sched(), &stats, sizeof(stats));
    const auto pairs = static_cast<double>(stats.expert_pairs);
    const auto missed = static_cast<double>(stats.expert_misses);
    const auto uploaded = static_cast<double>(stats.expert_uploads);
    result.hit_percent = pairs > 0 ? std::max(0.0, 100.0 * (pairs - missed - uploaded) / pairs) : 0.0;
    result.uploads = uploaded / settings.n_measured;
    result.bytes_copied = static_cast<double>(stats.bytes_copied) * kScale / settings.n_measured;
    result.are_banks_off = stats.expert_banks_off > 0;
    return "";
}

} // namespace ggml_sched::bench
