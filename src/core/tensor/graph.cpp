#include "checked.h"
#include "ggml-impl.h"
#include "tensor/context.h"
#include "tensor/graph_visit.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstring>
#include <new>

namespace {

using namespace ggml_sched;

// A graph and its arrays, which follow it in this order in one object of the context.
struct GraphMemory {
    size_t nodes;
    size_t leafs;
    size_t keys;
    size_t total;
    size_t n_keys;
};

constexpr size_t pointer_size = sizeof(void *);

// More keys than nodes and leafs together, so that a complete graph always leaves a free slot to stop at.
size_t keys_for(size_t size) {
    size_t n_keys = 2;
    while (n_keys <= 2 * size) {
        n_keys *= 2;
    }
    return n_keys;
}

// False if size does not fit a graph.
bool plan_memory(size_t size, GraphMemory & memory) {
    if (size > INT_MAX) {
        return false;
    }
    memory.n_keys = keys_for(size);
    memory.nodes = GGML_PAD(sizeof(ggml_cgraph), pointer_size);
    size_t tail = 0;
    return core::checked_mul(size, pointer_size, tail) && core::checked_add(memory.nodes, tail, memory.leafs) &&
           core::checked_add(memory.leafs, tail, memory.keys) && core::checked_mul(memory.n_keys, pointer_size, tail) &&
           core::checked_add(memory.keys, tail, memory.total);
}

bool graph_given(const char * function, const ggml_cgraph * cgraph) {
    if (!cgraph) {
        GGML_LOG_ERROR("%s: the graph is NULL; create one with ggml_new_graph\n", function);
    }
    return cgraph != nullptr;
}

} // namespace

