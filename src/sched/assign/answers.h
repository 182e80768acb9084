// BackendAnswers - the questions that an assignment asks backends about a graph's nodes, and the answers.
//
// The assignment depends on parameters and layout of nodes only through these answers. So a graph of the same structure
// that gets the same answers gets the same assignment. BackendAnswers is a
// value; one thread at a time may use it.

#pragma once

#include <cstdint>
#include <vector>

#include "graph/backend_id.h"
#include "graph/comparison.h"
#include "host/query.h"

namespace ggml_sched {

// BackendAnswers - asks backends and records what they answer.
class BackendAnswers {
  public:
    // Forgets all questions, for a new assignment.
    void begin() { asked_.clear(); }
    // Returns whether the backend supports the node, and records the answer.
    bool supports_op(const std::vector<host::Backend> & backends, BackendId backend, const GraphView & graph,
                     TensorId node) {
        const bool answer = ggml_backend_supports_op(backends[backend].handle, graph.tensor(node));
        asked_.emplace_back(node, backend, false, answer);
        return answer;
    }
    // Returns whether the backend offers to take the node although its weights are elsewhere (ggml's op_offload).
    bool offload_op(const std::vector<host::Backend> & backends, BackendId backend, const GraphView & graph,
                    TensorId node) {
        const bool answer = ggml_backend_offload_op(backends[backend].handle, graph.tensor(node));
        asked_.emplace_back(node, backend, true, answer);
        return answer;
    }

    // Asks all questions since begin() again, about another graph of the same structure. Skips nodes that have not
    // changed since graph number `since`, for which the answers held. Returns false at the first other answer.
    bool have_same_answers(const std::vector<host::Backend> & backends, const GraphView & graph,
                           const GraphComparison & comparison, uint64_t since) const;

  private:
    // Question - one question with its answer.
    struct Question {
        // The constructor lets emplace_back() write the fields in place, which is quicker than a copy of a temporary.
        Question(TensorId node, BackendId backend, bool offloads, bool answer)
            : node(node)
            , backend(backend)
            , offloads(offloads)
            , answer(answer) {}

        TensorId node;
        BackendId backend;
        bool offloads; // the question was offload_op(); else supports_op()
        bool answer;
    };

    std::vector<Question> asked_;
};

} // namespace ggml_sched
