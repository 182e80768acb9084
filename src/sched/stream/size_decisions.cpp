#include "stream/size_decisions.h"

namespace ggml_sched {

namespace {

// Replay - answers the questions of the record with the sizes of another graph.
class Replay {
  public:
    Replay(const GraphView & graph, const std::vector<host::Backend> & backends, const StreamLimits & limits,
           const std::vector<CacheWrite> & writes)
        : graph_(graph)
        , backends_(backends)
        , limits_(limits)
        , next_write_(writes.begin())
        , written_(graph.n_tensors(), 0) {}

    void begin_split(BackendId backend) {
        backend_ = backend;
        had_ = bytes_ = 0;
    }
    bool write(TensorId node) {
        written_[graph_.root(node)] += bytes_of(*next_write_++, graph_);
        return has_rows(graph_.tensor(node));
    }
    bool is_cache(TensorId id, BackendId backend) const {
        return is_mostly_old(graph_, id, written_[graph_.root(id)]) &&
               is_cache_size(size(id, backend), limits_[backend]);
    }
    void streamed(TensorId id) { had_ = bytes_ = had_ + size(id, backend_); }
    void wanted(TensorId id) { bytes_ += size(id, backend_); }
    bool is_too_much() {
        const bool is = ggml_sched::is_too_much(had_, bytes_, limits_[backend_]);
        bytes_ = had_;
        return is;
    }

  private:
    size_t size(TensorId id, BackendId backend) const { return size_on(backends_[backend], graph_.tensor(id)); }

    const GraphView & graph_;
    const std::vector<host::Backend> & backends_;
    const StreamLimits & limits_;
    std::vector<CacheWrite>::const_iterator next_write_;
    std::vector<size_t> written_; // by tensor that is no view, in bytes
    BackendId backend_ = kNoBackend;
    size_t had_ = 0;   // bytes that the current split waits for
    size_t bytes_ = 0; // bytes that it would wait for with the wanted ones
};

} // namespace

bool SizeDecisions::hold_for(const GraphView & graph, const std::vector<host::Backend> & backends,
                             const std::vector<CacheWrite> & writes) const {
    Replay replay(graph, backends, limits_, writes);
    for (const Decision & decision : record_) {
        bool answer = false;
        switch (decision.kind) {
        case Kind::Begin: replay.begin_split(decision.backend); break;
        case Kind::Write: answer = replay.write(decision.tensor); break;
        case Kind::Cache: answer = replay.is_cache(decision.tensor, decision.backend); break;
        case Kind::Streamed: replay.streamed(decision.tensor); break;
        case Kind::Wanted: replay.wanted(decision.tensor); break;
        case Kind::TooMuch: answer = replay.is_too_much(); break;
        }
        if (answer != decision.answer) {
            return false;
        }
    }
    return true;
}

} // namespace ggml_sched
