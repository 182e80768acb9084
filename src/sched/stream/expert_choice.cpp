#include "stream/expert_choice.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// Runs to measure before the choice. The first one does not count: devices do some things only once. The shortest of
// the others counts, since something else may have slowed down any of them.
constexpr int kFirstRuns = 4;
// A run is measured again when this many have not been measured.
constexpr int kMeasureEach = 64;
// Sending all experts must take less than this part of the time by the ids: it must gain more than measuring errs.
constexpr double kMargin = 0.93;

} // namespace

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
    return known.n_measured >= kFirstRuns && known.n_since < kMeasureEach && known.prefers_whole;
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
    const double whole_us = std::max(known.compute_us, known.all_us) +
                            std::min(known.compute_us, known.all_us) / std::max(1.0, run.slots - 1);
    known.prefers_whole = whole_us < kMargin * (known.compute_us + known.copied_us);
    return before != is_whole(known);
}

void ExpertChoice::note_whole(const ExpertBatch & batch) {
    known_[key_of(batch)].n_since++;
}

} // namespace ggml_sched
