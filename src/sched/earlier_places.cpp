#include "earlier_places.h"

#include <algorithm>
#include <string>

namespace ggml_sched {

namespace {

Status is_placed_by_another(const ggml_tensor * node) {
    return Status::failed(std::string("node '") + node->name +
                          "' has been placed by another scheduler; call ggml_sched_unalloc_graph there first, or build "
                          "the graph anew");
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
        if (by != owner) {
            continue;
        }
        placed_.push_back(tensor);
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
    for (ggml_tensor * tensor : placed_) {
        tensor->buffer = nullptr;
        tensor->data = nullptr;
    }
}

void EarlierPlaces::give_back() const {
    for (const Content & content : contents_) {
        if (content.tensor->buffer) { // what nothing reads gets no memory
            ggml_backend_tensor_set(content.tensor, content.bytes.data(), 0, content.bytes.size());
        }
    }
}

} // namespace ggml_sched
