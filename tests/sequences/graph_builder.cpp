#include "graph_builder.h"

#include <algorithm>

namespace sequences {

GraphBuilder::GraphBuilder(Tensors & tensors, const std::vector<Graph> & graphs, int slot, ggml_context * context)
    : tensors_(tensors)
    , graphs_(graphs)
    , slot_(slot)
    , context_(context)
    , first_id_(tensors.size()) {}

Graph GraphBuilder::build(const GraphSpec & spec, std::map<int, int> & places) {
    is_visited_.assign(static_cast<size_t>(tensors_.size()) + kMaxTensors, false);
    is_result_ = is_visited_;
    graph_.real = ggml_new_graph_custom(context_, 2 * kMaxTensors, false);
    for (const int place : spec.inputs) {
        add_leaf(true, "input");
        if (place != kByScheduler) {
            places[graph_.values.back()] = place;
        }
    }
    if (spec.has_plain_leaf) {
        add_leaf(false, "leaf");
    }
    add_shares(spec.shares);
    if (graph_.values.empty()) {
        add_leaf(true, "input");
    }
    for (const NodeSpec & node : spec.nodes) {
        add_node(node);
    }
    if (graph_.nodes.empty()) {
        add_node({});
    }
    const bool reads_results = std::find(is_result_.begin(), is_result_.end(), true) != is_result_.end();
    // A graph that is expanded flags its nodes to be computed, but takes what its nodes are computed from as nodes,
    // too.
    ggml_cgraph * expanded = reads_results ? ggml_new_graph_custom(context_, 2 * kMaxTensors, false) : graph_.real;
    for (const int node : graph_.nodes) {
        ggml_build_forward_expand(expanded, real(node));
        if (reads_results) {
            ggml_graph_add_node(graph_.real, real(node));
        }
    }
    find_leafs();
    graph_.is_built = true;
    return std::move(graph_);
}

int GraphBuilder::add(Tensor tensor, ggml_tensor * real, const char * name) {
    tensor.slot = slot_;
    tensor.real = real;
    const int id = tensors_.add(std::move(tensor));
    ggml_format_name(real, "g%d_%s%d", slot_, name, id - first_id_);
    if (tensors_[id].kind != Tensor::Kind::View && !tensors_[id].writes_root) {
        tensors_[id].root = id;
    }
    return id;
}

void GraphBuilder::add_leaf(bool is_input, const char * name) {
    ggml_tensor * leaf = ggml_new_tensor_2d(context_, GGML_TYPE_F32, kWidth, kRows);
    Tensor tensor;
    tensor.input = is_input;
    if (is_input) {
        ggml_set_input(leaf);
    }
    graph_.values.push_back(add(std::move(tensor), leaf, name));
}

void GraphBuilder::add_shares(const std::vector<ShareSpec> & shares) {
    for (const ShareSpec & each : shares) {
        if (graphs_[static_cast<size_t>(each.slot % kSlots)].is_built && each.slot % kSlots != slot_) {
            share(each);
        }
    }
}

void GraphBuilder::share(const ShareSpec & share) {
    const Graph & other = graphs_[static_cast<size_t>(share.slot % kSlots)];
    std::vector<int> candidates;
    for (const int id : other.values) {
        if (!tensors_[id].is_alive) {
            continue;
        }
        const bool is_leaf = tensors_[id].kind == Tensor::Kind::Leaf;
        const bool is_plain = tensors_[id].kind == Tensor::Kind::Compute && tensors_[id].root == id;
        if (share.kind == Share::Leaf ? is_leaf : share.kind == Share::Result ? is_plain : !is_leaf) {
            candidates.push_back(id);
        }
    }
    if (candidates.empty()) {
        return;
    }
    const int chosen = candidates[static_cast<size_t>(share.value) % candidates.size()];
    if (share.kind == Share::AllNodes) {
        std::for_each(candidates.begin(), candidates.end(), [this](int id) { visit_or_drop(id); });
    } else if (share.kind == Share::Node) {
        visit_or_drop(chosen);
    } else if (!is_visited_[static_cast<size_t>(chosen)]) {
        is_result_[static_cast<size_t>(chosen)] = share.kind == Share::Result;
        is_visited_[static_cast<size_t>(chosen)] = true;
        graph_.values.push_back(chosen);
    }
}

void GraphBuilder::visit_or_drop(int id) {
    const auto visited = is_visited_;
    const auto version = version_;
    const auto seen = seen_;
    const auto latest = latest_;
    const size_t n_nodes = graph_.nodes.size();
    if (graph_.nodes.size() < kMaxTensors / 2 && visit(id)) {
        graph_.values.push_back(id);
        return;
    }
    is_visited_ = visited;
    version_ = version;
    seen_ = seen;
    latest_ = latest;
    graph_.nodes.resize(n_nodes);
}

bool GraphBuilder::visit(int id) {
    const Tensor & tensor = tensors_[id];
    if (!tensor.is_alive) {
        return false;
    }
    if (is_visited_[static_cast<size_t>(id)]) {
        return true;
    }
    is_visited_[static_cast<size_t>(id)] = true;
    for (const int src : tensor.src) {
        if (!visit(src)) {
            return false;
        }
    }
    // A tensor whose memory a later node has overwritten is not read: its copies on devices may be older.
    for (const int src : tensor.src) {
        const int root = tensors_[src].root;
        if (tensors_[src].kind != Tensor::Kind::Leaf && seen_[src] != version_[root]) {
            return false;
        }
    }
    if (tensor.writes_root) {
        if (is_result_[static_cast<size_t>(tensor.root)]) {
            return false;
        }
        latest_[tensor.root] = id;
        version_[tensor.root]++;
    }
    seen_[id] = version_[tensor.root];
    if (tensor.kind != Tensor::Kind::Leaf) {
        graph_.nodes.push_back(id);
    }
    return true;
}

int GraphBuilder::operand(int number) const {
    const int id = graph_.values[static_cast<size_t>(number) % graph_.values.size()];
    const auto latest = latest_.find(tensors_[id].root);
    return latest == latest_.end() ? id : latest->second;
}

bool GraphBuilder::can_change_in_place(int id) const {
    const int root = tensors_[id].root;
    return root >= first_id_ && tensors_[root].kind == Tensor::Kind::Compute;
}

int GraphBuilder::compute(Op op, std::vector<int> src, int extra) {
    ggml_tensor * a = real(src[0]);
    ggml_tensor * made = nullptr;
    switch (op) {
    case Op::Add: made = ggml_add(context_, a, real(src[1])); break;
    case Op::MatMul: made = ggml_mul_mat(context_, a, real(src[1])); break;
    case Op::Rows: made = ggml_get_rows(context_, a, real(src[1])); break;
    case Op::Cont: made = ggml_cont(context_, a); break;
    default: made = ggml_scale(context_, a, extra < 0 ? kStoreFactor : factor_of(extra)); break;
    }
    Tensor tensor;
    tensor.kind = Tensor::Kind::Compute;
    tensor.op = op;
    tensor.src = std::move(src);
    tensor.extra = extra;
    return add(std::move(tensor), made, name_of(op));
}

// A node that writes into what is there: in place, or a copy into a cache
int GraphBuilder::write(Op op, std::vector<int> src, int extra, int root, size_t offset) {
    ggml_tensor * a = real(src[0]);
    ggml_tensor * made = nullptr;
    switch (op) {
    case Op::AddInPlace: made = ggml_add_inplace(context_, a, real(src[1])); break;
    case Op::ScaleInPlace: made = ggml_scale_inplace(context_, a, factor_of(extra)); break;
    default: made = ggml_cpy(context_, a, real(src[1])); break;
    }
    Tensor tensor;
    tensor.kind = Tensor::Kind::Compute;
    tensor.op = op;
    tensor.src = std::move(src);
    tensor.extra = extra;
    tensor.root = root;
    tensor.offset = offset;
    tensor.writes_root = true;
    return add(std::move(tensor), made, name_of(op));
}

int GraphBuilder::view(int of, size_t offset) {
    ggml_tensor * whole = real(of);
    Tensor tensor;
    tensor.kind = Tensor::Kind::View;
    tensor.op = Op::View;
    tensor.src = {of};
    tensor.root = tensors_[of].root;
    tensor.offset = tensors_[of].offset + offset;
    return add(std::move(tensor), ggml_view_2d(context_, whole, kWidth, kRows, whole->nb[1], offset * sizeof(float)),
               "view");
}

int GraphBuilder::view_of_cache(int extra) {
    const auto n = static_cast<size_t>(extra);
    return view(tensors_.caches[n % kCaches], n / kCaches % kCacheParts * kSize);
}

int GraphBuilder::ids() {
    if (ids_ < 0) {
        ggml_tensor * made = ggml_new_tensor_1d(context_, GGML_TYPE_I32, kRows);
        Tensor tensor;
        tensor.input = tensor.is_ids = true;
        ggml_set_input(made);
        ids_ = add(std::move(tensor), made, "ids");
    }
    return ids_;
}

void GraphBuilder::add_node(const NodeSpec & spec) {
    if (graph_.nodes.size() > kMaxTensors / 2) {
        return;
    }
    const int a = operand(spec.a);
    const int b = operand(spec.b);
    const bool in_place = spec.op == Op::AddInPlace || spec.op == Op::ScaleInPlace;
    int id = -1;
    if (in_place && can_change_in_place(a) && (spec.op == Op::ScaleInPlace || tensors_[a].root != tensors_[b].root)) {
        id = spec.op == Op::AddInPlace ? write(spec.op, {a, b}, 0, tensors_[a].root, tensors_[a].offset)
                                       : write(spec.op, {a}, spec.extra, tensors_[a].root, tensors_[a].offset);
    } else if (spec.op == Op::Add || spec.op == Op::AddInPlace) {
        id = compute(Op::Add, {a, b}, 0);
    } else if (spec.op == Op::MatMul) {
        id = compute(Op::MatMul, {tensors_.weights[static_cast<size_t>(spec.extra) % kWeights], a}, 0);
    } else if (spec.op == Op::View) {
        id = view(a, 0);
    } else if (spec.op == Op::Load) {
        id = compute(Op::Add, {a, view_of_cache(spec.extra)}, 0);
    } else if (spec.op == Op::Rows) {
        const int cache = tensors_.caches[static_cast<size_t>(spec.extra) % kCaches];
        id = compute(Op::Add, {a, compute(Op::Rows, {cache, ids()}, 0)}, 0);
    } else if (spec.op == Op::Store) {
        const int small = compute(Op::Scale, {a}, -1);
        const int part = view_of_cache(spec.extra);
        id = write(Op::Store, {small, part}, 0, tensors_[part].root, tensors_[part].offset);
    } else {
        id = compute(spec.op == Op::Cont ? Op::Cont : Op::Scale, {a}, spec.extra);
    }
    Tensor & made = tensors_[id];
    made.output = spec.output;
    made.input = spec.input && made.kind == Tensor::Kind::Compute && !made.writes_root;
    if (made.output) {
        ggml_set_output(made.real);
    }
    if (made.input) {
        made.real->flags |= GGML_TENSOR_FLAG_INPUT; // ggml_set_input takes no results everywhere
    }
    visit_or_drop(id);
}

void GraphBuilder::find_leafs() {
    const auto is_node = [this](int id) {
        return std::find(graph_.nodes.begin(), graph_.nodes.end(), id) != graph_.nodes.end();
    };
    for (const int node : graph_.nodes) {
        for (const int src : tensors_[node].src) {
            const int root = tensors_[src].root;
            std::vector<int> & list = tensors_[root].kind == Tensor::Kind::Leaf ? graph_.leafs : graph_.results;
            if (!is_node(root) && std::find(list.begin(), list.end(), root) == list.end()) {
                list.push_back(root);
            }
        }
    }
}

} // namespace sequences
