#include "experts/parting_trial.h"

#include <algorithm>

#include "host/tuning.h"

namespace ggml_sched {

bool PartingTrial::parts(int64_t n_pairs) const {
    const auto known = times_.find(n_pairs);
    return known == times_.end() || (!known->second.is_off && known->second.n_parted < known->second.until);
}

bool PartingTrial::is_off(int64_t n_pairs) const {
    const auto known = times_.find(n_pairs);
    return known != times_.end() && known->second.is_off;
}

std::string PartingTrial::note(int64_t n_pairs, bool was_parted, double us) {
    Times & times = times_[n_pairs];
    times.until = times.until == 0 ? Tuning::kPartedBeforeTrial : times.until;
    if (times.is_off) {
        return "";
    }
    if (was_parted) {
        const bool counts = ++times.n_parted > times.until - Tuning::kPartedInTrial;
        times.parted_us = counts ? std::min(times.parted_us, us) : times.parted_us;
        return "";
    }
    times.whole_us = std::min(times.whole_us, us);
    if (++times.n_whole < Tuning::kWholeInTrial) {
        return "";
    }
    const bool is_lost = times.whole_us < times.parted_us;
    const double parted_us = times.parted_us;
    const double whole_us = times.whole_us;
    times.n_lost = is_lost ? times.n_lost + 1 : 0;
    times.is_off = times.n_lost == Tuning::kLostTrials;
    times.until = is_lost ? Tuning::kPartedBeforeTrial : Tuning::kPartedBetweenTrials;
    times.n_parted = times.n_whole = 0;
    times.parted_us = times.whole_us = kNever;
    if (!times.is_off) {
        return "";
    }
    const auto in_ms = [](double time_us) { return std::to_string(time_us / 1000.0) + " ms"; };
    return "a run took " + in_ms(parted_us) + " with banks of experts and " + in_ms(whole_us) +
           " without, so the banks are not used for graphs with " + std::to_string(n_pairs) +
           " pairs of a token and an expert";
}

int PartingTrial::n_off() const {
    return static_cast<int>(
        std::count_if(times_.begin(), times_.end(), [](const auto & each) { return each.second.is_off; }));
}

} // namespace ggml_sched
