#include "session.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace engine {
namespace {

// What a file says about its context is no reason to take all of the memory.
constexpr int kMaxDefaultContext = 8192;

} // namespace

Session::Session(const Model & model, const DeviceSet & devices, const SessionConfig & config)
    : model_(model)
    , devices_(devices)
    , config_(config) {}

Session::~Session() {
    if (sched_) {
        ggml_backend_sched_synchronize(sched_.get()); // the cache must not go while something in flight uses it
    }
}

Result<std::unique_ptr<Session>> Session::create(const Model & model, const DeviceSet & devices,
                                                 const SessionConfig & config) {
    const int n_ctx = config.n_ctx > 0 ? config.n_ctx : std::min(model.hparams().n_ctx, kMaxDefaultContext);
    if (config.n_ubatch < 1) {
        return failure("a micro-batch needs at least one token");
    }
    std::unique_ptr<Session> session(new Session(model, devices, config));
    session->n_ctx_ = n_ctx;
    Result<KvCache> cache = KvCache::create(model, devices, n_ctx, config.kv_type);
    if (!cache.ok()) {
        return cache.status();
    }
    session->cache_ = std::move(cache.value());
    ggml_init_params params = {};
    params.mem_size = graph_memory(model);
    params.no_alloc = true;
    session->graph_context_.reset(ggml_init(params));
    if (!session->graph_context_) {
        return failure("out of memory");
    }
    std::vector<ggml_backend_t> backends = devices.handles();
    const bool op_offload = true;
    session->sched_.reset(ggml_backend_sched_new(backends.data(), nullptr, devices.count(), graph_nodes(model),
                                                 config.parallel, op_offload));
    if (!session->sched_) {
        return failure("cannot make a scheduler");
    }
    if (config.sync) {
        ggml_sched_set_sync_mode(session->sched(), *config.sync);
    }
    if (config.stream) {
        ggml_sched_stream_params params = ggml_sched_stream_default_params();
        params.budget_bytes = *config.stream;
        ggml_sched_set_streaming(session->sched(), &params);
    }
    if (config.verify) {
        ggml_sched_set_verify(session->sched(), true);
    }
    if (const Status status = session->reserve(); !status.ok()) {
        return status;
    }
    return session;
}

Status Session::enqueue(const std::vector<Token> & tokens, int first_position, Outputs outputs, float * logits) {
    const int n = static_cast<int>(tokens.size());
    if (first_position < 0 || n > n_ctx_ - first_position) {
        return failure(std::to_string(n) + " tokens from position " + std::to_string(first_position) +
                       " on do not fit into a context of " + std::to_string(n_ctx_));
    }
    for (const Token token : tokens) {
        if (token < 0 || token >= model_.n_vocab()) {
            return failure("token " + std::to_string(token) + " is outside the vocabulary");
        }
    }
    for (int done = 0; done < n;) {
        BatchShape shape;
        shape.n_tokens = std::min(config_.n_ubatch, n - done);
        const int end = first_position + done + shape.n_tokens;
        shape.n_kv = GGML_PAD(end, KvCache::kPadding);
        const bool is_last = done + shape.n_tokens == n;
        shape.n_outputs = outputs == Outputs::All ? shape.n_tokens : outputs == Outputs::Last && is_last ? 1 : 0;
        Status status = run(tokens.data() + done, first_position + done, shape, logits);
        if (!status.ok()) {
            ggml_backend_sched_synchronize(sched());
            forget_graph();
            return status;
        }
        logits += static_cast<size_t>(shape.n_outputs) * model_.n_vocab();
        done += shape.n_tokens;
    }
    return {};
}

Status Session::run(const Token * tokens, int first_position, const BatchShape & shape, float * logits) {
    if (Status status = prepare(shape); !status.ok()) {
        return status;
    }
    set_inputs(tokens, first_position, shape);
    const ggml_status computed = ggml_backend_sched_graph_compute_async(sched(), graph_.graph);
    if (computed != GGML_STATUS_SUCCESS) {
        return sched_failure(std::string("computing failed: ") + ggml_status_to_string(computed));
    }
    if (graph_.logits) {
        const ggml_backend_t holder = ggml_backend_sched_get_tensor_backend(sched(), graph_.logits);
        if (!holder) {
            return failure("the scheduler does not know where the logits are");
        }
        ggml_backend_tensor_get_async(holder, graph_.logits, logits, 0, ggml_nbytes(graph_.logits));
    }
    return {};
}

Result<BatchGraph> Session::describe(const BatchShape & shape) {
    Result<BatchGraph> built = build_graph(graph_context_.get(), model_, cache_, shape);
    if (built.ok()) {
        for (const Pinned & pinned : built.value().pinned) {
            ggml_backend_sched_set_tensor_backend(sched(), pinned.node, devices_.backend(pinned.device));
        }
    }
    return built;
}

// Makes room for the largest micro-batch at once: growing later would mean to wait for everything in flight.
Status Session::reserve() {
    BatchShape largest;
    largest.n_tokens = std::min(config_.n_ubatch, n_ctx_);
    largest.n_kv = cache_.n_rows();
    largest.n_outputs = largest.n_tokens;
    Result<BatchGraph> built = describe(largest);
    if (!built.ok()) {
        return built.status();
    }
    const bool reserved = ggml_backend_sched_reserve(sched(), built.value().graph);
    Status status = reserved ? Status{} : sched_failure("cannot reserve memory for the largest micro-batch");
    forget_graph();
    return status;
}

// Keeps the graph of the last micro-batch where the new one has the same shape.
Status Session::prepare(const BatchShape & shape) {
    if (shape_ == shape) {
        return {};
    }
    forget_graph();
    Result<BatchGraph> built = describe(shape);
    if (!built.ok()) {
        return built.status();
    }
    if (!ggml_backend_sched_alloc_graph(sched(), built.value().graph)) {
        return sched_failure("cannot allocate the graph of a micro-batch");
    }
    graph_ = std::move(built.value());
    shape_ = shape;
    return {};
}

void Session::set_inputs(const Token * tokens, int first_position, const BatchShape & shape) {
    const int n = shape.n_tokens;
    positions_.resize(n);
    std::iota(positions_.begin(), positions_.end(), first_position);
    kv_rows_.assign(positions_.begin(), positions_.end());
    mask_.assign(static_cast<size_t>(n) * shape.n_kv, -INFINITY);
    for (int i = 0; i < n; i++) {
        std::fill_n(mask_.begin() + static_cast<ptrdiff_t>(i) * shape.n_kv, first_position + i + 1, 0.0F);
    }
    output_ids_.resize(shape.n_outputs);
    std::iota(output_ids_.begin(), output_ids_.end(), n - shape.n_outputs);

    const auto set = [](ggml_tensor * input, const void * data) {
        if (input && input->buffer) { // an input that nothing reads has no place
            ggml_backend_tensor_set(input, data, 0, ggml_nbytes(input));
        }
    };
    set(graph_.tokens, tokens);
    set(graph_.positions, positions_.data());
    set(graph_.kv_rows, kv_rows_.data());
    set(graph_.mask, mask_.data());
    set(graph_.output_ids, output_ids_.data());
}

void Session::synchronize() {
    ggml_backend_sched_synchronize(sched());
}

void Session::forget_graph() {
    ggml_backend_sched_reset(sched());
    ggml_reset(graph_context_.get());
    graph_ = {};
    shape_ = {};
}

Status Session::sched_failure(const std::string & what) {
    const std::string reason = ggml_sched_get_error(sched());
    return failure(reason.empty() ? what : what + ": " + reason);
}

} // namespace engine
