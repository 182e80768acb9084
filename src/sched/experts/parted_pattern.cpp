#include "experts/parted_pattern.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ggml_sched {

namespace {

using Shape = std::array<int64_t, GGML_MAX_DIMS>;

// PatternParter - makes the nodes of one pattern
class PatternParter {
  public:
    PatternParter(const ExpertPattern & pattern, ExpertBank & bank, BackendId cpu, Parting & parting, NodePool & pool)
        : pattern_(pattern)
        , bank_(bank)
        , cpu_(cpu)
        , parting_(parting)
        , pool_(pool)
        , n_pairs_(pattern.n_pairs())
        , result_(pattern.nodes.back()) {}

    PartedPattern run(Misses misses) {
        part(misses);
        compute_on_bank();
        if (misses == Misses::Shared) {
            gather_rows();
            compute_missing();
            pick_rows();
        }
        return {std::move(changes_),
                {{pattern_.first, std::move(before_first_)}, {pattern_.last, std::move(before_last_)}},
                std::move(placed_)};
    }

  private:
    // Makes a contiguous tensor. Its name tells the block, and what it is for.
    ggml_tensor * make(const char * what, ggml_type type, const Shape & shape) {
        ggml_tensor * const tensor = pool_.next();
        tensor->type = type;
        tensor->nb[0] = ggml_type_size(type);
        for (int i = 0; i < GGML_MAX_DIMS; i++) {
            tensor->ne[i] = shape[static_cast<size_t>(i)];
            tensor->nb[i] = i == 0   ? ggml_type_size(type)
                            : i == 1 ? ggml_row_size(type, shape[0])
                                     : tensor->nb[i - 1] * static_cast<size_t>(tensor->ne[i - 1]);
        }
        tensor->flags = result_->flags & ~(GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT);
        std::snprintf(tensor->name, GGML_MAX_NAME, "%.40s (%s)", result_->name, what);
        return tensor;
    }

    // Makes a node on a backend.
    ggml_tensor * compute(std::vector<ggml_tensor *> & list, ggml_tensor * tensor, ggml_op op,
                          std::initializer_list<ggml_tensor *> operands, BackendId backend) {
        tensor->op = op;
        std::copy(operands.begin(), operands.end(), tensor->src);
        placed_.push_back({tensor, backend});
        list.push_back(tensor);
        return tensor;
    }

    // Makes a contiguous view that begins `offset` bytes behind the beginning of a tensor.
    ggml_tensor * view(std::vector<ggml_tensor *> & list, const char * what, ggml_tensor * of, const Shape & shape,
                       size_t offset = 0) {
        ggml_tensor * const tensor = make(what, of->type, shape);
        tensor->op = GGML_OP_VIEW;
        tensor->src[0] = of;
        tensor->view_src = of->view_src ? of->view_src : of;
        tensor->view_offs = of->view_offs + offset;
        std::memcpy(tensor->op_params, &offset, sizeof(offset));
        list.push_back(tensor);
        return tensor;
    }

    // Makes a view of one row of the integers.
    ggml_tensor * integers(const char * what, PartedRow row, const Shape & shape) {
        const size_t row_bytes = static_cast<size_t>(n_pairs_) * sizeof(int32_t);
        return view(before_first_, what, parts_, shape, static_cast<size_t>(row) * row_bytes);
    }

    // The node that parts the pairs. It reads the activations, too: so they arrive with the ids.
    void part(Misses misses) {
        parts_ = make("pairs", GGML_TYPE_I32, {n_pairs_, static_cast<int64_t>(PartedRow::Count), 1, 1});
        parts_->src[0] = pattern_.ids;
        const size_t n_inputs = misses == Misses::Shared ? pattern_.inputs.size() : 0;
        for (size_t i = 0; i < n_inputs; i++) {
            flat_.push_back(view(before_first_, "input", pattern_.inputs[i],
                                 {pattern_.inputs[i]->ne[0], ggml_nrows(pattern_.inputs[i]), 1, 1}));
            parts_->src[i + 1] = flat_[i];
        }
        parting_.begin(bank_, misses, parts_, pattern_.ids);
        placed_.push_back({parts_, cpu_});
        before_first_.push_back(parts_);
        entries_ = integers("entries", PartedRow::Entry, {pattern_.n_chosen(), pattern_.n_tokens(), 1, 1});
    }

    // Lets a computation read the bank, and entries in place of ids.
    Computation on_bank(const ggml_tensor * node) const {
        Computation computation = Computation::of(node);
        if (const int at = operand_with_experts(node); at >= 0) {
            computation.src[static_cast<size_t>(at)] = bank_.find(node->src[at]);
            computation.src[kIdsOperand] = entries_;
        }
        return computation;
    }

    // The block on the device. Where the CPU computes missing pairs, its last node gets another tensor.
    void compute_on_bank() {
        for (ggml_tensor * const node : pattern_.nodes) {
            if (node != result_ || only_on_bank()) {
                changes_.push_back({node, Computation::of(node), on_bank(node)});
            }
            if (!node->view_src) {
                placed_.push_back({node, bank_.backend()});
            }
        }
    }
    bool only_on_bank() const { return flat_.empty(); }

    // Makes the rows of the activations that missing pairs need.
    void gather_rows() {
        for (size_t i = 0; i < flat_.size(); i++) {
            const ggml_tensor * const input = pattern_.inputs[i];
            const bool is_by_token = input->ne[1] == 1;
            ggml_tensor * const index = integers(is_by_token ? "tokens" : "rows",
                                                 is_by_token ? PartedRow::Token : PartedRow::Pair, {n_pairs_, 1, 1, 1});
            ggml_tensor * const rows = compute(before_last_, make("rows", input->type, {input->ne[0], n_pairs_, 1, 1}),
                                               GGML_OP_GET_ROWS, {flat_[i], index}, cpu_);
            ggml_tensor * const each = view(before_last_, "rows", rows, {input->ne[0], 1, n_pairs_, 1});
            parting_.add_tensor_of_misses(index, 0);
            parting_.add_tensor_of_misses(rows, 1);
            parting_.add_tensor_of_misses(each, 2);
            twins_.push_back({input, each});
        }
    }

