#include "support/simulator.h"

#include <algorithm>
#include <deque>
#include <iterator>

namespace plan_test {

using plan::Access;
using plan::CopyOrder;
using plan::Lane;
using plan::TaskKind;

namespace {

constexpr uint64_t kSeed = 0x2545f4914f6cdd1d;

uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15 + kSeed;
    return hash ^ (hash >> 29);
}

class Memory {
  public:
    explicit Memory(int window)
        : window_(static_cast<uint32_t>(window)) {}

    // Reads, then writes. Returns a hash of all that was there before.
    uint64_t touch(int operation, uint32_t run, const std::vector<Access> & accesses) {
        uint64_t seen = mix(kSeed, static_cast<uint64_t>(operation));
        for (const Access & access : accesses) {
            for (uint64_t at = access.begin; at < access.end; at++) {
                seen = mix(seen, versions_[key(access, run, at)]);
            }
        }
        for (const Access & access : accesses) {
            for (uint64_t at = access.begin; access.write && at < access.end; at++) {
                versions_[key(access, run, at)] = seen;
            }
        }
        return seen;
    }

  private:
    using Key = std::tuple<plan::Space, uint32_t, uint64_t>;

    Key key(const Access & access, uint32_t run, uint64_t at) const {
        return {access.space, access.space == plan::kRing ? run % window_ : 0, at};
    }

    const uint32_t window_;
    std::map<Key, uint64_t> versions_;
};

std::vector<Access> accesses_of(const plan::Program & program, const plan::Task & task,
                                bool (*includes)(const plan::Task & task, const Access & access)) {
    const auto first = program.accesses.begin() + task.first_access;
    std::vector<Access> result;
    std::copy_if(first, first + task.n_accesses, std::back_inserter(result),
                 [&](const Access & access) { return includes(task, access); });
    return result;
}

} // namespace

size_t RandomSchedule::choose(const std::vector<size_t> & able, const std::vector<int> & operation_of) {
    while (priorities_.size() < operation_of.size()) {
        priorities_.push_back(random_() / 2);
    }
    if (random_() % 16 == 0) {
        priorities_[able[random_() % able.size()]] = random_() % 1024;
    }
    if (random_() % 16 == 0) {
        priorities_[able[random_() % able.size()]] = random_() / 2;
    }
    return *std::max_element(able.begin(), able.end(),
                             [&](size_t a, size_t b) { return priorities_[a] < priorities_[b]; });
}

size_t LateSchedule::choose(const std::vector<size_t> & able, const std::vector<int> & operation_of) {
    for (const size_t actor : able) {
        if (operation_of[actor] != late_) {
            return actor;
        }
    }
    return able.front();
}

void Simulator::add_operation(const plan::Task & task, std::vector<Access> accesses, uint32_t run, std::string name) {
    Call call = {Kind::Operation, run, task.lane};
    call.operation = n_operations_++;
    call.task = task;
    call.accesses = std::move(accesses);
    calls_.push_back(std::move(call));
    names_.push_back(std::move(name));
}

void Simulator::add_run(const plan::Plan & plan) {
    const uint32_t run = ++n_runs_;
    const plan::Program & program = plan.program;
    const size_t first_call = calls_.size();
    for (const plan::Step & step : plan.steps) {
        for (uint32_t i = 0; i < step.n_waits; i++) {
            Call call = {Kind::Wait, run};
            call.wait = plan.waits[step.first_wait + i];
            calls_.push_back(std::move(call));
        }
        if (step.kind == plan::StepKind::Record) {
            calls_.push_back({Kind::Record, run, step.lane, step.event});
        }
        if (step.kind == plan::StepKind::Do && program.tasks[step.task].kind != TaskKind::CallerRead) {
            const plan::Task & task = program.tasks[step.task];
            const std::string name = "run " + std::to_string(run) + " task " + std::to_string(step.task);
            if (task.reads_at_call) {
                add_operation({TaskKind::Snapshot, plan::kHost}, accesses_of(program, task, plan::is_at_call), run,
                              name + " (the call)");
            }
            add_operation(task, accesses_of(program, task, plan::is_after_call), run, name);
        }
    }
    for (size_t i = first_call; i < calls_.size(); i++) {
        if (calls_[i].kind != Kind::Wait || calls_[i].wait.reason.cause != plan::WaitCause::Throttle) {
            calls_[i].begins_run = true;
            break;
        }
    }
    for (const plan::CallerRead & read : program.caller_reads) {
        add_operation({TaskKind::CallerRead, read.lane}, {read.bytes}, run + 1,
                      "caller's read after run " + std::to_string(run));
    }
}

