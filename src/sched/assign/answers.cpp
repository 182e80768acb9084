#include "assign/answers.h"

#include <algorithm>

namespace ggml_sched {

bool BackendAnswers::have_same_answers(const std::vector<host::Backend> & backends, const GraphView & graph,
                                       const GraphComparison & comparison, uint64_t since) const {
    return std::all_of(asked_.begin(), asked_.end(), [&](const Question & question) {
        if (!comparison.has_changed_op(question.node, since)) {
            return true;
        }
        const ggml_backend_t backend = backends[question.backend].handle;
        const ggml_tensor * node = graph.tensor(question.node);
        const bool answer =
            question.offloads ? ggml_backend_offload_op(backend, node) : ggml_backend_supports_op(backend, node);
        return answer == question.answer;
    });
}

} // namespace ggml_sched
