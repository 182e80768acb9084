#include "stream_session.h"

#include <algorithm>

namespace gpu_tests {

using namespace ggml_sched::test;

StreamSession::StreamSession(const StreamModel & model, const Streaming & streaming)
    : model_(model)
    , caches_(model) {
    if (!caches_.are_there()) {
        error_ = "no memory for caches";
        return;
    }
    std::vector<ggml_backend_t> handles;
    for (const ggml_backend_dev_t device : model.devices()) {
        backends_.emplace_back(ggml_backend_dev_init(device, nullptr));
        handles.push_back(backends_.back().get());
    }
    devices_ = handles;
    backends_.emplace_back(ggml_backend_cpu_init());
    handles.push_back(backends_.back().get());
    if (std::find(handles.begin(), handles.end(), nullptr) != handles.end()) {
        error_ = "a backend cannot be made";
        return;
    }
    ggml_backend_cpu_set_n_threads(handles.back(), 1);
    sched_.reset(ggml_backend_sched_new(handles.data(), nullptr, static_cast<int>(handles.size()),
                                        GGML_DEFAULT_GRAPH_SIZE, streaming.parallel, false));
    if (sched_ == nullptr) {
        error_ = "a scheduler cannot be made";
        return;
    }
    ggml_sched_set_verify(sched(), streaming.verify);
    ggml_sched_keep_weights(sched(), streaming.keep);
    ggml_sched_stream_params params = ggml_sched_stream_default_params();
    params.budget_bytes = streaming.budget;
    params.lookahead_bytes = streaming.lookahead;
    ggml_sched_set_streaming(sched(), &params);
}

StreamSession::~StreamSession() {
    if (sched_ != nullptr) {
        ggml_backend_sched_synchronize(sched());
    }
}

std::vector<StreamSession::Floats> StreamSession::run(const std::vector<int> & micro_batches, uint64_t seed,
                                                      const std::function<void()> & delay) {
    std::vector<Floats> outputs(micro_batches.size());
    caches_.clear();
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (size_t i = 0; i < micro_batches.size() && error_.empty(); i++) {
        Floats input(static_cast<size_t>(model_.shape().width * micro_batches[i]));
        for (float & value : input) {
            value = uniform(random);
        }
        outputs[i].resize(input.size());
        if (!run_one(micro_batches[i], input, outputs[i], delay)) {
            error_ = "micro-batch " + std::to_string(i) + " of " + std::to_string(micro_batches[i]) +
                     " tokens: " + ggml_sched_get_error(sched());
        }
    }
    if (sched_ != nullptr) {
        ggml_backend_sched_synchronize(sched());
    }
    if (graphs_.size() > 1) {
        graphs_.erase(graphs_.begin(), graphs_.end() - 1);
    }
    return error_.empty() ? outputs : std::vector<Floats>();
}

bool StreamSession::run_one(int n_tokens, const Floats & input, Floats & output, const std::function<void()> & delay) {
    std::vector<int64_t> rows = caches_.take_rows(n_tokens);
    if (!prepare(n_tokens)) {
        return false;
    }
    const StreamGraph & graph = graphs_.back();
    ggml_backend_tensor_set(graph.input, input.data(), 0, ggml_nbytes(graph.input));
    if (graph.rows != nullptr) {
        ggml_backend_tensor_set(graph.rows, rows.data(), 0, ggml_nbytes(graph.rows));
    }
    if (ggml_backend_sched_graph_compute_async(sched(), graph.graph) != GGML_STATUS_SUCCESS) {
        return false;
    }
    if (delay) {
        delay();
    }
    ggml_backend_tensor_get_async(ggml_backend_sched_get_tensor_backend(sched(), graph.output), graph.output,
                                  output.data(), 0, ggml_nbytes(graph.output));
    const Floats spoilt(input.size(), -1e6f); // the inputs are the caller's again
    ggml_backend_tensor_set(graph.input, spoilt.data(), 0, ggml_nbytes(graph.input));
    if (graph.rows != nullptr) {
        std::fill(rows.begin(), rows.end(), 0);
        ggml_backend_tensor_set(graph.rows, rows.data(), 0, ggml_nbytes(graph.rows));
    }
    if (delay) {
        delay();
    }
    return true;
}

bool StreamSession::repeat(int n, const Floats & input) {
    const StreamGraph & graph = graphs_.back();
    ggml_backend_tensor_set(graph.input, input.data(), 0, ggml_nbytes(graph.input));
    for (int i = 0; i < n && error_.empty(); i++) {
        if (ggml_backend_sched_graph_compute_async(sched(), graph.graph) != GGML_STATUS_SUCCESS) {
            error_ = ggml_sched_get_error(sched());
        }
    }
    ggml_backend_sched_synchronize(sched());
    return error_.empty();
}

bool StreamSession::prepare(int n_tokens) {
    if (can_repeat(n_tokens)) {
        return true;
    }
    ggml_backend_sched_reset(sched());
    graphs_.push_back(model_.build(n_tokens, sched(), devices_, caches_));
    return ggml_backend_sched_alloc_graph(sched(), graphs_.back().graph);
}

// The same size, and the same part of the caches is read
bool StreamSession::can_repeat(int n_tokens) const {
    return !graphs_.empty() && graphs_.back().input->ne[1] == n_tokens && graphs_.back().n_used == caches_.n_used();
}

ggml_sched_stats StreamSession::stats() const {
    ggml_sched_stats stats = {};
    ggml_sched_get_stats(sched(), &stats, sizeof(stats));
    return stats;
}

std::string difference(const std::vector<StreamSession::Floats> & a, const std::vector<StreamSession::Floats> & b) {
    if (a.size() != b.size()) {
        return "there are " + std::to_string(a.size()) + " results, not " + std::to_string(b.size());
    }
    for (size_t i = 0; i < a.size(); i++) {
        if (a[i].size() != b[i].size()) {
            return "result " + std::to_string(i) + " has another size";
        }
        const auto * x = reinterpret_cast<const char *>(a[i].data());
        const auto * y = reinterpret_cast<const char *>(b[i].data());
        const size_t same = static_cast<size_t>(std::mismatch(x, x + a[i].size() * sizeof(float), y).first - x);
        if (const size_t k = same / sizeof(float); k < a[i].size()) {
            return "result " + std::to_string(i) + " of " + std::to_string(a.size()) + " differs from element " +
                   std::to_string(k) + " on: " + std::to_string(a[i][k]) + ", not " + std::to_string(b[i][k]);
        }
    }
    return "";
}

} // namespace gpu_tests
