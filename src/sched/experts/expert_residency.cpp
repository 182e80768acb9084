#include "experts/expert_residency.h"

#include <algorithm>
#include <cmath>

#include "host/tuning.h"

namespace ggml_sched {

int ExpertResidency::n_in_entries() const {
    return n_entries() - static_cast<int>(std::count(experts_.begin(), experts_.end(), kNone));
}

void ExpertResidency::fill() {
    for (int i = 0; i < std::min(n_entries(), n_experts()); i++) {
        put(i, i);
    }
}

void ExpertResidency::clear() {
    std::fill(entries_.begin(), entries_.end(), kNone);
    std::fill(experts_.begin(), experts_.end(), kNone);
    promotions_.clear();
    admissions_.clear();
    has_admitted_ = false;
}

void ExpertResidency::begin_run() {
    constexpr double kLargest = 1e100;
    noted_.clear();
    admissions_.clear();
    weight_ *= std::exp2(1.0 / Tuning::kExpertHalfLife);
    if (weight_ > kLargest) {
        for (double & score : scores_) {
            score /= weight_;
        }
        weight_ = 1.0;
    }
}

void ExpertResidency::note(int expert) {
    scores_[static_cast<size_t>(expert)] += weight_;
    times_chosen_[static_cast<size_t>(expert)]++;
    noted_.push_back(expert);
    if (entry_of(expert) == kNone && std::find(missed_.begin(), missed_.end(), expert) == missed_.end()) {
        missed_.push_back(expert);
    }
}

// Returns a free entry, else that of the expert with the lowest score; kNone if all are in use by the current run.
int ExpertResidency::weakest_entry(bool may_be_in_use) const {
    int weakest = kNone;
    double lowest = 0.0;
    for (int entry = 0; entry < n_entries(); entry++) {
        const int expert = expert_in(entry);
        if (expert == kNone) {
            return entry;
        }
        const bool is_free = may_be_in_use || std::find(noted_.begin(), noted_.end(), expert) == noted_.end();
        const double score = scores_[static_cast<size_t>(expert)];
        if (is_free && (weakest == kNone || score < lowest)) {
            weakest = entry;
            lowest = score;
        }
    }
    return weakest;
}

void ExpertResidency::put(int expert, int entry) {
    if (const int before = expert_in(entry); before != kNone) {
        entries_[static_cast<size_t>(before)] = kNone;
    }
    experts_[static_cast<size_t>(entry)] = expert;
    entries_[static_cast<size_t>(expert)] = entry;
}

size_t ExpertResidency::promote(const PromotionLimits & limits) {
    promotions_.clear();
    promotions_.reserve(missed_.size()); // before an expert gets an entry, whose bytes are to follow
    std::stable_sort(missed_.begin(), missed_.end(), [&](int a, int b) { return score_of(a) > score_of(b); });
    const size_t most_replaced = std::min(limits.most_replaced, Tuning::kMostReplacedExperts);
    const auto is_better = [&](int expert, int before) {
        return score_of(expert) > Tuning::kExpertMargin * score_of(before) &&
               score_of(expert) >= score_of(before) + limits.least_gain * weight_;
    };
    size_t n_replaced = 0;
    for (const int expert : missed_) {
        if (promotions_.size() == limits.most) {
            break;
        }
        const int entry = weakest_entry(true);
        const int before = expert_in(entry);
        const bool is_in_use = before != kNone && score_of(before) > 0.0;
        if (is_in_use && (n_replaced == most_replaced || !is_better(expert, before))) {
            break; // The others have lower scores.
        }
        n_replaced += is_in_use ? 1 : 0;
        put(expert, entry);
        promotions_.push_back({expert, entry});
    }
    missed_.clear();
    return n_replaced;
}

int ExpertResidency::admit(int expert) {
    const int entry = weakest_entry(false);
    if (entry == kNone) {
        return kNone;
    }
    put(expert, entry);
    admissions_.push_back({expert, entry});
    has_admitted_ = true;
    missed_.erase(std::remove(missed_.begin(), missed_.end(), expert), missed_.end());
    return entry;
}

} // namespace ggml_sched
