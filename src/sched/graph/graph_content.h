// GraphContent - what a graph says, apart from where its tensors' descriptions lie. Engines build the same graph anew
// for every token: the same content is assigned, split and lowered in the same way, so that has to be done only once.
//
// Compared is all that the stages up to the split look at, a backend's supports_op included: operations with their
// parameters, types, shapes, strides, flags, who reads and views what, and the memory that tensors already have.

#pragma once

#include <array>
#include <vector>

#include "graph/graph_view.h"
#include "host/query.h"

namespace ggml_sched {

class GraphContent {
  public:
    // Is this the content that was taken last?
    bool equals(const GraphView & graph) const;
    void take(const GraphView & graph);
    void forget() { taken_ = false; }

  private:
    struct Tensor {
        ggml_type type;
        ggml_op op;
        int32_t flags;
        TensorId view_source;
        ggml_backend_buffer_t buffer;
        std::array<int64_t, GGML_MAX_DIMS> ne;
        std::array<size_t, GGML_MAX_DIMS> nb;
        std::array<int32_t, GGML_MAX_OP_PARAMS / sizeof(int32_t)> op_params; // not of views: they change nothing here
    };
    static bool same(const Tensor & content, const ggml_tensor & tensor);
    bool same_structure(const GraphView & graph) const;
    void note_buffer(ggml_backend_buffer_t buffer);

    bool taken_ = false;
    std::vector<Tensor> tensors_; // by number
    std::vector<TensorId> leafs_;
    std::vector<GraphNode> nodes_;
    std::vector<Operand> operands_;
    // An address is not enough to know a buffer again: another may have been made where it was.
    std::vector<std::pair<ggml_backend_buffer_t, host::BufferFacts>> buffers_;
};

} // namespace ggml_sched
