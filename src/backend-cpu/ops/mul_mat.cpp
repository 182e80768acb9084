// MUL_MAT, MUL_MAT_ID
//
// Work is divided by rows of the result. A unit takes some rows of the weights, converts them once, and multiplies them
// with all columns that need them, a panel at a time.

#include "dot_products.h"
#include "elements.h"
#include "ops.h"

#include <cstring>

namespace ggml_sched::cpu {

namespace {

// The columns of src1 as contiguous floats: where they lie, or converted into shared memory
class Columns {
  public:
    explicit Columns(const ggml_tensor * b)
        : b_(b)
        , plain_(is_plain_f32(b->type, b->nb[0])) {}

    size_t shared_bytes() const { return plain_ ? 0 : static_cast<size_t>(ggml_nelements(b_)) * sizeof(float); }

    // memory: shared_bytes() bytes
    void convert(ComputeContext & ctx, void * memory) {
        if (plain_) {
            return;
        }
        floats_ = static_cast<float *>(memory);
        for_each_row(ctx, b_, b_->ne[0], [&](float *, const Row & row) {
            load_floats(b_->type, row_data(b_, row), b_->nb[0], b_->ne[0], floats_ + number(row) * b_->ne[0]);
        });
    }

    const float * at(const Row & row) const {
        return plain_ ? reinterpret_cast<const float *>(row_data(b_, row)) : floats_ + number(row) * b_->ne[0];
    }

  private:
    int64_t number(const Row & row) const { return (row.i3 * b_->ne[2] + row.i2) * b_->ne[1] + row.i1; }

    const ggml_tensor * b_;
    bool plain_;
    float * floats_ = nullptr;
};

// Some rows of a matrix as floats
struct WeightRows {
    const float * data;
    int64_t stride; // floats
};

// Rows [first, first + n) of plane (i2, i3) of a; scratch: n * a->ne[0] floats
WeightRows read_weights(const ggml_tensor * a, int64_t first, int64_t n, int64_t i2, int64_t i3, float * scratch) {
    if (is_plain_f32(a->type, a->nb[0]) && a->nb[1] % sizeof(float) == 0) {
        return {reinterpret_cast<const float *>(row_data(a, first, i2, i3)),
                static_cast<int64_t>(a->nb[1] / sizeof(float))};
    }
    for (int64_t r = 0; r < n; ++r) {
        load_floats(a->type, row_data(a, first + r, i2, i3), a->nb[0], a->ne[0], scratch + r * a->ne[0]);
    }
    return {scratch, a->ne[0]};
}

// Collects columns into panels and multiplies each panel when it is full.
class PanelMultiplier {
  public:
    PanelMultiplier(WeightRows weights, int64_t n_rows, int64_t k)
        : weights_(weights)
        , n_rows_(n_rows)
        , k_(k) {}

    void add(const float * column, float * out) {
        columns_[n_] = column;
        out_[n_] = out;
        if (++n_ == kPanelColumns) {
            flush();
        }
    }

    void flush() {
        multiply_panel(weights_.data, weights_.stride, n_rows_, columns_, out_, n_, k_);
        n_ = 0;
    }

  private:
    WeightRows weights_;
    int64_t n_rows_;
    int64_t k_;
    int n_ = 0;
    const float * columns_[kPanelColumns];
    float * out_[kPanelColumns];
};

int32_t expert_at(const ggml_tensor * ids, int64_t slot, int64_t token) {
    int32_t id;
    std::memcpy(&id, row_data(ids, token, 0, 0) + static_cast<size_t>(slot) * ids->nb[0], sizeof(id));
    return id;
}

// The (slot, token) pairs of every expert, expert after expert: pair = token * n_slots + slot
struct ExpertPairs {
    int64_t * begin; // [n_experts + 1]
    int64_t * pairs; // [n_slots * n_tokens]

