#include "split/expert_gate.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// The first run also pays for what devices do once.
constexpr int kFirstRuns = 2;
constexpr int kMeasureEach = 64;
// Sending whole must gain more than measuring errs.
constexpr double kMargin = 0.97;

} // namespace

ExpertBatch ExpertBatch::of(const ggml_tensor * mul_mat_id) {
    const ggml_tensor * ids = mul_mat_id->src[2];
    return {mul_mat_id->src[0]->ne[2], ids->ne[0], ids->ne[1]};
}

ExpertGate::Key ExpertGate::key_of(const ExpertBatch & batch) {
    int magnitude = 0;
    while ((int64_t{1} << magnitude) < batch.n_tokens) {
        magnitude++;
    }
    return {batch.n_experts, batch.n_used, magnitude};
}

bool ExpertGate::is_whole(const Known & known) {
    return known.n_measured >= kFirstRuns && known.n_since < kMeasureEach && known.prefers_whole;
}

bool ExpertGate::streams_whole(const ExpertBatch & batch) const {
    const auto known = known_.find(key_of(batch));
    return known != known_.end() && is_whole(known->second);
}

double ExpertGate::share_of(const ExpertBatch & batch) const {
    const auto known = known_.find(key_of(batch));
    return known == known_.end() ? 0 : known->second.share;
}

template <typename Change> void ExpertGate::change(const ExpertBatch & batch, Change change) {
    Known & known = known_[key_of(batch)];
    const bool before = is_whole(known);
    change(known);
    number_ += before != is_whole(known) ? 1 : 0;
}

void ExpertGate::note_by_ids(const ExpertBatch & batch, const Run & run) {
    change(batch, [&](Known & known) {
        const double compute_us = std::max(0.0, run.us - run.copied_us);
        known.n_measured++;
        known.n_since = 0;
        known.share = run.all_us > 0 ? run.copied_us / run.all_us : 0;
        known.prefers_whole = std::max(compute_us, run.all_us) < kMargin * (compute_us + run.copied_us);
    });
}

void ExpertGate::note_whole(const ExpertBatch & batch) {
    change(batch, [](Known & known) { known.n_since++; });
}

} // namespace ggml_sched
