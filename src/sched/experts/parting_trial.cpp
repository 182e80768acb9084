#include "experts/parting_trial.h"

#include <algorithm>
#include <cmath>

#include "host/tuning.h"

namespace ggml_sched {

bool PartingTrial::begin(int64_t n_pairs) {
    Times & times = times_[n_pairs];
    times.until = times.until == 0 ? Tuning::kPartedBeforeTrial : times.until;
    times.n_runs = 0;
    times.is_trial = !times.is_off && !times.keeps && times.n_parted >= times.until;
    return !times.is_off && !times.is_trial;
}

std::string PartingTrial::note(int64_t n_pairs, bool was_parted, double us, std::optional<double> saved_us) {
    Times & times = times_[n_pairs];
    times.keeps = times.keeps || ++times.n_runs > Tuning::kRunsOfAGraph;
    if (was_parted) {
        if (++times.n_parted > times.until - Tuning::kPartedInTrial) {
            times.n_counted++;
            times.parted_us += (us - times.parted_us) / times.n_counted;
        }
        return times.keeps && saved_us ? judge(times, n_pairs, us, *saved_us) : "";
    }
    if (!times.is_trial) {
        return ""; // It has ended, and the graph is still there.
    }
    times.whole_us = std::min(times.whole_us, us);
    return ++times.n_whole < Tuning::kWholeInTrial ? "" : end_trial(times, n_pairs);
}

// Returns how the sentence ends that says why graphs are no longer parted.
static std::string so_no_longer_parted(int64_t n_pairs) {
    return ", so graphs are no longer parted that have " + std::to_string(n_pairs) +
           " pairs of a token and an expert; GGML_SCHED_EXPERT_MISSES=none uses the memory for whole layers";
}

std::string PartingTrial::end_trial(Times & times, int64_t n_pairs) {
    const Times ended = times;
    const bool is_lost = ended.whole_us < ended.parted_us;
    times = {};
    times.n_lost = is_lost ? ended.n_lost + 1 : 0;
    times.is_off = times.n_lost == Tuning::kLostTrials;
    times.until = is_lost ? Tuning::kPartedBeforeTrial : Tuning::kPartedBetweenTrials;
    if (!times.is_off) {
        return "";
    }
    const auto in_ms = [](double us) { return std::to_string(us / 1000.0) + " ms"; };
    return "a run took " + in_ms(ended.parted_us) + " with banks of experts and " + in_ms(ended.whole_us) + " without" +
           so_no_longer_parted(n_pairs);
}

// Counts a run of an engine that keeps graphs. After many runs it decides whether their entries have saved enough.
std::string PartingTrial::judge(Times & times, int64_t n_pairs, double us, double saved_us) {
    if (times.is_off) {
        return "";
    }
    times.judged_us += us;
    times.saved_us += saved_us;
    if (++times.n_judged < Tuning::kRunsToJudge) {
        return "";
    }
    const double part = times.saved_us / times.judged_us;
    times.n_lost = part < Tuning::kLeastSaved ? times.n_lost + 1 : 0;
    times.is_off = times.n_lost == Tuning::kLostTrials;
    times.n_judged = 0;
    times.judged_us = 0.0;
    times.saved_us = 0.0;
    return times.is_off
               ? "banks of experts have saved " + std::to_string(std::lround(100.0 * part)) +
                     " % of the time of runs, which is probably less than they cost" + so_no_longer_parted(n_pairs)
               : "";
}

int PartingTrial::n_off() const {
    return static_cast<int>(
        std::count_if(times_.begin(), times_.end(), [](const auto & each) { return each.second.is_off; }));
}

} // namespace ggml_sched
