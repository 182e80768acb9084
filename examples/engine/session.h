// session.h - runs a model over one sequence, micro-batch by micro-batch, through the scheduler.
//
// Work is enqueued; nothing is waited for before synchronize(), so that micro-batches can overlap on different devices.
//
// Threading: one thread at a time. Model and devices must outlive the session.

#pragma once

#include "device_set.h"
#include "graph.h"
#include "kv_cache.h"
#include "model.h"

#include "ggml-sched.h"

#include <memory>
#include <optional>
#include <vector>

namespace engine {

struct SessionConfig {
    int n_ctx = 0; // positions; 0: as the model says, up to 8192
    int n_ubatch = 512;
    bool parallel = false;
    bool verify = false;
    std::optional<ggml_sched_sync_mode> sync; // none: the scheduler's default
    std::optional<size_t> stream;             // budget of ggml_sched_set_streaming; none: the scheduler's default
    ggml_type kv_type = GGML_TYPE_F32;
};

enum class Outputs {
    None,
    Last, // of the last token only
    All,
};

class Session {
  public:
    static Result<std::unique_ptr<Session>> create(const Model & model, const DeviceSet & devices,
                                                   const SessionConfig & config);
    ~Session();
    Session(const Session &) = delete;
    Session & operator=(const Session &) = delete;

    // Enqueues the tokens for the positions from first_position on; what the cache holds at those and later positions
    // is forgotten. The logits arrive at `logits`, n_vocab per output, by the time of synchronize(): keep it until
    // then. After an error the session can be used again, from position 0.
    Status enqueue(const std::vector<Token> & tokens, int first_position, Outputs outputs, float * logits);
    void synchronize();

    const Model & model() const { return model_; }
    int n_ctx() const { return n_ctx_; }
    ggml_backend_sched_t sched() const { return sched_.get(); }

  private:
    Session(const Model & model, const DeviceSet & devices, const SessionConfig & config);
    Result<BatchGraph> describe(const BatchShape & shape);
    Status reserve();
    Status prepare(const BatchShape & shape);
    void set_inputs(const Token * tokens, int first_position, const BatchShape & shape);
    Status run(const Token * tokens, int first_position, const BatchShape & shape, float * logits);
    Status sched_failure(const std::string & what);
    void forget_graph();

    const Model & model_;
    const DeviceSet & devices_;
    SessionConfig config_;
    int n_ctx_ = 0;
    KvCache cache_;
    ContextHandle graph_context_;
    SchedHandle sched_; // freed before what its graphs point to
    BatchShape shape_;  // of graph_; no tokens: there is no allocated graph
    BatchGraph graph_;
    std::vector<float> mask_;
    std::vector<int32_t> positions_;
    std::vector<int64_t> kv_rows_;
    std::vector<int32_t> output_ids_;
};

} // namespace engine
