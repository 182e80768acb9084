// The verifier: proves that a plan orders every hazard, in another way than the planner finds them.
//
// It builds the graph of everything that the last runs and this one do - one vertex per step, an edge wherever the
// contract of ggml-backend.h promises an order - and computes which vertex reaches which. Then any two steps that touch
// the same byte, one of them writing, must be connected. It shares the plan's types with the planner and no code.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "observe/text.h"

namespace ggml_sched::observe {

// What a task's bytes are called, for messages; "" if nobody knows.
using TensorsAt = std::function<std::string(const plan::Task & task, const plan::Access & bytes)>;

class Verifier {
  public:
    explicit Verifier(const plan::Machine & machine)
        : machine_(machine) {}

    // "" if the plan, run after those that were noted, orders every hazard; else a description of the first that it
    // does not, and the wait that would. With names, in words; `tensors_at` is asked about runs with the same names.
    std::string check(const plan::Plan & plan, const std::shared_ptr<const Names> & names = nullptr,
                      const TensorsAt & tensors_at = {}) const;

    // "" if the plan needs each of its waits; else the first that it does not. Waits that a mode asks for, or that
    // bound the runs in flight, are not derived from hazards and not looked at.
    std::string find_superfluous_wait(const plan::Plan & plan) const;

    // The plan has been run. It must stay until it is forgotten, `window` runs later.
    void note(std::shared_ptr<const plan::Plan> plan, std::shared_ptr<const Names> names = nullptr);

    // Nothing is in flight any more; the caller may still enqueue these reads.
    void forget(const std::vector<plan::CallerRead> & caller_reads) {
        runs_.clear();
        caller_reads_ = caller_reads;
    }
    void forget() {
        runs_.clear();
        caller_reads_.clear();
    }

  private:
    struct Run {
        std::shared_ptr<const plan::Plan> plan;
        std::shared_ptr<const Names> names;
    };

    const plan::Machine & machine_;
    std::vector<plan::CallerRead> caller_reads_; // before the oldest run
    std::deque<Run> runs_;                       // oldest first
};

} // namespace ggml_sched::observe
