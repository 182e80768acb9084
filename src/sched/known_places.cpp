#include "known_places.h"

#include <algorithm>

#include "host/execute.h"

namespace ggml_sched {

namespace {

bool have_same_layout(const ggml_tensor * a, const ggml_tensor * b) {
    return a->type == b->type && std::equal(a->ne, a->ne + GGML_MAX_DIMS, b->ne) &&
           std::equal(a->nb, a->nb + GGML_MAX_DIMS, b->nb);
}

size_t size_in(ggml_backend_buffer_t buffer, const ggml_tensor * tensor) {
    return ggml_backend_buft_get_alloc_size(host::buft_of(buffer), tensor);
}

} // namespace

bool KnownPlaces::Place::has_room_for(const ggml_tensor * tensor) const {
    return size_in(buffer, tensor) <= size;
}

bool KnownPlaces::fits(const GraphView & graph, const Slots & slots) const {
    for (size_t i = 0; i < tensors_.size(); i++) {
        if (!places_[i].has_room_for(graph.tensor(tensors_[i]))) {
            return false;
        }
    }
    for (size_t i = 0; i < copies_.size(); i++) {
        if (!slots_[i].has_room_for(slots.of(copies_[i]))) {
            return false;
        }
    }
    return std::all_of(in_place_.begin(), in_place_.end(), [&](const InPlace & pair) {
        const ggml_tensor * node = graph.tensor(pair.node);
        const ggml_tensor * operand = node->src[pair.slot];
        return have_same_layout(node, operand) && (!operand->view_src || operand->view_offs == 0);
    });
}

bool KnownPlaces::place(const GraphView & graph, const Slots & slots) {
    taken_from_ = graph.version();
    bool ok = true;
    for (size_t i = 0; i < copies_.size(); i++) {
        ok = ok && host::place(slots.of(copies_[i]), slots_[i].buffer, slots_[i].data) == GGML_STATUS_SUCCESS;
    }
    for (size_t i = 0; i < tensors_.size(); i++) {
        ok = ok && host::place(graph.tensor(tensors_[i]), places_[i].buffer, places_[i].data) == GGML_STATUS_SUCCESS;
    }
    for (const TensorId view : views_) { // when all that they view is placed
        ggml_tensor * tensor = graph.tensor(view);
        const ggml_tensor * root = tensor->view_src;
        if (!tensor->buffer && root->data) {
            void * data = static_cast<char *>(root->data) + tensor->view_offs;
            ok = ok && host::place(tensor, root->buffer, data) == GGML_STATUS_SUCCESS;
        }
    }
    return ok;
}

void KnownPlaces::take(const Key & key, const GraphView & graph, const Splits & splits, const Slots & slots) {
    have_moved_ = !is_taken_ || !(key_ == key);
    is_taken_ = false;
    if (have_moved_) {
        take_tensors(graph);
        take_copies(splits);
        places_.assign(tensors_.size(), Place{});
        slots_.assign(copies_.size(), Place{});
    }
    for (size_t i = 0; i < tensors_.size(); i++) {
        note(graph.tensor(tensors_[i]), places_[i]);
    }
    for (size_t i = 0; i < copies_.size(); i++) {
        note(slots.of(copies_[i]), slots_[i]);
    }
    take_in_place(graph);
    version_ += have_moved_;
    key_ = key;
    taken_from_ = graph.version();
    const auto is_known = [](const Place & place) { return place.is_known(); };
    is_complete_ =
        std::all_of(places_.begin(), places_.end(), is_known) && std::all_of(slots_.begin(), slots_.end(), is_known);
    is_taken_ = true;
}

void KnownPlaces::note(const ggml_tensor * tensor, Place & place) {
    Place now = {tensor->buffer, tensor->data, 0};
    now.size = now.is_known() ? size_in(now.buffer, tensor) : 0;
    if (now.buffer == place.buffer && now.data == place.data) {
        now.size = std::max(now.size, place.size);
    } else {
        have_moved_ = true;
    }
    place = now;
}

void KnownPlaces::take_tensors(const GraphView & graph) {
    tensors_.clear();
    views_.clear();
    for (TensorId id = 0; id < graph.n_tensors(); id++) {
        if (graph.view_source(id) != kNoTensor) {
            views_.push_back(id);
        } else if (!graph.content(id).has_place()) {
            tensors_.push_back(id);
        }
    }
}

// Streamed copies have memory of their own.
void KnownPlaces::take_copies(const Splits & splits) {
    copies_.clear();
    for (uint32_t copy = 0; copy < splits.copies.size(); copy++) {
        if (!splits.copies[copy].streamed) {
            copies_.push_back(copy);
        }
    }
}

void KnownPlaces::take_in_place(const GraphView & graph) {
    in_place_.clear();
    for (const GraphNode & node : graph.nodes()) {
        const ggml_tensor * tensor = graph.tensor(node.tensor);
        if (tensor->view_src) {
            continue;
        }
        for (const Operand * op = graph.operands_begin(node); op != graph.operands_end(node); ++op) {
            const ggml_tensor * operand = tensor->src[op->slot];
            const ggml_tensor * root = operand->view_src ? operand->view_src : operand;
            if (root->buffer == tensor->buffer && root->data == tensor->data) {
                in_place_.push_back({node.tensor, op->slot});
            }
        }
    }
}

} // namespace ggml_sched
