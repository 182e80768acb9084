#include "alloc/graph_plan.h"
#include "arguments.h"

namespace ggml_sched {

namespace {

int buffer_id_of(const int * ids, int i) {
    return ids != nullptr ? ids[i] : 0;
}

// Walks a plan's references in the order in which they were found.
class References {
  public:
    explicit References(const GraphPlan & plan)
        : next_(plan.references.data()) {}

    int leaf() { return *next_++; }

    // The numbers of a node's operands, -1 where there is none; returns the node's own.
    int node(const ggml_tensor * node, int (&operands)[GGML_MAX_SRC]) {
        for (int j = 0; j < GGML_MAX_SRC; j++) {
            operands[j] = node->src[j] != nullptr ? *next_++ : -1;
        }
        return ~*next_++;
    }

  private:
    const int * next_;
};

} // namespace

bool GraphPlanner::make_plan(const BufferTypes & types, const ggml_cgraph & graph, const int * node_buffer_ids,
                             const int * leaf_buffer_ids, TensorNumbering & numbering, GraphPlan & plan) {
    const Request request = {&types, &graph, &numbering, &plan};
    plan.valid = false;
    plan.n_nodes = graph.n_nodes;
    plan.n_leafs = graph.n_leafs;
    find_references(request, numbering);
    describe_tensors(request);

    allocators_.resize(types.bufts.size());
    for (OffsetAllocator & allocator : allocators_) {
        allocator.reset();
    }
    if (!place_early(request, node_buffer_ids, leaf_buffer_ids) || !place_nodes(request, node_buffer_ids)) {
        return false;
    }
    plan.sizes.resize(types.bufts.size());
    for (size_t i = 0; i < plan.sizes.size(); i++) {
        plan.sizes[i] = allocators_[i].peak();
    }
    plan.valid = true;
    return true;
}

void GraphPlanner::find_references(const Request & request, TensorNumbering & numbering) {
    const ggml_cgraph & graph = *request.graph;
    std::vector<int> & references = request.plan->references;
    numbering.clear();
    references.clear();
    lives_.clear();
    for (int i = 0; i < graph.n_leafs; i++) {
        references.push_back(numbering.number(graph.leafs[i]));
    }
    for (int i = 0; i < graph.n_nodes; i++) {
        ggml_tensor * node = graph.nodes[i];
        for (ggml_tensor * src : node->src) {
            if (src == nullptr) {
                continue;
            }
            const int number = numbering.number(src);
            references.push_back(number);
            lives_.resize(numbering.size());
            lives_[number].has_reader = true;
            lives_[numbering[number].root].last_use = i;
        }
        const int number = numbering.number(node);
        references.push_back(~number);
        lives_.resize(numbering.size());
        // An operation whose result is a view may write to its root.
        if (node->view_src != nullptr && node->op != GGML_OP_NONE) {
            lives_[numbering[number].root].last_use = i;
        }
    }
    lives_.resize(numbering.size());
}

void GraphPlanner::describe_tensors(const Request & request) {
    const TensorNumbering & numbering = *request.numbering;
    std::vector<TensorPlan> & tensors = request.plan->tensors;
    tensors.resize(numbering.size());
    for (size_t i = 0; i < tensors.size(); i++) {
        const ggml_tensor * tensor = numbering[i].tensor;
        tensors[i] = {0, 0, -1, numbering[i].root, tensor->flags, tensor->op, placement_of(tensor), -1, false};
        // Nodes that only order others (GGML_OP_NONE) have no result that anybody could want.
        const bool is_result = tensor->op != GGML_OP_NONE && !lives_[i].has_reader;
        if (is_result || (tensor->flags & GGML_TENSOR_FLAG_OUTPUT) != 0) {
            lives_[numbering[i].root].is_kept = true;
        }
    }
    for (int i = 0; i < request.graph->n_leafs; i++) {
        TensorPlan & leaf = tensors[request.plan->references[i]];
        leaf.is_permanent = (leaf.flags & GGML_TENSOR_FLAG_OUTPUT) != 0 && leaf.placement != Placement::View;
    }
}

bool GraphPlanner::place_early(const Request & request, const int * node_buffer_ids, const int * leaf_buffer_ids) {
    const ggml_cgraph & graph = *request.graph;
    References references(*request.plan);
    for (int i = 0; i < graph.n_leafs; i++) {
        if (!place(request, references.leaf(), buffer_id_of(leaf_buffer_ids, i))) {
            return false;
        }
    }
    for (int i = 0; i < graph.n_nodes; i++) {
        const ggml_tensor * node = graph.nodes[i];
        const int buffer_id = buffer_id_of(node_buffer_ids, i);
        int operands[GGML_MAX_SRC];
        const int number = references.node(node, operands);
        if ((node->flags & GGML_TENSOR_FLAG_INPUT) != 0 && !place(request, number, buffer_id)) {
            return false;
        }
        for (int j = 0; j < GGML_MAX_SRC; j++) {
            if (operands[j] >= 0 && (node->src[j]->flags & GGML_TENSOR_FLAG_INPUT) != 0 &&
                !place(request, operands[j], buffer_id)) {
                return false;
            }
        }
    }
    return true;
}

bool GraphPlanner::place_nodes(const Request & request, const int * node_buffer_ids) {
    const ggml_cgraph & graph = *request.graph;
    References references(*request.plan);
    for (int i = 0; i < graph.n_leafs; i++) {
        references.leaf();
    }
    for (int i = 0; i < graph.n_nodes; i++) {
        const int buffer_id = buffer_id_of(node_buffer_ids, i);
        int operands[GGML_MAX_SRC];
        const int number = references.node(graph.nodes[i], operands);
        for (const int operand : operands) {
            if (operand >= 0 && !place(request, operand, buffer_id)) {
                return false;
            }
        }
        if (!place_node(request, i, operands, number, buffer_id)) {
            return false;
        }
        release_operands(request, i, operands);
    }
    return true;
}

bool GraphPlanner::place(const Request & request, int number, int buffer_id) {
    const int root = (*request.numbering)[number].root;
    TensorPlan & planned = request.plan->tensors[root];
    Life & life = lives_[root];
    if (planned.placement != Placement::Own || life.is_placed) {
        return true;
    }
    size_t size = 0;
    if (!padded_size(request, root, buffer_id, &size)) {
        return false;
    }
    // A tensor without bytes may be anywhere.
    if (size != 0 && !allocators_[request.types->first[buffer_id]].allocate(size, &planned.offset)) {
        GGML_LOG_ERROR("ggml_gallocr: the graph needs more memory than a %s buffer can have; use smaller batches\n",
                       ggml_backend_buft_name(request.types->bufts[buffer_id]));
        return false;
    }
    planned.size = size;
    planned.buffer = buffer_id;
    life.is_placed = true;
    life.is_live = size != 0;
    return true;
}

bool GraphPlanner::place_node(const Request & request, int node_index, const int * operands, int number,
                              int buffer_id) {
    const bool needs_place = request.plan->tensors[number].placement == Placement::Own && !lives_[number].is_placed;
    if (needs_place && take_over_operand(request, node_index, operands, number, buffer_id)) {
        return true;
    }
    return place(request, number, buffer_id);
}

bool GraphPlanner::take_over_operand(const Request & request, int node_index, const int * operands, int number,
                                     int buffer_id) {
    const TensorNumbering & numbering = *request.numbering;
    TensorPlan & planned = request.plan->tensors[number];
    for (int j = 0; j < GGML_MAX_SRC; j++) {
        if (operands[j] < 0 || !can_work_in_place(request.graph->nodes[node_index], j)) {
            continue;
        }
        const int root = numbering[operands[j]].root;
        Life & life = lives_[root];
        if (!life.is_live || life.is_kept || life.last_use != node_index) {
            continue;
        }
        int n_readings = 0;
        for (int k = 0; k < GGML_MAX_SRC; k++) {
            n_readings += operands[k] >= 0 && numbering[operands[k]].root == root ? 1 : 0;
        }
        const TensorPlan & taken = request.plan->tensors[root];
        size_t size = 0;
        if (n_readings != 1 || taken.buffer != buffer_id || !padded_size(request, number, buffer_id, &size) ||
            size > taken.size) {
            continue;
        }
        if (size < taken.size) {
            OffsetAllocator & allocator = allocators_[request.types->first[buffer_id]];
            allocator.release(taken.offset + size, taken.size - size);
        }
        planned.offset = taken.offset;
        planned.size = size;
        planned.buffer = buffer_id;
        planned.in_place_of = static_cast<int8_t>(j);
        life.is_live = false;
        lives_[number].is_placed = true;
        lives_[number].is_live = true;
        return true;
    }
    return false;
}

void GraphPlanner::release_operands(const Request & request, int node_index, const int * operands) {
    for (int j = 0; j < GGML_MAX_SRC; j++) {
        if (operands[j] < 0) {
            continue;
        }
        const int root = (*request.numbering)[operands[j]].root;
        Life & life = lives_[root];
        if (life.is_live && !life.is_kept && life.last_use == node_index) {
            const TensorPlan & planned = request.plan->tensors[root];
            allocators_[request.types->first[planned.buffer]].release(planned.offset, planned.size);
            life.is_live = false;
        }
    }
}

bool GraphPlanner::padded_size(const Request & request, int number, int buffer_id, size_t * size) const {
    const ggml_tensor * tensor = (*request.numbering)[number].tensor;
    const BufferTypes & types = *request.types;
    if (buffer_id < 0 || buffer_id >= static_cast<int>(types.bufts.size())) {
        GGML_LOG_ERROR("ggml_gallocr: tensor %s has buffer id %d of %zu; give it one that exists\n", tensor->name,
                       buffer_id, types.bufts.size());
        return false;
    }
    ggml_backend_buffer_type_t buft = types.bufts[buffer_id];
    if (!align_up(ggml_backend_buft_get_alloc_size(buft, tensor), ggml_backend_buft_get_alignment(buft), size)) {
        GGML_LOG_ERROR("ggml_gallocr: tensor %s is too large for any buffer\n", tensor->name);
        return false;
    }
    return true;
}

} // namespace ggml_sched
