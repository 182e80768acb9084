// StreamSession - runs a model with weights in host memory, micro-batch by micro-batch, with some budget for streaming.
// Runs are in flight while the next ones are enqueued, and the host is late now and then.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "stream_caches.h"
#include "stream_model.h"

namespace gpu_tests {

struct Streaming {
    size_t budget = 0;    // bytes; 0: off
    size_t lookahead = 0; // bytes; 0: the default
    bool parallel = false;
    bool verify = true;
    bool keep = false; // weights that are still in the ring
};

class StreamSession {
  public:
    StreamSession(const StreamModel & model, const Streaming & streaming);
    ~StreamSession(); // waits

    using Floats = std::vector<float>;
    // With empty caches, enqueues micro-batches of these numbers of tokens, with inputs out of the seed, and waits for
    // all. What each gave, in order; nothing, and error(), if one failed.
    std::vector<Floats> run(const std::vector<int> & micro_batches, uint64_t seed,
                            const std::function<void()> & delay = {});
    // Computes the last micro-batch n more times, without looking at what it gives, and waits. False: see error().
    bool repeat(int n, const Floats & input);
    const std::string & error() const { return error_; }
    ggml_sched_stats stats() const;
    ggml_backend_sched_t sched() const { return sched_.get(); }

  private:
    bool run_one(int n_tokens, const Floats & input, Floats & output, const std::function<void()> & delay);
    bool prepare(int n_tokens);
    bool can_repeat(int n_tokens) const;

    const StreamModel & model_;
    StreamCaches caches_;
    std::vector<ggml_sched::test::BackendPtr> backends_; // the CPU last
    std::vector<ggml_backend_t> devices_;
    std::vector<StreamGraph> graphs_; // the last one is allocated; earlier ones may be in flight
    ggml_sched::test::SchedPtr sched_;
    std::string error_;
};

// "" if both are the same to the bit, else what differs first
std::string difference(const std::vector<StreamSession::Floats> & a, const std::vector<StreamSession::Floats> & b);

} // namespace gpu_tests
