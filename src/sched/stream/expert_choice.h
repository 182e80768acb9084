// ExpertChoice - decides how the weights of experts are streamed: whole and ahead of their use, or by the ids. By the
// ids only the experts that the ids name are sent, once the ids are known.
//
// By the ids the host waits for the ids of each layer, and the times of copying and computing add up. Whole, the longer
// of the two counts, and a part of the shorter one:
//
//   by the ids   compute + share * all
//   whole        max(compute, all) + min(compute, all) / (slots - 1)
//
// `all` is the time to copy all experts. `share` is the part of the experts that a batch uses. `slots` is how many of
// the largest weight the ring holds. With two slots a copy and the launch before it wait for each other most of the
// time, so little overlaps. With many slots only the first copy has nothing to hide behind. Where the
// device does not copy and compute at the same time, both times add up.
//
// Compute and share are measured in runs by the ids: in the first runs with a number of tokens, and then now and then.
// They depend on the router: even a large batch may use only a part of the experts. Results do not depend on the
// choice.
//
// One thread at a time uses an ExpertChoice. It owns the measured times, and refers to nothing.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "ggml.h"

namespace ggml_sched {

// ExpertBatch - how many experts a batch of tokens has in one layer, and how many it uses
struct ExpertBatch {
    int64_t n_experts = 0; // 0 if there are no experts
    int64_t n_used = 0;    // experts that each token uses
    int64_t n_tokens = 0;

    // Returns the batch of a MUL_MAT_ID.
    static ExpertBatch of(const ggml_tensor * mul_mat_id);

    friend bool operator==(const ExpertBatch & a, const ExpertBatch & b) {
        return a.n_experts == b.n_experts && a.n_used == b.n_used && a.n_tokens == b.n_tokens;
    }
};

// ExpertChoice - the times that were measured, and the choice that follows from them
class ExpertChoice {
  public:
    // Returns true if all experts are to be sent ahead, and false if they are to be sent by the ids.
    bool streams_whole(const ExpertBatch & batch) const;

    // Run - the times of one run by the ids
    struct Run {
        double us;        // time that the host was busy with the run
        double copied_us; // time that copying the named experts takes
        double all_us;    // time that copying all experts would take
        double slots;     // how many of the largest weight the ring holds
        bool overlaps;    // the device copies and computes at the same time
    };
    // Notes a measured run by the ids. Returns true if streams_whole() answers otherwise since then.
    bool note_by_ids(const ExpertBatch & batch, const Run & run);
    // Notes a run that was not measured.
    void note_whole(const ExpertBatch & batch);

    // Returns a sentence that says what is known of batches like this one, and how they are streamed.
    std::string text_of(const ExpertBatch & batch) const;

  private:
    // Known - what was measured with batches that are alike
    struct Known {
        int n_measured = 0;
        int n_since = 0; // runs since the last measurement
        double compute_us = 0;
        double copied_us = 0;
        double all_us = 0;
        bool prefers_whole = false;
    };
    // Batches are alike if their key is the same: experts, used experts, and tokens as a power of two, rounded up.
    using Key = std::tuple<int64_t, int64_t, int>;
    static Key key_of(const ExpertBatch & batch);
    static bool is_whole(const Known & known);

    std::map<Key, Known> known_;
};

} // namespace ggml_sched
