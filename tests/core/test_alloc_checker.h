// test_alloc_checker.h - checks an allocated graph by running it on marks instead of numbers.
//
// Every byte of memory carries the mark of the tensor that wrote it last. Nodes in graph order read their operands'
// bytes, which must still carry the operands' marks, and mark their own. It knows nothing of how the allocator decides.
// Threading: one thread at a time.

#pragma once

#include "test_backend_fakes.h"

#include <map>
#include <random>
#include <set>

namespace alloc_check {

inline const ggml_tensor * root_of(const ggml_tensor * t) {
    return t->view_src != nullptr ? t->view_src : t;
}

class Checker {
  public:
    // The first problem found, or "".
    std::string check(const ggml_cgraph * graph) {
        mark_what_is_there_before(graph);
        for (int i = 0; i < graph->n_nodes && problem_.empty(); i++) {
            run(graph->nodes[i]);
        }
        for (int i = 0; i < graph->n_nodes && problem_.empty(); i++) {
            const ggml_tensor * node = graph->nodes[i];
            if ((node->flags & GGML_TENSOR_FLAG_OUTPUT) != 0 || (!read_.count(node) && node->op != GGML_OP_NONE)) {
                expect_intact(node, "a result");
            }
        }
        for (int i = 0; i < graph->n_leafs && problem_.empty(); i++) {
            if ((graph->leafs[i]->flags & GGML_TENSOR_FLAG_OUTPUT) != 0) {
                expect_intact(graph->leafs[i], "an output leaf");
            }
        }
        return problem_;
    }

  private:
    static uintptr_t begin(const ggml_tensor * t) { return reinterpret_cast<uintptr_t>(t->data); }
    static uintptr_t end(const ggml_tensor * t) { return begin(t) + ggml_nbytes(t); }

    void mark_what_is_there_before(const ggml_cgraph * graph) {
        std::set<const ggml_tensor *> nodes;
        for (int i = 0; i < graph->n_nodes; i++) {
            if (graph->nodes[i]->op != GGML_OP_NONE) {
                nodes.insert(graph->nodes[i]);
            }
        }
        std::set<const ggml_tensor *> early;
        const auto add = [&](const ggml_tensor * t) {
            const ggml_tensor * root = root_of(t);
            if (nodes.count(root) == 0 || (root->flags & GGML_TENSOR_FLAG_INPUT) != 0) {
                early.insert(root);
            }
        };
        for (int i = 0; i < graph->n_leafs; i++) {
            add(graph->leafs[i]);
        }
        for (int i = 0; i < graph->n_nodes; i++) {
            add(graph->nodes[i]);
            for (const ggml_tensor * src : graph->nodes[i]->src) {
                if (src != nullptr) {
                    add(src);
                }
            }
        }
        for (const ggml_tensor * t : early) {
            write(t);
        }
        for (const ggml_tensor * t : early) {
            expect_intact(t, "at the beginning");
        }
    }

    void run(const ggml_tensor * node) {
        for (const ggml_tensor * src : node->src) {
            if (src != nullptr) {
                read_.insert(src);
                expect_intact(src, node->name);
                expect_no_alias(node, src);
            }
        }
        if (node->view_src == nullptr && node->op != GGML_OP_NONE) {
            write(node);
        } else if (node->view_src != nullptr) {
            expect_inside_root(node);
        }
    }

    // A node may share bytes with an operand only where it does its work element by element in the same place.
    void expect_no_alias(const ggml_tensor * node, const ggml_tensor * src) {
        const bool is_view = node->view_src != nullptr || node->op == GGML_OP_NONE;
        if (is_view || end(node) <= begin(src) || end(src) <= begin(node)) {
            return;
        }
        static const std::set<ggml_op> in_place = {GGML_OP_ADD,      GGML_OP_MUL,   GGML_OP_DIV,  GGML_OP_SCALE,
                                                   GGML_OP_RMS_NORM, GGML_OP_UNARY, GGML_OP_ROPE, GGML_OP_SOFT_MAX};
        const bool same = begin(node) == begin(src) && node->type == src->type && ggml_are_same_shape(node, src) &&
                          ggml_are_same_stride(node, src);
        if (!same || in_place.count(node->op) == 0) {
            fail(std::string(node->name) + " overlaps its operand " + src->name);
        }
        n_in_place++;
    }

    void expect_inside_root(const ggml_tensor * view) {
        const ggml_tensor * root = view->view_src;
        if (view->data != static_cast<char *>(root->data) + view->view_offs || view->buffer != root->buffer) {
            fail(std::string(view->name) + " does not lie in its root");
        }
    }

    void write(const ggml_tensor * t) {
        expect_in_buffer(t);
        const uintptr_t alignment = ggml_backend_buffer_get_alignment(t->buffer);
        if (begin(t) % alignment != 0) {
            fail(std::string(t->name) + " is not aligned");
        }
        for (uintptr_t byte = begin(t); byte < end(t); byte++) {
            marks_[byte] = t;
        }
    }

    void expect_in_buffer(const ggml_tensor * t) {
        if (t->buffer == nullptr || t->data == nullptr) {
            fail(std::string(t->name) + " has no place");
            return;
        }
        const auto base = reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(t->buffer));
        const size_t size = ggml_backend_buffer_get_alloc_size(t->buffer, t);
        if (begin(t) < base || begin(t) + size > base + ggml_backend_buffer_get_size(t->buffer)) {
            fail(std::string(t->name) + " lies outside of its buffer");
        }
    }

