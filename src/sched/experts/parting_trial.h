// PartingTrial - whether it pays to part pairs, which it finds out by runs of the same graph without it.
//
// After the first runs with a number of pairs, when entries have filled, two runs compute the graph as the caller built
// it. If these were faster twice in a row, pairs are no longer parted in graphs with that number of pairs. Otherwise
// it is tried again now and then, since what routers choose changes.
//
// One thread at a time uses a PartingTrial. It owns the measured times.

#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>

namespace ggml_sched {

class PartingTrial {
  public:
    // True if the next graph with so many pairs is to be parted.
    bool parts(int64_t n_pairs) const;
    // True if they are no longer parted.
    bool is_off(int64_t n_pairs) const;
    // Notes how long the host was busy with a run. Returns a sentence if pairs are no longer parted from here on; else
    // "".
    std::string note(int64_t n_pairs, bool was_parted, double us);
    // Returns for how many numbers of pairs they are no longer parted.
    int n_off() const;

  private:
    static constexpr double kNever = std::numeric_limits<double>::infinity();
    // Times - the runs with one number of pairs since the last trial
    struct Times {
        int until = 0; // the trial begins after so many parted runs; 0: not known yet
        int n_parted = 0;
        int n_whole = 0;
        double parted_us = kNever; // the shortest of the last runs
        double whole_us = kNever;
        int n_lost = 0; // trials in a row in which the graph was faster as built
        bool is_off = false;
    };

    std::map<int64_t, Times> times_; // by number of pairs
};

} // namespace ggml_sched