    static size_t bytes(int64_t n_experts, int64_t n_pairs) {
        return static_cast<size_t>(n_experts + 1 + n_pairs) * sizeof(int64_t);
    }
};

// Counting sort. False, with a message, if an expert does not exist.
bool group_by_expert(const ggml_tensor * node, const ggml_tensor * ids, int64_t n_experts, const ExpertPairs & groups) {
    std::fill(groups.begin, groups.begin + n_experts + 1, 0);
    for (int64_t token = 0; token < ids->ne[1]; ++token) {
        for (int64_t slot = 0; slot < ids->ne[0]; ++slot) {
            const int32_t id = expert_at(ids, slot, token);
            if (id < 0 || id >= n_experts) {
                GGML_LOG_ERROR("%s: '%s' (%s): id %d at [%lld, %lld] is not one of the %lld matrices; give valid ids\n",
                               __func__, node->name, ggml_op_name(node->op), static_cast<int>(id),
                               static_cast<long long>(slot), static_cast<long long>(token),
                               static_cast<long long>(n_experts));
                return false;
            }
            ++groups.begin[id];
        }
    }
    int64_t total = 0;
    for (int64_t e = 0; e <= n_experts; ++e) {
        total += groups.begin[e];
        groups.begin[e] = total; // the end of group e, until its pairs are placed before it
    }
    for (int64_t pair = ids->ne[0] * ids->ne[1] - 1; pair >= 0; --pair) {
        groups.pairs[--groups.begin[expert_at(ids, pair % ids->ne[0], pair / ids->ne[0])]] = pair;
    }
    return true;
}

} // namespace

ggml_status compute_mul_mat(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * b = dst->src[1];
    const int64_t k = a->ne[0];
    const int64_t panel = rows_of_panel(k);
    Columns columns(b);
    if (!ctx.reserve(panel * k, columns.shared_bytes())) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    columns.convert(ctx, ctx.shared());

    const int64_t repeat2 = b->ne[2] / a->ne[2]; // planes of b that meet the same plane of a
    const int64_t repeat3 = b->ne[3] / a->ne[3];
    const int64_t panels = (a->ne[1] + panel - 1) / panel;
    const int64_t work = std::min(panel, a->ne[1]) * k * b->ne[1] * repeat2 * repeat3;
    ctx.for_each_range(panels * a->ne[2] * a->ne[3], work, [&](int thread, int64_t begin, int64_t end) {
        for (int64_t u = begin; u < end; ++u) {
            const int64_t first = u % panels * panel;
            const int64_t n = std::min(panel, a->ne[1] - first);
            const int64_t i2 = u / panels % a->ne[2];
            const int64_t i3 = u / panels / a->ne[2];
            PanelMultiplier multiplier(read_weights(a, first, n, i2, i3, ctx.scratch(thread)), n, k);
            for (int64_t j3 = i3 * repeat3; j3 < (i3 + 1) * repeat3; ++j3) {
                for (int64_t j2 = i2 * repeat2; j2 < (i2 + 1) * repeat2; ++j2) {
                    for (int64_t j1 = 0; j1 < b->ne[1]; ++j1) {
                        multiplier.add(columns.at({j1, j2, j3}),
                                       reinterpret_cast<float *>(row_data(dst, j1, j2, j3)) + first);
                    }
                }
            }
            multiplier.flush();
        }
    });
    return GGML_STATUS_SUCCESS;
}

ggml_status compute_mul_mat_id(ComputeContext & ctx, ggml_tensor * dst) {
    const ggml_tensor * a = dst->src[0];
    const ggml_tensor * b = dst->src[1];
    const ggml_tensor * ids = dst->src[2];
    const int64_t k = a->ne[0];
    const int64_t panel = rows_of_panel(k);
    const int64_t n_slots = ids->ne[0];
    const int64_t n_pairs = n_slots * ids->ne[1];
    Columns columns(b);
    const size_t group_bytes = ExpertPairs::bytes(a->ne[2], n_pairs);
    if (!ctx.reserve(panel * k, group_bytes + columns.shared_bytes())) {
        return GGML_STATUS_ALLOC_FAILED;
    }
    const ExpertPairs groups{static_cast<int64_t *>(ctx.shared()), static_cast<int64_t *>(ctx.shared()) + a->ne[2] + 1};
    if (!group_by_expert(dst, ids, a->ne[2], groups)) {
        return GGML_STATUS_FAILED;
    }
    columns.convert(ctx, static_cast<char *>(ctx.shared()) + group_bytes);

    const int64_t panels = (a->ne[1] + panel - 1) / panel;
    const int64_t work = std::min(panel, a->ne[1]) * k * n_pairs / a->ne[2] + 1; // on average
    ctx.for_each_range(panels * a->ne[2], work, [&](int thread, int64_t begin, int64_t end) {
        for (int64_t u = begin; u < end; ++u) {
            const int64_t first = u % panels * panel;
            const int64_t n = std::min(panel, a->ne[1] - first);
            const int64_t expert = u / panels;
            if (groups.begin[expert] == groups.begin[expert + 1]) {
                continue;
            }
            PanelMultiplier multiplier(read_weights(a, first, n, expert, 0, ctx.scratch(thread)), n, k);
            for (int64_t i = groups.begin[expert]; i < groups.begin[expert + 1]; ++i) {
                const int64_t slot = groups.pairs[i] % n_slots;
                const int64_t token = groups.pairs[i] / n_slots;
                multiplier.add(columns.at({slot % b->ne[1], token, 0}),
                               reinterpret_cast<float *>(row_data(dst, slot, token, 0)) + first);
            }
            multiplier.flush();
        }
    });
    return GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched::cpu
