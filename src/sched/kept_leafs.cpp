#include "kept_leafs.h"

namespace ggml_sched {

KeptLeafs::KeptLeafs(const GraphView & graph) {
    for (TensorId id = 0; id < graph.n_tensors(); id++) {
        ggml_tensor * tensor = graph.tensor(id);
        if (tensor->buffer && !(graph.facts(id) & kIsComputed) && !graph.views_another(id)) {
            leafs_.push_back({tensor, *tensor, {}});
        }
    }
}

void KeptLeafs::read() {
    for (Leaf & leaf : leafs_) {
        if (!leaf.tensor->buffer) {
            leaf.bytes.resize(ggml_nbytes(&leaf.before));
            ggml_backend_tensor_get(&leaf.before, leaf.bytes.data(), 0, leaf.bytes.size());
        }
    }
}

void KeptLeafs::write() const {
    for (const Leaf & leaf : leafs_) {
        if (!leaf.bytes.empty() && leaf.tensor->buffer) {
            ggml_backend_tensor_set(leaf.tensor, leaf.bytes.data(), 0, leaf.bytes.size());
        }
    }
}

} // namespace ggml_sched
