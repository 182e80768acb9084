// PartingTrial - whether it pays to part pairs, which it finds out by runs of the same graph without it, or from what
// entries save.
//
// After the first runs with a number of pairs, when banks have filled, an allocated graph stays as the caller built it
// for two runs. If these were faster twice in a row, pairs are no longer parted in graphs with that number of pairs.
// Otherwise it is tried again now and then, since what routers choose changes.
//
// A graph stays as it is until the caller allocates the next one. So a trial begins only if all graphs since the last
// one had few runs each: with an engine that keeps a graph for many tokens, it would last for as many. Such an engine
// gets no trial. If entries save less of its runs than what parting costs, over many runs and twice in a row, pairs are
// no longer parted either.
//
// One thread at a time uses a PartingTrial. It owns the measured times.

#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>

namespace ggml_sched {

class PartingTrial {
  public:
    // Begins with a graph that has so many pairs. Returns whether they are to be parted.
    bool begin(int64_t n_pairs);
    // Notes how long the host was busy with a run of the graph, and how much longer the CPU would have worked without
    // banks, if that is known. Returns a sentence if pairs are no longer parted from here on; else "".
    std::string note(int64_t n_pairs, bool was_parted, double us, std::optional<double> saved_us);
    // Returns for how many numbers of pairs they are no longer parted.
    int n_off() const;

  private:
    // Times - the runs with one number of pairs since the last trial
    struct Times {
        int until = 0; // a trial may begin after so many parted runs; 0: not known yet
        int n_parted = 0;
        int n_runs = 0;        // of the graph
        bool keeps = false;    // a graph had many runs
        bool is_trial = false; // the graph is not parted, for a trial that has not ended
        int n_counted = 0;
        double parted_us = 0.0; // mean of the n_counted last parted runs, with their uploads
        int n_whole = 0;
        double whole_us = std::numeric_limits<double>::infinity(); // the shortest
        int n_lost = 0;   // in a row: trials in which the graph was faster as built, or many runs that saved little
        int n_judged = 0; // runs of kept graphs, and what they took and saved
        double judged_us = 0.0;
        double saved_us = 0.0;
        bool is_off = false;
    };
    static std::string end_trial(Times & times, int64_t n_pairs);
    static std::string judge(Times & times, int64_t n_pairs, double us, double saved_us);

    std::map<int64_t, Times> times_; // by number of pairs
};

} // namespace ggml_sched
