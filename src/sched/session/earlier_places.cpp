#include "session/earlier_places.h"

#include <algorithm>
#include <string>

namespace ggml_sched {

namespace {

Status is_placed_by_another(const ggml_tensor * node) {
    return Status::failed(std::string("node '") + node->name +
                          "' has been placed by another scheduler; call ggml_sched_unalloc_graph there first, or build "
                          "the graph anew");
}

Status is_gone(const ggml_tensor * tensor) {
    return Status::failed(std::string("'") + tensor->name +
                          "' lies in memory of another scheduler, which has replaced it since; compute it there again, "
                          "or copy it to a tensor of your own");
}

Status is_lost(const ggml_tensor * result) {
    return Status::failed(std::string("the graph reads '") + result->name +
                          "', a result of an earlier graph, which has lost its memory; flag it as an output and "
                          "allocate this graph before the scheduler is reset, or copy it to a tensor of your own");
}

} // namespace

Status EarlierPlaces::find(const GraphView & graph, const void * owner, const std::vector<LastingTensor> & allocated) {
    const auto lasts = [&](const ggml_tensor * tensor) {
        return std::any_of(allocated.begin(), allocated.end(), [&](const LastingTensor & lasting) {
            return lasting.tensor == tensor && lasting.data == tensor->data;
        });
    };
    for (TensorId id = 0; id < graph.n_tensors(); id++) {
        ggml_tensor * tensor = graph.tensor(id);
        const void * by = graph.owner(id);
        const bool is_node = graph.facts(id) & kIsNode;
        const bool is_computed = graph.facts(id) & kIsComputed;
        if (by && by != owner && is_node && is_computed && !graph.views_another(id)) {
            return is_placed_by_another(tensor);
        }
        if (by && by != owner && ggml_nbytes(tensor) > 0 &&
            ggml_backend_buffer_get_size(graph.content(id).buffer()) == 0) {
            return is_gone(tensor);
        }
        if (by != owner) {
            continue;
        }
        placed_.push_back({tensor, tensor->buffer, tensor->data});
        if (graph.views_another(id) || (is_node && is_computed) || ggml_nbytes(tensor) == 0) {
            continue;
        }
        if (lasts(tensor)) {
            contents_.push_back({tensor, {}});
        } else if (is_computed) {
            return is_lost(tensor);
        } else {
            lost_ = lost_ ? lost_ : tensor;
        }
    }
    return {};
}

void EarlierPlaces::take_away() {
    for (Content & content : contents_) {
        content.bytes.resize(ggml_nbytes(content.tensor));
        ggml_backend_tensor_get(content.tensor, content.bytes.data(), 0, content.bytes.size());
    }
    is_taken_away_ = true;
    for (const Placed & placed : placed_) {
        placed.tensor->buffer = nullptr;
        placed.tensor->data = nullptr;
    }
}

EarlierPlaces::~EarlierPlaces() {
    for (size_t i = 0; is_taken_away_ && i < placed_.size(); i++) {
        placed_[i].tensor->buffer = placed_[i].buffer;
        placed_[i].tensor->data = placed_[i].data;
    }
}

void EarlierPlaces::give_back() {
    is_taken_away_ = false;
    for (const Content & content : contents_) {
        if (content.tensor->buffer) { // A tensor that nothing reads gets no memory.
            ggml_backend_tensor_set(content.tensor, content.bytes.data(), 0, content.bytes.size());
        }
    }
}

} // namespace ggml_sched
