#include "experts/expert_pattern.h"

#include <algorithm>
#include <unordered_map>

#include "host/operations.h"

namespace ggml_sched {

namespace {

// A node reads this many activations besides the ids, so that they arrive together.
constexpr size_t kMostInputs = GGML_MAX_SRC - 2;

// PatternSearch - the search for one pattern
class PatternSearch {
  public:
    PatternSearch(const host::Nodes & nodes, const std::function<bool(const ggml_tensor *)> & are_experts,
                  ExpertPattern & found)
        : nodes_(nodes)
        , are_experts_(are_experts)
        , found_(found) {}

    // Looks at the nodes from the first one to the last one.
    void run() {
        const ggml_tensor * const ids = found_.ids;
        if (ids->type != GGML_TYPE_I32 || ids->ne[2] != 1 || ids->ne[3] != 1 || found_.n_pairs() == 0) {
            fail("does not name experts for each token", ids);
        }
        for (int i = found_.first; i <= found_.last; i++) {
            look_at(nodes_[i]);
        }
        if (found_.inputs.size() > kMostInputs) {
            fail("reads too many different activations", found_.nodes.back());
        }
        for (int i = found_.first; i <= found_.last; i++) {
            look_for_writes(nodes_[i]);
        }
    }

  private:
    void fail(const char * text, const ggml_tensor * tensor) {
        found_.obstacle = found_.obstacle.text ? found_.obstacle : Obstacle{text, tensor};
    }

    // True if the node reads experts of the block with its ids.
    bool reads_experts(const ggml_tensor * node) const {
        const int at = operand_with_experts(node);
        return at >= 0 && expert_root_of(node->src[kIdsOperand]) == expert_root_of(found_.ids) &&
               are_experts_(node->src[at]);
    }

    bool is_inside(const ggml_tensor * tensor) const {
        return tensor && std::find(found_.nodes.begin(), found_.nodes.end(), tensor) != found_.nodes.end();
    }

    // True if the tensor has a row for each pair.
    bool has_row_for_each_pair(const ggml_tensor * tensor) const {
        return tensor->type == GGML_TYPE_F32 && tensor->ne[1] == found_.n_chosen() &&
               tensor->ne[2] == found_.n_tokens() && tensor->ne[3] == 1;
    }

    // True if the tensor has a row for each pair, or one for each token.
    bool is_activation(const ggml_tensor * tensor) const {
        return tensor->type == GGML_TYPE_F32 && ggml_is_contiguous(tensor) &&
               (tensor->ne[1] == 1 || tensor->ne[1] == found_.n_chosen()) && tensor->ne[2] == found_.n_tokens() &&
               tensor->ne[3] == 1;
    }

    // True if the view has a part of each row of a node.
    bool is_part_of_rows(const ggml_tensor * view) const {
        const ggml_tensor * const whole = view->src[0];
        return is_inside(whole) && has_row_for_each_pair(view) && view->nb[0] == whole->nb[0] &&
               view->nb[1] == whole->nb[1] && view->nb[2] == whole->nb[2] && view->view_src &&
               view->view_offs % whole->nb[1] + ggml_row_size(view->type, view->ne[0]) <= whole->nb[1] &&
               view->view_offs < whole->nb[1];
    }

    void join(ggml_tensor * node) {
        if ((node->flags & GGML_TENSOR_FLAG_OUTPUT) != 0 && node != nodes_[found_.last]) {
            fail("is an output", node);
        }
        found_.nodes.push_back(node);
    }

    // Looks at a node from the first one to the last one of the pattern.
    void look_at(ggml_tensor * node) {
        if (reads_experts(node)) {
            look_at_reader(node);
            return;
        }
        const auto inside = [this](const ggml_tensor * operand) { return is_inside(operand); };
        const auto empty_or_inside = [this](const ggml_tensor * operand) { return !operand || is_inside(operand); };
        if (std::none_of(node->src, node->src + GGML_MAX_SRC, inside)) {
            return;
        }
        const bool is_alone = std::all_of(node->src, node->src + GGML_MAX_SRC, empty_or_inside);
        const bool is_row_by_row = host::is_row_by_row(node) && !node->view_src && has_row_for_each_pair(node) &&
                                   ggml_is_contiguous(node) && is_alone;
        if (host::is_view_op(node) ? !is_part_of_rows(node) : !is_row_by_row) {
            fail("does not work pair by pair", node);
        }
        join(node);
    }

