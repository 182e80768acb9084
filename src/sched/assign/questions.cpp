#include "assign/questions.h"

#include <algorithm>

namespace ggml_sched {

bool Questions::answer(const Backends & backends, const Question & question, const GraphView & graph) {
    const ggml_backend_t backend = backends[question.backend].handle;
    const ggml_tensor * node = graph.tensor(question.node);
    return question.kind == Kind::Supports ? ggml_backend_supports_op(backend, node)
                                           : ggml_backend_offload_op(backend, node);
}

bool Questions::ask(const Backends & backends, Question question, const GraphView & graph) {
    question.answer = answer(backends, question, graph);
    asked_.push_back(question);
    return question.answer;
}

bool Questions::have_same_answers(const Backends & backends, const GraphView & graph) const {
    return std::all_of(asked_.begin(), asked_.end(),
                       [&](const Question & question) { return answer(backends, question, graph) == question.answer; });
}

} // namespace ggml_sched