    void expect_intact(const ggml_tensor * t, const std::string & reader) {
        const ggml_tensor * root = root_of(t);
        for (uintptr_t byte = begin(root); byte < end(root) && problem_.empty(); byte++) {
            const auto mark = marks_.find(byte);
            if (mark == marks_.end() || mark->second != root) {
                fail(std::string(t->name) + " was overwritten by " +
                     (mark == marks_.end() ? "nobody: it was never written" : mark->second->name) + " when read by " +
                     reader);
            }
        }
    }

    void fail(const std::string & problem) {
        if (problem_.empty()) {
            problem_ = problem;
        }
    }

    std::map<uintptr_t, const ggml_tensor *> marks_;
    std::set<const ggml_tensor *> read_;
    std::string problem_;

  public:
    int n_in_place = 0; // nodes that took over an operand's memory
};

// A random graph of all kinds of operations that matter to an allocator.
class RandomGraph {
  public:
    RandomGraph(uint64_t seed, int n_operations)
        : random_(seed)
        , ctx_(fakes::make_context(6 * n_operations + 64, 4 * n_operations + 64)) {
        const fakes::LogCapture refusals;
        graph = ggml_new_graph_custom(ctx_.get(), 4 * n_operations + 64, false);
        for (int i = 0; i < 6; i++) {
            ggml_tensor * leaf = ggml_new_tensor_2d(ctx_.get(), GGML_TYPE_F32, 4, pick(1, 3));
            ggml_format_name(leaf, "leaf%d", i);
            if (chance(60)) {
                ggml_set_input(leaf);
            }
            if (chance(15)) {
                ggml_set_output(leaf);
            }
            pool_.push_back(leaf);
        }
        for (int i = 0; i < n_operations; i++) {
            ggml_tensor * t = nullptr;
            while (t == nullptr) {
                t = operation(); // some combinations of layouts are refused
            }
            ggml_format_name(t, "op%d", i);
            if (chance(5)) {
                ggml_set_output(t);
            }
            if (chance(3)) {
                ggml_set_input(t);
            }
            pool_.push_back(t);
            if (chance(15)) {
                ggml_build_forward_expand(graph, t);
            }
        }
        ggml_build_forward_expand(graph, pool_.back());
        for (int i = 0; i < graph->n_nodes; i++) {
            node_ids.push_back(pick(0, 3));
        }
        for (int i = 0; i < graph->n_leafs; i++) {
            leaf_ids.push_back(pick(0, 3));
        }
    }

    // The places of all tensors, relative to their buffers
    std::vector<size_t> offsets() const {
        std::vector<size_t> result;
        for (const ggml_tensor * t = ggml_get_first_tensor(ctx_.get()); t != nullptr;
             t = ggml_get_next_tensor(ctx_.get(), const_cast<ggml_tensor *>(t))) {
            result.push_back(t->buffer == nullptr ? SIZE_MAX
                                                  : static_cast<char *>(t->data) -
                                                        static_cast<char *>(ggml_backend_buffer_get_base(t->buffer)));
        }
        return result;
    }

    void forget_places() {
        for (ggml_tensor * t = ggml_get_first_tensor(ctx_.get()); t != nullptr;
             t = ggml_get_next_tensor(ctx_.get(), t)) {
            t->buffer = nullptr;
            t->data = nullptr;
        }
    }

    ggml_cgraph * graph = nullptr;
    std::vector<int> node_ids;
    std::vector<int> leaf_ids;

  private:
    int pick(int low, int high) { return low + static_cast<int>(random_() % static_cast<uint64_t>(high - low + 1)); }
    bool chance(int percent) { return pick(0, 99) < percent; }
    ggml_tensor * any() {
        // Mostly recent ones, so that lifetimes end.
        const int n = static_cast<int>(pool_.size());
        return pool_[chance(70) ? pick(std::max(0, n - 5), n - 1) : pick(0, n - 1)];
    }
    ggml_tensor * like(const ggml_tensor * a) {
        for (int i = 0; i < 10; i++) {
            ggml_tensor * b = any();
            if (ggml_are_same_shape(a, b)) {
                return b;
            }
        }
        return const_cast<ggml_tensor *>(a);
    }
    ggml_tensor * flat(ggml_tensor * a) {
        return ggml_is_contiguous(a) && !ggml_is_transposed(a) ? a : ggml_cont(ctx_.get(), a);
    }

    ggml_tensor * operation() {
        ggml_context * ctx = ctx_.get();
        ggml_tensor * a = any();
        switch (pick(0, 13)) {
        case 0: return ggml_add(ctx, a, like(a));
        case 1: return ggml_mul(ctx, a, like(a));
        case 2: return ggml_scale(ctx, flat(a), 2.0F);
        case 3: return ggml_rms_norm(ctx, a, 1e-5F);
        case 4: return ggml_silu(ctx, flat(a));
        case 5: return ggml_cont(ctx, a);
        case 6: return ggml_mul_mat(ctx, flat(a), ggml_cont_2d(ctx, flat(a), a->ne[0], a->ne[1]));
        case 7: return ggml_view_1d(ctx, a, a->ne[0], (a->ne[1] - 1) * a->nb[1]);
        case 8: return ggml_reshape_1d(ctx, flat(a), ggml_nelements(a));
        case 9: return ggml_cpy(ctx, a, like(a));
        case 10: return ggml_soft_max_ext(ctx, flat(a), flat(like(a)), 1.0F, 0.0F);
        case 11: return ggml_transpose(ctx, a);
        case 12:
            ggml_build_forward_expand(graph, a); // such a view is a leaf, which nothing orders after a
            return ggml_view_tensor(ctx, a);
        default: return ggml_new_tensor_2d(ctx, GGML_TYPE_F32, a->ne[0], a->ne[1]);
        }
    }

    std::mt19937_64 random_;
    fakes::Context ctx_;
    std::vector<ggml_tensor *> pool_;
};

} // namespace alloc_check
