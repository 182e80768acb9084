// Machines and programs in few words, for tests of the planner.

#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "observe/verifier.h"
#include "plan/planner.h"

namespace plan_test {

namespace plan = ggml_sched::plan;

// Lanes 1 to n_devices record events that reach everywhere.
plan::Machine machine_with_events(int n_devices, int window = 2);
plan::Machine machine_without_events(int n_devices, int window = 2);
void take_events_from(plan::Machine & machine, plan::Lane lane);

constexpr plan::Space kMemoryA = plan::kFirstBufferSpace;
constexpr plan::Space kMemoryB = plan::kFirstBufferSpace + 1;
constexpr plan::Space kMemoryC = plan::kFirstBufferSpace + 2;

plan::Access read(plan::Space space, uint64_t begin, uint64_t end);
plan::Access write(plan::Space space, uint64_t begin, uint64_t end);

// Appends tasks; a launch ends the current split.
class ProgramBuilder {
  public:
    explicit ProgramBuilder(plan::Mode mode = plan::Mode::Auto) { program_.mode = mode; }

    ProgramBuilder & launch(plan::Lane lane, std::initializer_list<plan::Access> accesses);
    ProgramBuilder & observe(std::initializer_list<plan::Access> reads); // what the last launch has computed
    ProgramBuilder & snapshot(plan::Access from, plan::Access to);
    ProgramBuilder & set(plan::Lane lane, plan::Access from, plan::Access to);
    // From memory that the device reads before the call returns, or later
    ProgramBuilder & set_at_call(plan::Lane lane, plan::Access from, plan::Access to);
    ProgramBuilder & set_staged(plan::Lane lane, plan::Access from, plan::Access to); // read by the call only
    // Lets the host make the last copy at once where it need not wait for that.
    ProgramBuilder & may_be_now();
    // The copy callback may write `rewritten`, which is host memory; `from` is not read after the call.
    ProgramBuilder & offer(plan::Lane lane, plan::Access from, plan::Access to, plan::Access rewritten);
    ProgramBuilder & get(plan::Lane lane, plan::Access from, plan::Access to);
    ProgramBuilder & copy(plan::CopyOrder order, plan::Lane source, plan::Lane destination, plan::Access from,
                          plan::Access to);
    ProgramBuilder & copy_now(plan::Lane source, plan::Lane destination, plan::Access from, plan::Access to);
    ProgramBuilder & give_back(std::initializer_list<plan::Access> inputs); // the Return task
    ProgramBuilder & caller_read(plan::Lane lane, plan::Access bytes);

    const plan::Program & program() const { return program_; }

    void add(plan::Task task, const std::vector<plan::Access> & accesses);

  private:
    plan::Program program_;
};

// One run after another, each of which has to satisfy the verifier.
class Runs {
  public:
    explicit Runs(const plan::Machine & machine)
        : machine_(machine)
        , verifier_(machine_) {}
    Runs(const Runs &) = delete;
    Runs & operator=(const Runs &) = delete;

    const plan::Plan & run(const plan::Program & program);
    const plan::Plan & run(const ProgramBuilder & builder) { return run(builder.program()); }
    const plan::History & history() const { return history_; }
    void synchronize();

  private:
    const plan::Machine machine_;
    ggml_sched::observe::Verifier verifier_;
    plan::History history_;
    std::shared_ptr<const plan::Plan> last_;
};

using Waits = std::vector<std::string>;

// The waits in the order in which they are performed, one line each, e.g. "2 waits for 1#0 (RAW 0->1)": lane 2, event 0
// of lane 1, and the tasks of the hazard. "-" is an earlier run, "@1" means one run ago, "*" the whole lane.
Waits waits_of(const plan::Plan & plan);
// The waits of a first run of the program
Waits waits_on(const plan::Machine & machine, const ProgramBuilder & builder);

// The plan without its wait number `index`
plan::Plan without_wait(const plan::Plan & plan, size_t index);

} // namespace plan_test
