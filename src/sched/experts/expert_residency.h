// ExpertResidency - which experts of a block have a slot on the device, and which ones get one next.
//
// The score of an expert is how often it was chosen, where a choice counts half as much 16 runs later. An expert that
// was missing gets a free slot. Without one it takes the slot of the expert with the lowest score, if its own is
// clearly higher, and at most two experts do so after a run: an upload must pay for itself. tools/llama-ab/residency.py
// replays this rule and others on recorded choices; docs/experts.md has the figures.
//
// It knows numbers alone, and moves no bytes. One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

class ExpertResidency {
  public:
    static constexpr int kNone = -1;

    ExpertResidency(int n_experts, int n_slots)
        : scores_(static_cast<size_t>(n_experts))
        , slots_(static_cast<size_t>(n_experts), kNone)
        , experts_(static_cast<size_t>(n_slots), kNone) {}

    int n_experts() const { return static_cast<int>(slots_.size()); }
    int n_slots() const { return static_cast<int>(experts_.size()); }
    // Returns the slot of an expert; kNone if it has none.
    int slot_of(int expert) const { return slots_[static_cast<size_t>(expert)]; }
    // Returns the expert in a slot; kNone if it is free.
    int expert_in(int slot) const { return experts_[static_cast<size_t>(slot)]; }

    // Begins to note the choices of a run. Those of the run before count less from now on.
    void begin_run();
    // Notes that the run has chosen an expert, for one of its tokens.
    void note(int expert);

    // Promotion - an expert that gets a slot
    struct Promotion {
        int expert;
        int slot;
    };
    // Gives slots to experts that the last run has missed. Each call is about the runs since the last one.
    std::vector<Promotion> promote();
    // Gives an expert a slot at once. It takes none of an expert that the current run has noted. There must be such a
    // slot.
    int admit(int expert);

  private:
    int weakest_slot(bool may_be_in_use) const;
    void put(int expert, int slot);

    double weight_ = 1.0;        // what a choice counts now
    std::vector<double> scores_; // by expert
    std::vector<int> slots_;     // by expert
    std::vector<int> experts_;   // by slot
    std::vector<int> noted_;     // by the current run
    std::vector<int> missed_;    // since the last promote(), each once
};

} // namespace ggml_sched
