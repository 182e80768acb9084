// ExpertResidency - which experts of a block have an entry on the device, and which ones get one next.
//
// The score of an expert is how often it was chosen, where a choice counts half as much 16 runs later. An expert that
// was missing gets an entry that is free, or whose expert was never chosen. Without one it takes the entry of the
// expert with the lowest score, if its own is clearly higher. At most two experts do so after a run: an upload must pay
// for itself, see PromotionBudget. tools/llama-ab/residency.py replays this rule and others on recorded choices;
// docs/experts.md has the figures.
//
// It knows numbers alone, and moves no bytes. One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

// PromotionLimits - which experts may get an entry for later runs
struct PromotionLimits {
    size_t most = SIZE_MAX;          // experts that get an entry
    size_t most_replaced = SIZE_MAX; // experts that replace one that was chosen before
    double least_gain = 0.0;         // how much higher the score of such an expert must be, in choices of the last run
};

class ExpertResidency {
  public:
    static constexpr int kNone = -1;

    ExpertResidency(int n_experts, int n_entries)
        : scores_(static_cast<size_t>(n_experts))
        , times_chosen_(static_cast<size_t>(n_experts))
        , entries_(static_cast<size_t>(n_experts), kNone)
        , experts_(static_cast<size_t>(n_entries), kNone) {}

    int n_experts() const { return static_cast<int>(entries_.size()); }
    int n_entries() const { return static_cast<int>(experts_.size()); }
    // Returns the entry of an expert; kNone if it has none.
    int entry_of(int expert) const { return entries_[static_cast<size_t>(expert)]; }
    // Returns the expert in an entry; kNone if it is free.
    int expert_in(int entry) const { return experts_[static_cast<size_t>(entry)]; }

    // Returns how many experts have an entry.
    int n_in_entries() const;

    // Makes room for the choices of a run, so that the functions for one need no memory.
    void make_room(int64_t n_choices) {
        noted_.reserve(static_cast<size_t>(n_choices));
        missed_.reserve(entries_.size());
        promotions_.reserve(entries_.size());
        admissions_.reserve(experts_.size());
    }
    // Lets the first experts have the entries. They count as never chosen.
    void fill();
    // Lets all entries be free, since nobody knows what is in them.
    void clear();
    // Begins to note the choices of a run. Those of the run before count less from now on.
    void begin_run();
    // Notes that the run has chosen an expert, for one of its tokens.
    void note(int expert);

    // NewEntry - an expert that gets an entry. Its bytes are to follow.
    struct NewEntry {
        int expert;
        int entry;
    };
    // Gives entries to experts that the runs since the last call have missed. Returns how many of them have replaced an
    // expert that was chosen before.
    size_t promote(const PromotionLimits & limits = {});
    // Returns what the last promote() has given, until forget_promotions().
    const std::vector<NewEntry> & promotions() const { return promotions_; }
    void forget_promotions() noexcept { promotions_.clear(); }
    // Gives an expert that the current run needs an entry, and returns it. It takes none of an expert that the run has
    // noted; kNone if there is no other.
    int admit(int expert);
    // Returns what admit() has given in the current run.
    const std::vector<NewEntry> & admissions() const { return admissions_; }
    // True if admit() has given an entry since forget_admitted().
    bool has_admitted() const { return has_admitted_; }
    void forget_admitted() noexcept { has_admitted_ = false; }
    double score_of(int expert) const { return scores_[static_cast<size_t>(expert)]; }
    // Returns by expert how often it was chosen since forget_times_chosen().
    const std::vector<uint32_t> & times_chosen() const { return times_chosen_; }
    void forget_times_chosen() noexcept { std::fill(times_chosen_.begin(), times_chosen_.end(), 0); }

  private:
    int weakest_entry(bool may_be_in_use) const;
    void put(int expert, int entry);

    double weight_ = 1.0;                // what a choice counts now
    std::vector<double> scores_;         // by expert
    std::vector<uint32_t> times_chosen_; // by expert
    std::vector<int> entries_;           // by expert
    std::vector<int> experts_;           // by entry
    std::vector<int> noted_;             // by the current run
    std::vector<int> missed_;            // since the last promote(), each once
    std::vector<NewEntry> promotions_;
    std::vector<NewEntry> admissions_;
    bool has_admitted_ = false;
};

} // namespace ggml_sched
