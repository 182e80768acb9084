#include "support/scribbler.h"

#include <algorithm>
#include <cstring>

namespace ggml_sched::test {

bool Scribbler::call(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                     void * self) {
    return static_cast<Scribbler *>(self)->copy(backend, src, dst, graph);
}

bool Scribbler::copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, const ggml_cgraph * graph) {
    n_asked_++;
    asked_.push_back(src);
    check(src, dst, graph);
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    wait_for_own_copies();
    spoil_and_restore(backend);
    if (state_ >> 63) {
        return false;
    }
    ggml_backend_tensor_set_async(backend, dst, src->data, 0, ggml_nbytes(src));
    own_copies_.push_back(backend);
    return true;
}

void Scribbler::check(const ggml_tensor * src, const ggml_tensor * dst, const ggml_cgraph * graph) {
    bool is_read = false;
    for (int i = 0; i < ggml_graph_n_nodes(const_cast<ggml_cgraph *>(graph)); i++) {
        const ggml_tensor * node = ggml_graph_node(const_cast<ggml_cgraph *>(graph), i);
        is_read = is_read || std::find(node->src, node->src + GGML_MAX_SRC, dst) != node->src + GGML_MAX_SRC;
    }
    const bool is_weight = src->buffer && ggml_backend_buffer_is_host(src->buffer) &&
                           ggml_backend_buffer_get_usage(src->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
    if (!is_read) {
        mistake_ = std::string("no node of the graph reads the copy of '") + src->name + "'";
    } else if (!is_weight) {
        mistake_ = std::string("asked for '") + src->name + "', which is no weight in host memory";
    }
}

// A copy that still reads the weights, and is executed meanwhile, gets garbage.
void Scribbler::spoil_and_restore(ggml_backend_t backend) {
    std::vector<std::pair<char *, std::vector<char>>> saved;
    for (const ggml_tensor * weight : asked_) {
        auto * data = static_cast<char *>(weight->data);
        saved.emplace_back(data, std::vector<char>(data, data + ggml_nbytes(weight)));
        std::memset(data, 0x7F, ggml_nbytes(weight));
    }
    ggml_backend_synchronize(backend);
    std::for_each(saved.rbegin(), saved.rend(),
                  [](const auto & part) { std::copy(part.second.begin(), part.second.end(), part.first); });
}

void Scribbler::wait_for_own_copies() {
    for (const ggml_backend_t backend : own_copies_) {
        ggml_backend_synchronize(backend);
    }
    own_copies_.clear();
}

} // namespace ggml_sched::test