void Simulator::add_synchronize() {
    calls_.push_back({Kind::WaitForAll, n_runs_});
}

// The state of one performance
class Simulator::Machinery {
  public:
    Machinery(const Simulator & simulator, Schedule & schedule)
        : simulator_(simulator)
        , schedule_(schedule)
        , queues_(simulator.machine_.n_lanes)
        , last_queued_(simulator.machine_.n_lanes, kNone)
        , memory_(simulator.machine_.window) {
        outcome_.seen.resize(static_cast<size_t>(simulator.n_operations_));
    }

    Outcome run() {
        while (go_on()) {
        }
        if (next_ < simulator_.calls_.size()) {
            outcome_.broken = "nothing can go on";
        }
        return std::move(outcome_);
    }

  private:
    using Event = size_t; // something that happens on a lane: an index into done_
    static constexpr Event kNone = SIZE_MAX;

    struct Entry {
        Event event;
        Event after;       // besides what is in front of it on its lane
        const Call * call; // null if it only waits
    };

    bool is_done(Event event) const { return event == kNone || done_[event]; }
    bool host_is_able() const {
        return next_ < simulator_.calls_.size() &&
               std::all_of(blocked_on_.begin(), blocked_on_.end(), [&](Event event) { return is_done(event); });
    }
    static int operation_of(const Entry & entry) { return entry.call ? entry.call->operation : Schedule::kNothing; }

    bool go_on() {
        std::vector<size_t> able;
        std::vector<int> operations(1, Schedule::kNothing);
        if (host_is_able()) {
            able.push_back(0);
        }
        for (size_t lane = 1; lane < queues_.size(); lane++) {
            if (!queues_[lane].empty() && is_done(queues_[lane].front().after)) {
                able.push_back(operations.size());
            }
            operations.push_back(queues_[lane].empty() ? Schedule::kNothing : operation_of(queues_[lane].front()));
        }
        for (const Entry & copy : on_no_queue_) {
            if (!is_done(copy.event) && is_done(copy.after)) {
                able.push_back(operations.size());
            }
            operations.push_back(operation_of(copy));
        }
        if (able.empty()) {
            return false;
        }
        step(schedule_.choose(able, operations));
        return true;
    }

    void step(size_t actor) {
        if (actor == 0) {
            call(simulator_.calls_[next_++]);
        } else if (actor < queues_.size()) {
            perform(queues_[actor].front());
            queues_[actor].pop_front();
        } else {
            perform(on_no_queue_[actor - queues_.size()]);
        }
    }

    void perform(const Entry & entry) {
        done_[entry.event] = true;
        if (entry.call) {
            touch(*entry.call);
            n_pending_[entry.call->run]--;
        }
    }

    void touch(const Call & call) {
        outcome_.seen[static_cast<size_t>(call.operation)] = memory_.touch(call.operation, call.run, call.accesses);
    }

    Event new_event() {
        done_.push_back(false);
        return done_.size() - 1;
    }

    Event enqueue(size_t lane, Event after, const Call * call) {
        const Event event = new_event();
        queues_[lane].push_back({event, after, call});
        last_queued_[lane] = event;
        if (call) {
            n_pending_[call->run]++;
        }
        return event;
    }

