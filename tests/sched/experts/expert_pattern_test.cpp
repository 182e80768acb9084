// Which nodes are a pattern that works pair by pair, and what breaks one.

#include <gtest/gtest.h>

#include <algorithm>

#include "experts/expert_pattern.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 8;
constexpr int64_t kChosen = 2;
constexpr int64_t kTokens = 3;

// A block of experts whose parts a test can replace
class Patterns : public testing::Test {
  protected:
    ggml_context * ctx() const { return context_.get(); }
    ggml_tensor * weights(int64_t n_rows = kWidth) {
        ggml_tensor * const tensor = ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, kWidth, n_rows, 4);
        experts_.push_back(tensor);
        return tensor;
    }
    ggml_tensor * activation() const {
        return ggml_scale(ctx(), ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, kWidth, 1, kTokens), 2.0F);
    }
    ggml_tensor * chosen(int64_t n_chosen = kChosen) const {
        return ggml_cont(ctx(), ggml_new_tensor_2d(ctx(), GGML_TYPE_I32, n_chosen, kTokens));
    }
    // Returns the view of half of each row.
    ggml_tensor * half(ggml_tensor * of, int which) const {
        return ggml_view_3d(ctx(), of, kWidth / 2, kChosen, kTokens, of->nb[1], of->nb[2],
                            static_cast<size_t>(which) * kWidth / 2 * sizeof(float));
    }

    // Returns the patterns of a graph that computes these tensors in order.
    std::vector<ExpertPattern> find(const std::vector<ggml_tensor *> & results) {
        graph_ = ggml_new_graph(ctx());
        for (ggml_tensor * result : results) {
            ggml_build_forward_expand(graph_, result);
        }
        return find_patterns(host::nodes_of(graph_), [&](const ggml_tensor * tensor) {
            return std::find(experts_.begin(), experts_.end(), tensor) != experts_.end();
        });
    }
    // Returns what is wrong with the only pattern of the graph; "" if it is one.
    std::string obstacle(const std::vector<ggml_tensor *> & results) {
        const std::vector<ExpertPattern> patterns = find(results);
        EXPECT_EQ(patterns.size(), 1U);
        return patterns.size() == 1 && patterns[0].obstacle.text ? patterns[0].obstacle.text : "";
    }

    ContextPtr context_ = make_context();
    std::vector<ggml_tensor *> experts_;
    ggml_cgraph * graph_ = nullptr;
};

TEST_F(Patterns, GoFromTheFirstMatricesToTheLast) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const x = activation();
    ggml_tensor * const gate = ggml_mul_mat_id(ctx(), weights(), x, ids);
    ggml_tensor * const up = ggml_mul_mat_id(ctx(), weights(), x, ids);
    ggml_tensor * const inner = ggml_swiglu_split(ctx(), gate, up);
    ggml_tensor * const down = ggml_mul_mat_id(ctx(), weights(), inner, ids);
    ggml_tensor * const scores = ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, 1, kChosen, kTokens);
    const std::vector<ExpertPattern> patterns = find({ggml_rms_norm(ctx(), ggml_mul(ctx(), down, scores), 1e-5F)});
    ASSERT_EQ(patterns.size(), 1U);
    EXPECT_EQ(patterns[0].obstacle.text, nullptr) << patterns[0].obstacle.text;
    EXPECT_EQ(patterns[0].nodes, (std::vector<ggml_tensor *>{gate, up, inner, down}));
    EXPECT_EQ(patterns[0].inputs, std::vector<ggml_tensor *>{x});
    EXPECT_EQ(patterns[0].n_pairs(), kChosen * kTokens);
}

TEST_F(Patterns, HaveViewsOfAPartOfEachRow) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const both = ggml_mul_mat_id(ctx(), weights(), activation(), ids);
    ggml_tensor * const inner = ggml_swiglu_split(ctx(), half(both, 0), half(both, 1));
    ggml_tensor * const small = ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, kWidth / 2, kWidth, 4);
    experts_.push_back(small);
    EXPECT_EQ(obstacle({ggml_mul_mat_id(ctx(), small, inner, ids)}), "");
}