extern "C" {

size_t ggml_graph_overhead(void) {
    return ggml_graph_overhead_custom(GGML_DEFAULT_GRAPH_SIZE, false);
}

size_t ggml_graph_overhead_custom(size_t size, bool grads) {
    (void) grads;
    GraphMemory memory;
    return plan_memory(size, memory) ? core::object_footprint(memory.total) : SIZE_MAX;
}

struct ggml_cgraph * ggml_new_graph(struct ggml_context * ctx) {
    return ggml_new_graph_custom(ctx, GGML_DEFAULT_GRAPH_SIZE, false);
}

struct ggml_cgraph * ggml_new_graph_custom(struct ggml_context * ctx, size_t size, bool grads) {
    GraphMemory memory;
    if (!ctx || grads || !plan_memory(size, memory)) {
        GGML_LOG_ERROR("ggml_new_graph_custom: %zu nodes; pass a context, at most %d nodes, and false for grads\n",
                       size, INT_MAX);
        return nullptr;
    }
    auto * bytes = static_cast<char *>(core::new_graph_memory(ctx, memory.total));
    if (!bytes) {
        return nullptr;
    }
    auto * cgraph = new (bytes) ggml_cgraph{};
    cgraph->size = static_cast<int>(size);
    cgraph->nodes = reinterpret_cast<ggml_tensor **>(bytes + memory.nodes);
    cgraph->leafs = reinterpret_cast<ggml_tensor **>(bytes + memory.leafs);
    cgraph->visited_hash_set = {memory.n_keys, reinterpret_cast<ggml_tensor **>(bytes + memory.keys)};
    return cgraph;
}

void ggml_build_forward_expand(struct ggml_cgraph * cgraph, struct ggml_tensor * tensor) {
    if (!graph_given("ggml_build_forward_expand", cgraph)) {
        return;
    }
    cgraph->uid = 0;
    if (!tensor) {
        GGML_LOG_ERROR(
            "ggml_build_forward_expand: the tensor is NULL, an earlier call failed; the graph is unusable\n");
        cgraph->overflow = true;
    } else if (!cgraph->overflow && !core::visit_parents(cgraph, tensor)) {
        GGML_LOG_ERROR("ggml_build_forward_expand: a graph of %d nodes is too small or memory ran out; create a larger "
                       "one with ggml_new_graph_custom\n",
                       cgraph->size);
        cgraph->overflow = true;
    }
}

void ggml_graph_add_node(struct ggml_cgraph * cgraph, struct ggml_tensor * tensor) {
    if (!graph_given("ggml_graph_add_node", cgraph)) {
        return;
    }
    cgraph->uid = 0;
    if (!tensor || cgraph->n_nodes >= cgraph->size) {
        GGML_LOG_ERROR("ggml_graph_add_node: the tensor is NULL, or the graph of %d nodes is full; create a larger one "
                       "with ggml_new_graph_custom\n",
                       cgraph->size);
        cgraph->overflow = true;
        return;
    }
    cgraph->nodes[cgraph->n_nodes++] = tensor;
}

int ggml_graph_size(struct ggml_cgraph * cgraph) {
    return cgraph ? cgraph->size : 0;
}

struct ggml_tensor * ggml_graph_node(struct ggml_cgraph * cgraph, int i) {
    if (!cgraph) {
        return nullptr;
    }
    const int index = i < 0 ? cgraph->n_nodes + i : i;
    return index >= 0 && index < cgraph->n_nodes ? cgraph->nodes[index] : nullptr;
}

struct ggml_tensor ** ggml_graph_nodes(struct ggml_cgraph * cgraph) {
    return cgraph ? cgraph->nodes : nullptr;
}

int ggml_graph_n_nodes(struct ggml_cgraph * cgraph) {
    return cgraph ? cgraph->n_nodes : 0;
}

struct ggml_tensor * ggml_graph_get_tensor(const struct ggml_cgraph * cgraph, const char * name) {
    if (!cgraph || !name) {
        return nullptr;
    }
    for (int i = 0; i < cgraph->n_leafs; i++) {
        if (std::strcmp(cgraph->leafs[i]->name, name) == 0) {
            return cgraph->leafs[i];
        }
    }
    for (int i = 0; i < cgraph->n_nodes; i++) {
        if (std::strcmp(cgraph->nodes[i]->name, name) == 0) {
            return cgraph->nodes[i];
        }
    }
    return nullptr;
}

void ggml_graph_clear(struct ggml_cgraph * cgraph) {
    if (!graph_given("ggml_graph_clear", cgraph)) {
        return;
    }
    cgraph->n_nodes = 0;
    cgraph->n_leafs = 0;
    cgraph->overflow = false;
    cgraph->uid = 0;
    const ggml_hash_set & visited = cgraph->visited_hash_set;
    std::fill_n(visited.keys, visited.size, nullptr);
}

void ggml_graph_print(const struct ggml_cgraph * cgraph) {
    if (!graph_given("ggml_graph_print", cgraph)) {
        return;
    }
    GGML_LOG_INFO("graph: %d nodes, %d leafs\n", cgraph->n_nodes, cgraph->n_leafs);
    const auto print = [](const char * kind, int i, const ggml_tensor * t) {
        GGML_LOG_INFO("%s %4d: %-10s %-5s [%lld, %lld, %lld, %lld] %s\n", kind, i, ggml_op_desc(t),
                      ggml_type_name(t->type), (long long) t->ne[0], (long long) t->ne[1], (long long) t->ne[2],
                      (long long) t->ne[3], t->name);
    };
    for (int i = 0; i < cgraph->n_nodes; i++) {
        print("node", i, cgraph->nodes[i]);
    }
    for (int i = 0; i < cgraph->n_leafs; i++) {
        print("leaf", i, cgraph->leafs[i]);
    }
}

struct ggml_cgraph ggml_graph_view(struct ggml_cgraph * cgraph, int i0, int i1) {
    ggml_cgraph view{};
    if (!graph_given("ggml_graph_view", cgraph)) {
        return view;
    }
    view.overflow = cgraph->overflow;
    if (i0 < 0 || i1 < i0 || i1 > cgraph->n_nodes) {
        GGML_LOG_ERROR("ggml_graph_view: nodes [%d, %d) of a graph with %d; choose a range inside\n", i0, i1,
                       cgraph->n_nodes);
        return view;
    }
    view.nodes = cgraph->nodes + i0;
    view.n_nodes = i1 - i0;
    return view;
}

uint64_t ggml_graph_next_uid(void) {
    static std::atomic<uint64_t> last{0};
    return ++last;
}

} // extern "C"
