// BackendAnswers - what backends were asked about a graph's nodes while it was assigned, and what they said. Nothing
// else about a node's parameters and layout has a part in its assignment: a graph of the same structure that gets the
// same answers is assigned in the same way.

#pragma once

#include <cstdint>
#include <vector>

#include "graph/backend_id.h"
#include "graph/comparison.h"
#include "host/query.h"

namespace ggml_sched {

class BackendAnswers {
  public:
    void begin() { asked_.clear(); }
    bool supports_op(const std::vector<host::Backend> & backends, BackendId backend, const GraphView & graph,
                     TensorId node) {
        const bool answer = ggml_backend_supports_op(backends[backend].handle, graph.tensor(node));
        asked_.emplace_back(node, backend, false, answer);
        return answer;
    }
    bool offload_op(const std::vector<host::Backend> & backends, BackendId backend, const GraphView & graph,
                    TensorId node) {
        const bool answer = ggml_backend_offload_op(backends[backend].handle, graph.tensor(node));
        asked_.emplace_back(node, backend, true, answer);
        return answer;
    }

    // Asks all that was asked since begin() again about another graph of the same structure, as far as that has changed
    // since the graph of number `since`, for which the answers held.
    bool have_same_answers(const std::vector<host::Backend> & backends, const GraphView & graph,
                           const GraphComparison & comparison, uint64_t since) const;

  private:
    struct Question {
        // Written where it stays: a temporary's parts, copied as a whole, would have to be stored first.
        Question(TensorId node, BackendId backend, bool offloads, bool answer)
            : node(node)
            , backend(backend)
            , offloads(offloads)
            , answer(answer) {}

        TensorId node;
        BackendId backend;
        bool offloads; // it was asked for that, not for support
        bool answer;
    };

    std::vector<Question> asked_;
};

} // namespace ggml_sched
