#include "alloc/graph_plan.h"
#include "arguments.h"
#include "ggml-alloc.h"

#include <memory>
#include <new>

using ggml_sched::BufferTypes;
using ggml_sched::given;
using ggml_sched::GraphPlan;
using ggml_sched::GraphPlanner;
using ggml_sched::is_power_of_two;
using ggml_sched::TensorNumbering;

struct ggml_gallocr {
    struct Memory {
        ggml_backend_buffer_t buffer = nullptr; // of the first of equal buffer types only
        char * base = nullptr;
    };

    BufferTypes types;
    std::vector<Memory> memory; // by buffer id
    GraphPlan plan;
    GraphPlan measured; // its memory is kept for the next measurement
    GraphPlanner planner;
    TensorNumbering numbering;

    ~ggml_gallocr() {
        for (const Memory & m : memory) {
            ggml_backend_buffer_free(m.buffer);
        }
    }
};

namespace {

// The buffers must exist even for graphs that put nothing there: views of empty tensors refer to them.
bool grow_buffers(ggml_gallocr & galloc) {
    for (size_t i = 0; i < galloc.memory.size(); i++) {
        ggml_gallocr::Memory & memory = galloc.memory[i];
        const size_t size = galloc.plan.sizes[i];
        if (!galloc.types.is_first(i) || (memory.buffer != nullptr && memory.buffer->size >= size)) {
            continue;
        }
        // First free, then allocate: there may not be room for both.
        ggml_backend_buffer_free(memory.buffer);
        memory.buffer = ggml_backend_buft_alloc_buffer(galloc.types.bufts[i], size);
        if (memory.buffer == nullptr) {
            GGML_LOG_ERROR(
                "ggml_gallocr: no %s buffer of %zu bytes for the graph; use smaller batches or place less on "
                "this device\n",
                ggml_backend_buft_name(galloc.types.bufts[i]), size);
            return false;
        }
        ggml_backend_buffer_set_usage(memory.buffer, GGML_BACKEND_BUFFER_USAGE_COMPUTE);
        memory.base = static_cast<char *>(ggml_backend_buffer_get_base(memory.buffer));
    }
    return true;
}

bool reserve(ggml_gallocr & galloc, const ggml_cgraph & graph, const int * node_buffer_ids,
             const int * leaf_buffer_ids) {
    try {
        if (galloc.planner.make_plan(galloc.types, graph, node_buffer_ids, leaf_buffer_ids, galloc.numbering,
                                     galloc.plan) &&
            grow_buffers(galloc)) {
            return true;
        }
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("ggml_gallocr: no host memory to plan a graph of %d nodes\n", graph.n_nodes);
    }
    galloc.plan.valid = false;
    return false;
}

bool init_tensor(ggml_tensor * tensor, ggml_backend_buffer_t buffer, void * data) {
    tensor->buffer = buffer;
    tensor->data = data;
    if (buffer->iface.init_tensor == nullptr || buffer->iface.init_tensor(buffer, tensor) == GGML_STATUS_SUCCESS) {
        return true;
    }
    tensor->buffer = nullptr;
    tensor->data = nullptr;
    GGML_LOG_ERROR("ggml_gallocr: the %s buffer refuses tensor %s\n", ggml_backend_buffer_name(buffer), tensor->name);
    return false;
}

// Places the tensors that galloc.numbering holds, which galloc.plan fits.
bool place_tensors(ggml_gallocr & galloc) {
    for (size_t i = 0; i < galloc.numbering.size(); i++) {
        ggml_tensor * tensor = galloc.numbering[i].tensor;
        if (tensor->buffer != nullptr) {
            continue;
        }
        if (const ggml_tensor * root = tensor->view_src; root != nullptr) {
            // Without a buffer, the root lives in memory of its context.
            void * data = root->data != nullptr ? static_cast<char *>(root->data) + tensor->view_offs : nullptr;
            if (root->buffer != nullptr && !init_tensor(tensor, root->buffer, data)) {
                return false;
            }
            continue;
        }
        if (tensor->data != nullptr) {
            continue;
        }
        const ggml_sched::TensorPlan & planned = galloc.plan.tensors[i];
        const ggml_gallocr::Memory & memory = galloc.memory[galloc.types.first[planned.buffer]];
        void * data = memory.base != nullptr ? memory.base + planned.offset : nullptr;
        if (!init_tensor(tensor, memory.buffer, data)) {
            return false;
        }
    }
    return true;
}

std::unique_ptr<ggml_gallocr> make_gallocr(ggml_backend_buffer_type_t * bufts, int n_bufs) {
    auto galloc = std::make_unique<ggml_gallocr>();
    galloc->memory.resize(n_bufs);
    for (int i = 0; i < n_bufs; i++) {
        if (!given(bufts[i], "ggml_gallocr_new_n", "bufts[i]")) {
            return nullptr;
        }
        if (!is_power_of_two(ggml_backend_buft_get_alignment(bufts[i]))) {
            GGML_LOG_ERROR("ggml_gallocr_new_n: the alignment of %s is no power of two\n",
                           ggml_backend_buft_name(bufts[i]));
            return nullptr;
        }
        int first = 0;
        while (bufts[first] != bufts[i]) {
            first++;
        }
        galloc->types.bufts.push_back(bufts[i]);
        galloc->types.first.push_back(first);
    }
    return galloc;
}

} // namespace

