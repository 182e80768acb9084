// Verifier - proves that a plan orders every hazard, in another way than the planner finds hazards.
//
// The verifier makes an OrderGraph of all that the last runs and this one do. It has a vertex for each step, and an
// edge wherever the contract of ggml-backend.h promises an order. Two steps that touch the same byte, of which one
// writes, must then be connected. The verifier shares types with the planner, and no code.
//
// One thread at a time uses it. It owns the plans of the last runs together with the scheduler.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "observe/text.h"

namespace ggml_sched::observe {

// TensorsAt - a function that returns the names of the tensors that a task touches in some bytes; "" if none is known
using TensorsAt = std::function<std::string(const plan::Task & task, const plan::Access & bytes)>;

class Verifier {
  public:
    // `machine` must stay.
    explicit Verifier(const plan::Machine & machine)
        : machine_(machine) {}

    // Returns "" if the plan orders every hazard when it runs after the plans that were noted. Otherwise describes the
    // first hazard that is not ordered, and the wait that would order it. The text uses `names` where they are given.
    // It uses `tensors_at` for steps of runs that have the same names.
    std::string check(const plan::Plan & plan, const std::shared_ptr<const Names> & names = nullptr,
                      const TensorsAt & tensors_at = {}) const;

    // Returns "" if the plan needs each of its waits, else the first wait that it does not need. Does not look at waits
    // of a mode and of the throttle, which come from no hazard.
    std::string find_superfluous_wait(const plan::Plan & plan) const;

    // Notes a plan that is run after those that were noted. The verifier keeps the last `window` plans.
    void note(std::shared_ptr<const plan::Plan> plan, std::shared_ptr<const Names> names = nullptr);

    // Notes that nothing is in flight any more, except the reads that the caller may still enqueue.
    void forget(const std::vector<plan::CallerRead> & caller_reads) {
        runs_.clear();
        caller_reads_ = caller_reads;
    }
    void forget() {
        runs_.clear();
        caller_reads_.clear();
    }

  private:
    // Run - a run that may be in flight
    struct Run {
        std::shared_ptr<const plan::Plan> plan;
        std::shared_ptr<const Names> names;
    };

    const plan::Machine & machine_;
    std::vector<plan::CallerRead> caller_reads_; // reads that the caller may have enqueued before the oldest run
    std::deque<Run> runs_;                       // the oldest run comes first
};

} // namespace ggml_sched::observe
