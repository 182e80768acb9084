// Simulator - performs plans on imagined lanes, in whatever order the contract of ggml-backend.h permits, and notes
// what every operation saw. It knows nothing about hazards: a missing wait shows as an operation that saw something
// else than it sees when everything is done at once, in the order of issue.
//
// Memory holds versions: each byte holds a hash of what wrote it, of all that it had read, and of what it overwrote.

#pragma once

#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "plan/plan.h"

namespace plan_test {

namespace plan = ggml_sched::plan;

struct Outcome {
    std::vector<uint64_t> seen; // by operation, in order of issue: a hash of the bytes that it read and overwrote
    std::string broken;         // the first promise that the plan did not keep, "" if none
};

// Decides what happens next.
class Schedule {
  public:
    virtual ~Schedule() = default;
    // One of the actors 0 .. n_actors - 1 (0 is the host, then the lanes, then copies on no queue) that are able to go
    // on. `operation_of` tells which operation each of them would perform, kNothing if none.
    virtual size_t choose(const std::vector<size_t> & able, const std::vector<int> & operation_of) = 0;
    static constexpr int kNothing = -1;
};

// Actors have priorities; the first that is able goes on. Now and then one sinks to the lowest priority.
class RandomSchedule : public Schedule {
  public:
    explicit RandomSchedule(uint64_t seed)
        : random_(seed) {}
    size_t choose(const std::vector<size_t> & able, const std::vector<int> & operation_of) override;

  private:
    std::mt19937_64 random_;
    std::vector<uint64_t> priorities_; // by actor
};

// One operation happens as late as possible, after everything that need not wait for it. What must be ordered behind
// an operation, and is not, is overtaken here in every case.
class LateSchedule : public Schedule {
  public:
    explicit LateSchedule(int operation)
        : late_(operation) {}
    size_t choose(const std::vector<size_t> & able, const std::vector<int> & operation_of) override;

  private:
    int late_;
};

class Simulator {
  public:
    explicit Simulator(const plan::Machine & machine)
        : machine_(machine) {}

    // The runs that are performed one after another. The caller reads all that it may after each.
    void add_run(const plan::Plan & plan);
    void add_synchronize();

    Outcome perform(Schedule & schedule) const;
    Outcome perform_in_order() const; // the truth
    int n_operations() const { return n_operations_; }
    // "run 2 task 3"
    const std::string & name_of(int operation) const { return names_[static_cast<size_t>(operation)]; }

  private:
    enum class Kind { Operation, Record, Wait, WaitForAll };

    // What the host does, in order
    struct Call {
        Kind kind;
        uint32_t run;
        plan::Lane lane = plan::kHost;    // of the operation or the record
        int16_t event = plan::kWholeLane; // Record
        plan::Wait wait = {};             // Wait
        int operation = Schedule::kNothing;
        plan::Task task = {};
        std::vector<plan::Access> accesses = {};
        bool begins_run = false; // the first call of a run that does not throttle
    };

    class Machinery;

    void add_operation(const plan::Task & task, std::vector<plan::Access> accesses, uint32_t run, std::string name);

    plan::Machine machine_;
    std::vector<Call> calls_;
    std::vector<std::string> names_;
    uint32_t n_runs_ = 0;
    int n_operations_ = 0;
};

// "" if every operation sees under this schedule what it sees in order, and no promise is broken.
std::string difference(const Simulator & simulator, const Outcome & truth, const Outcome & outcome);

} // namespace plan_test
