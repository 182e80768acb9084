// InFlight - what earlier runs may still be doing, and how the host waits for it outside of a run.
//
// It owns the history after the last run. Small runs that only wait, or copy a sample, go through it, too. One thread
// at a time uses it.

#pragma once

#include <memory>

#include "exec/executor.h"
#include "observe/verifier.h"
#include "plan/history.h"
#include "plan/rules.h"

namespace ggml_sched {

class InFlight {
  public:
    // All arguments must stay.
    InFlight(const plan::Machine & machine, Executor & executor, observe::Verifier & verifier);

    // Returns what may be in flight now.
    const std::shared_ptr<const plan::History> & history() const { return history_; }
    bool is_empty() const { return history_->empty() && history_->caller_reads.empty(); }

    // Notes a run that is about to be started. `after` is the history after the run, and `idle` the history after a
    // wait for all lanes.
    void add_run(std::shared_ptr<const plan::History> after, std::shared_ptr<const plan::History> idle);

    // Returns true if the host has to wait before it does what this program says.
    bool must_wait_before(const plan::Program & program, const plan::Rules & rules) const;
    // Waits until the host may do what this program says. A wait is a small run of its own. `waited` tells whether
    // there was one.
    Status wait_before(const plan::Program & program, const plan::Rules & rules, bool & waited);
    // Runs a program without launches, behind what is in flight.
    Status run(const Lowered & lowered);
    // Waits for all lanes because of something that no plan knows. A run broke off, and nobody knows how much of it was
    // started; or memory is needed for something else.
    void abandon(const char * why);
    // Waits for all lanes because the caller wants that.
    void synchronize();

  private:
    Status run(const plan::Program & program, const std::vector<CopyBinding> & copies, const plan::Rules & rules);

    const plan::Machine & machine_;
    Executor & executor_;
    observe::Verifier & verifier_;
    std::shared_ptr<const plan::History> history_;
    std::shared_ptr<const plan::History> idle_; // history after a wait for all lanes
};

} // namespace ggml_sched
