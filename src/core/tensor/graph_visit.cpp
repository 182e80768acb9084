#include "tensor/graph_visit.h"

#include <new>
#include <vector>

namespace ggml_sched::core {

namespace {

enum class Insertion { New, Known, Full };

// Fibonacci hashing of the address, without the bits that alignment makes equal.
size_t first_slot(const ggml_tensor * tensor, size_t mask) {
    const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(tensor)) / GGML_MEM_ALIGN;
    return static_cast<size_t>((address * 0x9e3779b97f4a7c15u) >> 32) & mask;
}

Insertion insert(ggml_hash_set & set, ggml_tensor * tensor) {
    const size_t mask = set.size - 1;
    size_t slot = first_slot(tensor, mask);
    for (size_t probes = 0; probes < set.size; probes++) {
        if (!set.keys[slot]) {
            set.keys[slot] = tensor;
            return Insertion::New;
        }
        if (set.keys[slot] == tensor) {
            return Insertion::Known;
        }
        slot = (slot + 1) & mask;
    }
    return Insertion::Full;
}

// A tensor whose sources before `next` have been visited.
struct Pending {
    ggml_tensor * tensor;
    int next;
};

Insertion enter(ggml_cgraph * cgraph, ggml_tensor * tensor) {
    if (tensor->op != GGML_OP_NONE) {
        tensor->flags |= GGML_TENSOR_FLAG_COMPUTE;
    }
    return insert(cgraph->visited_hash_set, tensor);
}

// Adds a tensor whose sources are all in the graph; false if it is full.
bool append(ggml_cgraph * cgraph, ggml_tensor * tensor) {
    const bool is_leaf = tensor->op == GGML_OP_NONE && (tensor->flags & GGML_TENSOR_FLAG_PARAM) == 0;
    int & count = is_leaf ? cgraph->n_leafs : cgraph->n_nodes;
    if (count >= cgraph->size) {
        return false;
    }
    if (tensor->name[0] == '\0') {
        ggml_format_name(tensor, is_leaf ? "leaf_%d" : "node_%d", count);
    }
    (is_leaf ? cgraph->leafs : cgraph->nodes)[count++] = tensor;
    return true;
}

bool visit(ggml_cgraph * cgraph, ggml_tensor * root) {
    const Insertion first = enter(cgraph, root);
    if (first != Insertion::New) {
        return first == Insertion::Known;
    }
    std::vector<Pending> stack{{root, 0}};
    while (!stack.empty()) {
        Pending & top = stack.back();
        while (top.next < GGML_MAX_SRC && !top.tensor->src[top.next]) {
            top.next++;
        }
        if (top.next == GGML_MAX_SRC) {
            if (!append(cgraph, top.tensor)) {
                return false;
            }
            stack.pop_back();
            continue;
        }
        ggml_tensor * source = top.tensor->src[top.next++];
        switch (enter(cgraph, source)) {
        case Insertion::New: stack.push_back({source, 0}); break;
        case Insertion::Known: break;
        case Insertion::Full: return false;
        }
    }
    return true;
}

} // namespace

bool visit_parents(ggml_cgraph * cgraph, ggml_tensor * tensor) {
    if (cgraph->visited_hash_set.size == 0) { // a view has no room
        return false;
    }
    try {
        return visit(cgraph, tensor);
    } catch (const std::bad_alloc &) {
        return false;
    }
}

} // namespace ggml_sched::core