ggml_gallocr_t ggml_gallocr_new(ggml_backend_buffer_type_t buft) {
    return ggml_gallocr_new_n(&buft, 1);
}

ggml_gallocr_t ggml_gallocr_new_n(ggml_backend_buffer_type_t * bufts, int n_bufs) {
    if (!given(bufts, __func__, "bufts") || n_bufs <= 0) {
        GGML_LOG_ERROR("%s: no buffer types; give at least one\n", __func__);
        return nullptr;
    }
    try {
        return make_gallocr(bufts, n_bufs).release();
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("%s: out of host memory\n", __func__);
        return nullptr;
    }
}

void ggml_gallocr_free(ggml_gallocr_t galloc) {
    delete galloc;
}

bool ggml_gallocr_reserve(ggml_gallocr_t galloc, ggml_cgraph * graph) {
    return ggml_gallocr_reserve_n(galloc, graph, nullptr, nullptr);
}

bool ggml_gallocr_reserve_n(ggml_gallocr_t galloc, ggml_cgraph * graph, const int * node_buffer_ids,
                            const int * leaf_buffer_ids) {
    return given(galloc, __func__, "galloc") && given(graph, __func__, "graph") &&
           reserve(*galloc, *graph, node_buffer_ids, leaf_buffer_ids);
}

void ggml_gallocr_reserve_n_size(ggml_gallocr_t galloc, ggml_cgraph * graph, const int * node_buffer_ids,
                                 const int * leaf_buffer_ids, size_t * sizes) {
    if (!given(galloc, __func__, "galloc") || !given(graph, __func__, "graph") || !given(sizes, __func__, "sizes")) {
        return;
    }
    bool measured = false;
    try {
        measured = galloc->planner.make_plan(galloc->types, *graph, node_buffer_ids, leaf_buffer_ids, galloc->numbering,
                                             galloc->measured);
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("%s: no host memory to plan a graph of %d nodes\n", __func__, graph->n_nodes);
    }
    for (size_t i = 0; i < galloc->types.bufts.size(); i++) {
        sizes[i] = measured ? galloc->measured.sizes[i] : 0;
    }
}

bool ggml_gallocr_alloc_graph(ggml_gallocr_t galloc, ggml_cgraph * graph) {
    if (!given(galloc, __func__, "galloc") || !given(graph, __func__, "graph")) {
        return false;
    }
    bool fits = false;
    try {
        fits = ggml_sched::plan_fits(galloc->plan, galloc->types, *graph, galloc->numbering);
    } catch (const std::bad_alloc &) {
        GGML_LOG_ERROR("%s: no host memory for a graph of %d nodes\n", __func__, graph->n_nodes);
        return false;
    }
    // Which buffers a new plan would have to use is known only for a single one.
    if (!fits && (galloc->memory.size() != 1 || !reserve(*galloc, *graph, nullptr, nullptr))) {
        return false;
    }
    for (const ggml_gallocr::Memory & memory : galloc->memory) {
        if (memory.buffer != nullptr) {
            ggml_backend_buffer_reset(memory.buffer);
        }
    }
    return place_tensors(*galloc);
}

size_t ggml_gallocr_get_buffer_size(ggml_gallocr_t galloc, int buffer_id) {
    if (!given(galloc, __func__, "galloc")) {
        return 0;
    }
    if (buffer_id < 0 || buffer_id >= static_cast<int>(galloc->memory.size())) {
        GGML_LOG_ERROR("%s: buffer id %d of %zu\n", __func__, buffer_id, galloc->memory.size());
        return 0;
    }
    const ggml_backend_buffer_t buffer = galloc->memory[buffer_id].buffer;
    return buffer != nullptr ? buffer->size : 0;
}
