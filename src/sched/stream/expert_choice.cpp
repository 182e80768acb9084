#include "stream/expert_choice.h"

#include <algorithm>

#include "host/tuning.h"

namespace ggml_sched {

ExpertBatch ExpertBatch::of(const ggml_tensor * mul_mat_id) {
    const ggml_tensor * ids = mul_mat_id->src[2];
    return {mul_mat_id->src[0]->ne[2], ids->ne[0], ids->ne[1]};
}

ExpertChoice::Key ExpertChoice::key_of(const ExpertBatch & batch) {
    int magnitude = 0;
    while ((int64_t{1} << magnitude) < batch.n_tokens) {
        magnitude++;
    }
    return {batch.n_experts, batch.n_used, magnitude};
}

bool ExpertChoice::is_whole(const Known & known) {
    return known.n_measured >= Tuning::kFirstRuns && known.n_since < Tuning::kMeasureEach && known.prefers_whole;
}

bool ExpertChoice::streams_whole(const ExpertBatch & batch) const {
    const auto known = known_.find(key_of(batch));
    return known != known_.end() && is_whole(known->second);
}

std::string ExpertChoice::text_of(const ExpertBatch & batch) const {
    const auto found = known_.find(key_of(batch));
    if (found == known_.end()) {
        return "nothing is known of such batches yet; experts are streamed by the ids";
    }
    const Known & known = found->second;
    const auto us = [](double value) { return std::to_string(static_cast<int64_t>(value)) + " us"; };
    return "batches like one of " + std::to_string(batch.n_tokens) + " tokens, of which each uses " +
           std::to_string(batch.n_used) + " of " + std::to_string(batch.n_experts) + " experts: computing takes " +
           us(known.compute_us) + ", copying those in use " + us(known.copied_us) + ", copying all " +
           us(known.all_us) + "; they are streamed " + (is_whole(known) ? "whole" : "by the ids");
}

bool ExpertChoice::note_by_ids(const ExpertBatch & batch, const Run & run) {
    Known & known = known_[key_of(batch)];
    const bool before = is_whole(known);
    const double compute_us = std::max(0.0, run.us - run.copied_us);
    known.compute_us = known.n_measured < 2 ? compute_us : std::min(known.compute_us, compute_us);
    known.copied_us = run.copied_us;
    known.all_us = run.all_us;
    known.n_measured++;
    known.n_since = 0;
    const double hidden_by = run.overlaps ? std::max(1.0, run.slots - 1) : 1.0;
    const double whole_us =
        std::max(known.compute_us, known.all_us) + std::min(known.compute_us, known.all_us) / hidden_by;
    known.prefers_whole = whole_us < Tuning::kMargin * (known.compute_us + known.copied_us);
    return before != is_whole(known);
}

void ExpertChoice::note_whole(const ExpertBatch & batch) {
    known_[key_of(batch)].n_since++;
}

} // namespace ggml_sched
