// ExpertChoice - decides how the weights of experts are streamed: whole and ahead of their use, or by the ids. By the
// ids only the experts that the ids name are sent, once the ids are known.
//
// By the ids the host waits for the ids of each layer, and the times of copying and computing add up. Whole, only the
// longer of the two counts:
//
//   by the ids   compute + share * all                            all: the time to copy all experts
//   whole        max(compute, all) + min(compute, all) / (slots - 1)
//
// `share` is the part of the experts that a batch uses; `slots` says how many of the largest weight the ring holds.
// With two slots a copy and the launch before it wait for each other most of the time, so little overlaps: on an H100
// whole was 9 % slower there than no streaming. With many slots only the first copy has nothing to hide behind.
//
// Compute and share are measured in runs by the ids: in the first runs with a number of tokens, and then now and then.
// They depend on the router: a batch of 2,048 tokens may use a third of the experts. Results do not depend on the
// choice.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "ggml.h"

namespace ggml_sched {

// The experts of a batch, in one layer
struct ExpertBatch {
    int64_t n_experts = 0; // 0: there are none
    int64_t n_used = 0;    // by each token
    int64_t n_tokens = 0;

    static ExpertBatch of(const ggml_tensor * mul_mat_id);

    friend bool operator==(const ExpertBatch & a, const ExpertBatch & b) {
        return a.n_experts == b.n_experts && a.n_used == b.n_used && a.n_tokens == b.n_tokens;
    }
};

class ExpertChoice {
  public:
    bool streams_whole(const ExpertBatch & batch) const;

    struct Run {
        double us;        // that the host was busy with it
        double copied_us; // the time that copying the experts in use takes
        double all_us;    // and that of all experts
        double slots;     // of the largest weight in the ring; 2 at least
    };
    // True if an answer has changed by it.
    bool note_by_ids(const ExpertBatch & batch, const Run & run);
    void note_whole(const ExpertBatch & batch);

    // What is known of a batch like this one, and what follows, in a sentence
    std::string text_of(const ExpertBatch & batch) const;

  private:
    struct Known {
        int n_measured = 0;
        int n_since = 0; // runs since the last measurement
        double compute_us = 0;
        double copied_us = 0;
        double all_us = 0;
        bool prefers_whole = false;
    };
    using Key = std::tuple<int64_t, int64_t, int>;
    static Key key_of(const ExpertBatch & batch);
    static bool is_whole(const Known & known);

    std::map<Key, Known> known_; // batches of about the same number of tokens are alike
};

} // namespace ggml_sched