    void call(const Call & call) {
        blocked_on_.clear();
        if (call.begins_run) {
            check_window(call.run);
        }
        switch (call.kind) {
        case Kind::Operation: issue(call); break;
        case Kind::Record:
            records_[{call.lane, call.run % window(), call.event}] = {call.run, enqueue(call.lane, kNone, nullptr)};
            break;
        case Kind::Wait: wait(call); break;
        case Kind::WaitForAll: blocked_on_ = last_queued_; break;
        }
    }

    void issue(const Call & call) {
        if (call.task.kind == TaskKind::CopyAsync) {
            issue_copy(call);
        } else if (call.lane == plan::kHost) {
            touch(call);
        } else {
            enqueue(call.lane, kNone, &call);
        }
    }

    void issue_copy(const Call & call) {
        const Lane source = call.task.source;
        const Lane destination = call.task.destination;
        switch (call.task.order) {
        case CopyOrder::InSource: enqueue(destination, enqueue(source, kNone, &call), nullptr); break;
        case CopyOrder::InDestination: enqueue(destination, last_queued_[source], &call); break;
        case CopyOrder::Unordered: {
            const Event copy = new_event();
            on_no_queue_.push_back({copy, last_queued_[source], &call});
            n_pending_[call.run]++;
            enqueue(destination, copy, nullptr);
            break;
        }
        }
    }

    void wait(const Call & call) {
        const plan::Wait & wait = call.wait;
        Event event = last_queued_[wait.target];
        if (wait.event != plan::kWholeLane) {
            const auto record = records_.find({wait.target, (call.run + window() - wait.age) % window(), wait.event});
            event = record == records_.end() ? kNone : record->second.second;
            if (record == records_.end() || record->second.first != call.run - wait.age) {
                note("a wait of run " + std::to_string(call.run) + " names an event that its run did not record");
            }
        } else if (wait.waiter != plan::kHost) {
            note("a device waits for a whole lane");
        }
        if (wait.waiter == plan::kHost) {
            blocked_on_ = {event};
        } else {
            enqueue(wait.waiter, event, nullptr);
        }
    }

    void check_window(uint32_t run) {
        for (const auto & [other, n] : n_pending_) {
            if (n > 0 && other + window() <= run) {
                note("run " + std::to_string(run) + " begins while run " + std::to_string(other) + " is in flight");
            }
        }
    }

    void note(const std::string & broken) {
        if (outcome_.broken.empty()) {
            outcome_.broken = broken;
        }
    }

    uint32_t window() const { return static_cast<uint32_t>(simulator_.machine_.window); }

    const Simulator & simulator_;
    Schedule & schedule_;
    size_t next_ = 0;               // call
    std::vector<Event> blocked_on_; // the host
    std::vector<std::deque<Entry>> queues_;
    std::vector<Event> last_queued_; // by lane
    std::vector<Entry> on_no_queue_;
    std::vector<bool> done_;
    std::map<std::tuple<Lane, uint32_t, int16_t>, std::pair<uint32_t, Event>> records_;
    std::map<uint32_t, int> n_pending_; // operations, by run
    Memory memory_;
    Outcome outcome_;
};

Outcome Simulator::perform(Schedule & schedule) const {
    return Machinery(*this, schedule).run();
}

Outcome Simulator::perform_in_order() const {
    Outcome outcome;
    Memory memory(machine_.window);
    for (const Call & call : calls_) {
        if (call.kind == Kind::Operation) {
            outcome.seen.push_back(memory.touch(call.operation, call.run, call.accesses));
        }
    }
    return outcome;
}

std::string difference(const Simulator & simulator, const Outcome & truth, const Outcome & outcome) {
    if (!outcome.broken.empty()) {
        return outcome.broken;
    }
    for (size_t i = 0; i < truth.seen.size(); i++) {
        if (truth.seen[i] != outcome.seen[i]) {
            return simulator.name_of(static_cast<int>(i)) + " saw something else than in order";
        }
    }
    return {};
}

} // namespace plan_test