    // Returns what the second block has in place of a tensor of the first one.
    ggml_tensor * twin_of(const ggml_tensor * tensor) const {
        const auto twin =
            std::find_if(twins_.begin(), twins_.end(), [&](const Twin & each) { return each.of == tensor; });
        return twin == twins_.end() ? nullptr : twin->twin;
    }

    // The second block: each missing pair is a token with one expert.
    void compute_missing() {
        ggml_tensor * const experts = integers("experts", PartedRow::Expert, {1, n_pairs_, 1, 1});
        parting_.add_tensor_of_misses(experts, 1);
        for (const ggml_tensor * const node : pattern_.nodes) {
            ggml_tensor * const twin = make("missing", node->type, {node->ne[0], 1, n_pairs_, 1});
            Computation::of(node).give_to(twin);
            const int experts_at = operand_with_experts(node);
            for (int i = 0; i < GGML_MAX_SRC; i++) {
                ggml_tensor * const own = node->src[i] ? twin_of(node->src[i]) : nullptr;
                twin->src[i] = experts_at >= 0 && i == kIdsOperand ? experts : own ? own : node->src[i];
            }
            if (node->view_src) { // a part of each row
                const ggml_tensor * const whole = twin->src[0];
                twin->view_src = whole->view_src ? whole->view_src : twin->src[0];
                twin->view_offs = node->view_offs;
                std::copy(whole->nb + 1, whole->nb + GGML_MAX_DIMS, twin->nb + 1);
            } else {
                placed_.push_back({twin, cpu_});
            }
            before_last_.push_back(twin);
            parting_.add_tensor_of_misses(twin, 2);
            twins_.push_back({node, twin});
        }
    }

    // The result: for each pair the row of the device or that of the CPU.
    void pick_rows() {
        const BackendId device = bank_.backend();
        const int64_t width = result_->ne[0];
        ggml_tensor * const resident =
            make("resident", result_->type, {width, pattern_.n_chosen(), pattern_.n_tokens(), 1});
        on_bank(result_).give_to(resident);
        placed_.push_back({resident, device});
        before_last_.insert(before_last_.begin(), resident); // The device works before the CPU begins.
        ggml_tensor * const ours = view(before_last_, "resident", resident, {width, n_pairs_, 1, 1});
        ggml_tensor * const others = view(before_last_, "missing", twin_of(result_), {width, n_pairs_, 1, 1});
        ggml_tensor * const both = compute(before_last_, make("both", result_->type, {width, 2 * n_pairs_, 1, 1}),
                                           GGML_OP_CONCAT, {ours, others}, device);
        both->op_params[0] = 1; // the dimension
        ggml_tensor * const index = integers("picked", PartedRow::Result, {n_pairs_, 1, 1, 1});
        Computation after = {};
        if (pattern_.n_tokens() == 1) { // The shape of GET_ROWS is that of the result.
            after.op = GGML_OP_GET_ROWS;
            after.src = {both, index};
        } else {
            ggml_tensor * const rows = compute(before_last_, make("picked", result_->type, {width, n_pairs_, 1, 1}),
                                               GGML_OP_GET_ROWS, {both, index}, device);
            after.op = GGML_OP_CONT;
            after.src = {view(before_last_, "picked", rows, {width, pattern_.n_chosen(), pattern_.n_tokens(), 1})};
        }
        changes_.push_back({result_, Computation::of(result_), after});
    }

    // Twin - a tensor of the pattern, and what the second block has in its place
    struct Twin {
        const ggml_tensor * of;
        ggml_tensor * twin;
    };

    const ExpertPattern & pattern_;
    ExpertBank & bank_;
    const BackendId cpu_;
    Parting & parting_;
    NodePool & pool_;
    const int64_t n_pairs_;
    ggml_tensor * const result_;
    ggml_tensor * parts_ = nullptr;
    ggml_tensor * entries_ = nullptr;
    std::vector<ggml_tensor *> flat_; // the inputs as rows
    std::vector<Twin> twins_;
    std::vector<Change> changes_;
    std::vector<PlacedNode> placed_;
    std::vector<ggml_tensor *> before_first_;
    std::vector<ggml_tensor *> before_last_;
};

} // namespace

Computation Computation::of(const ggml_tensor * node) {
    Computation computation = {};
    computation.op = node->op;
    std::copy_n(node->op_params, computation.op_params.size(), computation.op_params.begin());
    std::copy_n(node->src, computation.src.size(), computation.src.begin());
    return computation;
}

void Computation::give_to(ggml_tensor * node) const {
    node->op = op;
    std::copy(op_params.begin(), op_params.end(), node->op_params);
    std::copy(src.begin(), src.end(), node->src);
}

ggml_tensor * NodePool::next() {
    if (n_used_ == tensors_.size()) {
        tensors_.emplace_back();
    }
    ggml_tensor * const tensor = &tensors_[n_used_++];
    *tensor = {};
    return tensor;
}

PartedPattern part_pattern(const ExpertPattern & pattern, ExpertBank & bank, Misses misses, BackendId cpu,
                           Parting & parting, NodePool & pool) {
    return PatternParter(pattern, bank, cpu, parting, pool).run(misses);
}

} // namespace ggml_sched
