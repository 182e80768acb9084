#include "experts/promotion_budget.h"

#include <algorithm>
#include <cmath>

#include "host/tuning.h"

namespace ggml_sched {

void PromotionBudget::note_run(double us, double saved_us) {
    left_us_ += Tuning::kSavedForPromotions * saved_us + Tuning::kRunForPromotions * us;
    left_us_ = std::min(left_us_, Tuning::kMostRunsOfPromotions * us);
}

PromotionLimits PromotionBudget::limits_of(double upload_us, double cpu_us) const {
    PromotionLimits limits;
    if (upload_us <= 0.0 || cpu_us <= 0.0) {
        return limits;
    }
    const double n_affordable = std::ceil(left_us_ / upload_us);
    limits.most_replaced = static_cast<size_t>(std::clamp(n_affordable, 0.0, 1e9));
    // An expert that each run chooses once has this reciprocal as its score.
    const double choices_of_score = 1.0 - std::exp2(-1.0 / Tuning::kExpertHalfLife);
    limits.least_gain = upload_us / (cpu_us * choices_of_score * Tuning::kRunsToPayUpload);
    return limits;
}

} // namespace ggml_sched