    // Fails if the node computes the ids or an input, or writes to them: they are read before the first node of the
    // pattern, and must stay what they are.
    void look_for_writes(const ggml_tensor * node) {
        const auto writes = [&](const ggml_tensor * read) {
            return node == read || (!host::is_view_op(node) && expert_root_of(node) == expert_root_of(read));
        };
        if (writes(found_.ids) || std::any_of(found_.inputs.begin(), found_.inputs.end(), writes)) {
            fail("writes what the block reads", node);
        }
    }

    // Looks at a node that reads experts.
    void look_at_reader(ggml_tensor * node) {
        ggml_tensor * const ids = node->src[kIdsOperand];
        ggml_tensor * const data = node->src[operand_with_experts(node) == 0 ? 1 : 0];
        const bool has_same_ids =
            ids == found_.ids || (ggml_are_same_shape(ids, found_.ids) && ids->nb[0] == found_.ids->nb[0] &&
                                  ids->nb[1] == found_.ids->nb[1] && ids->view_offs == found_.ids->view_offs);
        const bool is_plain = has_row_for_each_pair(node) && ggml_is_contiguous(node) && !node->view_src;
        if (!has_same_ids || !is_plain || (!is_inside(data) && !is_activation(data))) {
            fail("does not work pair by pair", node);
        }
        if (!is_inside(data) && std::find(found_.inputs.begin(), found_.inputs.end(), data) == found_.inputs.end()) {
            found_.inputs.push_back(data);
        }
        join(node);
    }

    const host::Nodes & nodes_;
    const std::function<bool(const ggml_tensor *)> & are_experts_;
    ExpertPattern & found_;
};

// Finds the nodes outside of the patterns that read what is inside. They may read results alone.
void look_outside(const host::Nodes & nodes, std::vector<ExpertPattern> & patterns) {
    std::unordered_map<const ggml_tensor *, ExpertPattern *> inside;
    for (ExpertPattern & pattern : patterns) {
        for (const ggml_tensor * node : pattern.nodes) {
            inside[node] = &pattern;
        }
    }
    for (int i = 0; i < nodes.size; i++) {
        const auto own = inside.find(nodes[i]);
        for (const ggml_tensor * const operand : nodes[i]->src) {
            const ggml_tensor * const root = operand ? expert_root_of(operand) : nullptr;
            const auto read = inside.find(root);
            if (read == inside.end() || (own != inside.end() && own->second == read->second)) {
                continue;
            }
            ExpertPattern & pattern = *read->second;
            if (root != pattern.nodes.back() && !pattern.obstacle.text) {
                pattern.obstacle = {"reads what is inside the block", nodes[i]};
            }
        }
    }
}

} // namespace

int operand_with_experts(const ggml_tensor * node) {
    const bool has_ids = node->src[0] && node->src[1] && node->src[kIdsOperand];
    if (has_ids && node->op == GGML_OP_MUL_MAT_ID) {
        return 0;
    }
    return has_ids && host::is_add_id(node) ? 1 : -1;
}

std::vector<ExpertPattern> find_patterns(const host::Nodes & nodes,
                                         const std::function<bool(const ggml_tensor *)> & are_experts) {
    std::vector<ExpertPattern> patterns;
    for (int i = 0; i < nodes.size; i++) {
        const int at = operand_with_experts(nodes[i]);
        if (at < 0 || !are_experts(nodes[i]->src[at])) {
            continue;
        }
        ggml_tensor * const ids = nodes[i]->src[kIdsOperand];
        const auto known = std::find_if(patterns.begin(), patterns.end(), [&](const ExpertPattern & each) {
            return expert_root_of(each.ids) == expert_root_of(ids);
        });
        if (known != patterns.end()) {
            known->last = i;
        } else {
            patterns.emplace_back();
            patterns.back().ids = ids;
            patterns.back().first = i;
            patterns.back().last = i;
        }
    }
    for (ExpertPattern & pattern : patterns) {
        PatternSearch(nodes, are_experts, pattern).run();
    }
    look_outside(nodes, patterns);
    return patterns;
}

} // namespace ggml_sched