TEST_F(Patterns, HaveAdaptersOfLowRankThatAreExpertsThemselves) {
    for (const bool are_experts : {true, false}) {
        ggml_tensor * const ids = chosen();
        ggml_tensor * const x = activation();
        const int64_t rank = 2;
        ggml_tensor * const down = ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, kWidth, rank, 4);
        ggml_tensor * const up = ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, rank, kWidth, 4);
        if (are_experts) {
            experts_.insert(experts_.end(), {down, up});
        }
        ggml_tensor * const change = ggml_mul_mat_id(ctx(), up, ggml_mul_mat_id(ctx(), down, x, ids), ids);
        ggml_tensor * const gate =
            ggml_add(ctx(), ggml_mul_mat_id(ctx(), weights(), x, ids), ggml_scale(ctx(), change, 0.5F));
        const std::string why = obstacle({ggml_mul_mat_id(ctx(), weights(), gate, ids)});
        EXPECT_EQ(why.empty(), are_experts) << why;
    }
}

TEST_F(Patterns, OfTwoBlocksMayBeInterleaved) {
    ggml_tensor * const ids[] = {chosen(), chosen()};
    ggml_tensor * const x = activation();
    ggml_tensor * const gate[] = {ggml_mul_mat_id(ctx(), weights(), x, ids[0]),
                                  ggml_mul_mat_id(ctx(), weights(), x, ids[1])};
    ggml_tensor * const down[] = {ggml_mul_mat_id(ctx(), weights(), gate[0], ids[0]),
                                  ggml_mul_mat_id(ctx(), weights(), gate[1], ids[1])};
    const std::vector<ExpertPattern> patterns = find({gate[0], gate[1], down[0], down[1]});
    ASSERT_EQ(patterns.size(), 2U);
    for (size_t i = 0; i < 2; i++) {
        EXPECT_EQ(patterns[i].obstacle.text, nullptr);
        EXPECT_EQ(patterns[i].nodes, (std::vector<ggml_tensor *>{gate[i], down[i]}));
    }
}

TEST_F(Patterns, EndWhereOneBlockReadsTheInsideOfAnother) {
    ggml_tensor * const ids[] = {chosen(), chosen()};
    ggml_tensor * const gate = ggml_mul_mat_id(ctx(), weights(), activation(), ids[0]);
    ggml_tensor * const other = ggml_mul_mat_id(ctx(), weights(), gate, ids[1]);
    ggml_tensor * const down = ggml_mul_mat_id(ctx(), weights(), gate, ids[0]);
    const std::vector<ExpertPattern> patterns = find({other, down});
    ASSERT_EQ(patterns.size(), 2U);
    EXPECT_STREQ(patterns[0].obstacle.text, "does not work pair by pair");
    EXPECT_EQ(patterns[0].obstacle.tensor, other);
}

TEST_F(Patterns, HaveNoNodeThatMixesRows) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const up = ggml_mul_mat_id(ctx(), weights(), activation(), ids);
    const auto with = [&](ggml_tensor * inner) { return obstacle({ggml_mul_mat_id(ctx(), weights(), inner, ids)}); };
    ggml_tensor * const vector = ggml_new_tensor_1d(ctx(), GGML_TYPE_F32, kWidth);
    ggml_tensor * const swapped = ggml_view_3d(ctx(), up, kWidth, kChosen, kTokens, up->nb[1] * kTokens, up->nb[1], 0);
    EXPECT_EQ(with(ggml_rms_norm(ctx(), up, 1e-5F)), "does not work pair by pair");
    EXPECT_EQ(with(ggml_mul(ctx(), up, vector)), "does not work pair by pair") << "the vector is no expert's";
    EXPECT_EQ(with(ggml_cont(ctx(), swapped)), "does not work pair by pair");
    EXPECT_EQ(with(ggml_scale_inplace(ctx(), up, 2.0F)), "does not work pair by pair") << "it writes to another node";
}

TEST_F(Patterns, HaveNoNodeThatIsReadOutside) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const up = ggml_mul_mat_id(ctx(), weights(), activation(), ids);
    ggml_tensor * const down = ggml_mul_mat_id(ctx(), weights(), up, ids);
    EXPECT_EQ(obstacle({down}), "");
    EXPECT_EQ(obstacle({down, ggml_rms_norm(ctx(), up, 1e-5F)}), "reads what is inside the block");
    EXPECT_EQ(obstacle({down, ggml_rms_norm(ctx(), half(up, 1), 1e-5F)}), "reads what is inside the block");
    ggml_set_output(up);
    EXPECT_EQ(obstacle({down}), "is an output");
}

TEST_F(Patterns, HaveAResultThatAnyNodeMayRead) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const up = ggml_mul_mat_id(ctx(), weights(), activation(), ids);
    ggml_set_output(up);
    EXPECT_EQ(
        obstacle({ggml_rms_norm(ctx(), ggml_permute(ctx(), up, 0, 2, 1, 3), 1e-5F), ggml_cont(ctx(), half(up, 1))}),
        "");
}

TEST_F(Patterns, ReadWhatIsThereBeforeTheirFirstNode) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const x = activation();
    ggml_tensor * const gate = ggml_mul_mat_id(ctx(), weights(), x, ids);
    ggml_tensor * const late = ggml_scale(ctx(), activation(), 3.0F);
    ggml_tensor * const up = ggml_mul_mat_id(ctx(), weights(), late, ids);
    ggml_tensor * const down = ggml_mul_mat_id(ctx(), weights(), ggml_mul(ctx(), gate, up), ids);
    EXPECT_EQ(obstacle({gate, late, down}), "writes what the block reads");
    EXPECT_EQ(obstacle({late, gate, down}), "");
}

TEST_F(Patterns, ReadWhatNothingOverwritesBeforeTheirLastNode) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * const x = activation();
    ggml_tensor * const gate = ggml_mul_mat_id(ctx(), weights(), x, ids);
    ggml_tensor * const down = ggml_mul_mat_id(ctx(), weights(), gate, ids);
    EXPECT_EQ(obstacle({gate, ggml_scale_inplace(ctx(), x, 2.0F), down}), "writes what the block reads");
    EXPECT_EQ(obstacle({gate, ggml_cpy(ctx(), chosen(), ids), down}), "writes what the block reads");
    EXPECT_EQ(obstacle({down, ggml_scale_inplace(ctx(), x, 2.0F)}), "");
}

TEST_F(Patterns, ReadIdsOfOneShapeAlone) {
    ggml_tensor * const ids = chosen(4);
    const auto columns = [&](size_t from) {
        return ggml_view_2d(ctx(), ids, kChosen, kTokens, ids->nb[1], from * sizeof(int32_t));
    };
    ggml_tensor * const up = ggml_mul_mat_id(ctx(), weights(), activation(), columns(0));
    EXPECT_EQ(obstacle({ggml_mul_mat_id(ctx(), weights(), up, columns(0))}), "");
    EXPECT_EQ(obstacle({ggml_mul_mat_id(ctx(), weights(), up, columns(2))}), "does not work pair by pair");
}

TEST_F(Patterns, ReadFewDifferentActivations) {
    ggml_tensor * const ids = chosen();
    ggml_tensor * sum = nullptr;
    std::vector<ggml_tensor *> results;
    for (int i = 0; i < GGML_MAX_SRC; i++) {
        results.push_back(activation());
        ggml_tensor * const one = ggml_mul_mat_id(ctx(), weights(), results.back(), ids);
        sum = sum ? ggml_add(ctx(), sum, one) : one;
    }
    results.push_back(ggml_mul_mat_id(ctx(), weights(), sum, ids));
    EXPECT_EQ(obstacle(results), "reads too many different activations");
}

} // namespace
} // namespace ggml_sched::test
