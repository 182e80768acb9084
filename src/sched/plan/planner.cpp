#include "plan/planner.h"

#include <algorithm>

#include "plan/byte_intervals.h"
#include "plan/lanes.h"
#include "plan/needs.h"

namespace ggml_sched::plan {

namespace {

// The program with the caller's possible reads of the last run's results in front.
Program with_caller_reads(const Program & program, const History & history) {
    Program result = program;
    std::vector<Task> reads;
    for (const CallerRead & read : history.caller_reads) {
        if (reads.empty() || reads.back().lane != read.lane) {
            reads.push_back({TaskKind::CallerRead, read.lane});
            reads.back().first_access = static_cast<uint32_t>(result.accesses.size());
        }
        result.accesses.push_back(read.bytes);
        reads.back().n_accesses++;
    }
    result.tasks.insert(result.tasks.begin(), reads.begin(), reads.end());
    return result;
}

class Planner {
  public:
    Planner(const Machine & machine, const Program & program, const History & history, const Rules & rules)
        : machine_(machine)
        , rules_(rules)
        , program_(with_caller_reads(program, history))
        , intervals_(program_.accesses, history)
        , lanes_(machine, history)
        , before_(program_.tasks.size())
        , after_(program_.tasks.size()) {}

    Planned run() {
        // The caller's reads are queued already: a lane that is drained to throttle has done them, too.
        int32_t next = 0;
        const int32_t n_tasks = static_cast<int32_t>(program_.tasks.size());
        while (next < n_tasks && program_.tasks[next].kind == TaskKind::CallerRead) {
            visit(next++);
        }
        throttle();
        while (next < n_tasks) {
            visit(next++);
        }
        record_ends();
        Planned result;
        leave(result.next);
        emit(result.plan);
        return result;
    }

  private:
    // Lets at most `window` runs be in flight.
    void throttle() {
        Needs needs;
        for (int i = 1; i < machine_.n_lanes; i++) {
            for (const Point & point : lanes_.old_points(static_cast<Lane>(i))) {
                if (point.age >= machine_.window) {
                    needs.add(static_cast<Lane>(i), point.position, {WaitCause::Throttle, 0, kEarlierRun, {}});
                }
            }
        }
        wait_for(kHost, {}, needs, lanes_.known_to_host(), throttle_waits_);
    }

    void visit(int32_t index) {
        const Task & task = program_.tasks[index];
        const Lane waiter = waiter_of(task);
        std::vector<Wait> & waits = before_[index];

        mode_waits_before(index, waits);
        Needs needs;
        Needs needs_of_call;
        for (uint32_t i = 0; i < task.n_accesses; i++) {
            const uint32_t access = task.first_access + i;
            Needs & whose = is_at_call(task, program_.accesses[access]) ? needs_of_call : needs;
            whose.add_hazards(index, access, intervals_, program_, rules_);
        }
        wait_for(waiter, needs_of_call, needs, start_of(task), waits);
        lanes_.learn_from_drains(waits);
        issue(index);
        mode_waits_after(index, after_[index]);
    }

    // The lane on which a wait delays the task
    static Lane waiter_of(const Task & task) {
        const bool by_source = task.kind == TaskKind::CopyAsync && task.order != CopyOrder::InDestination;
        return by_source ? task.source : task.lane;
    }

    // What the task can rely on if it were issued now
    VectorClock start_of(const Task & task) const {
        VectorClock start = lanes_.known_to(waiter_of(task));
        if (task.kind == TaskKind::CopyAsync) {
            start.join(lanes_.known_to(task.source));
        }
        return start;
    }

    // A position that must be complete, before the host issues a task or before the task starts
    struct WaitCandidate {
        Lane waiter;
        Lane target;
        Need need;
        bool blocks_host;
    };

    void wait_for(Lane waiter, const Needs & needs_of_call, const Needs & needs, const VectorClock & start,
                  std::vector<Wait> & waits) {
        std::vector<WaitCandidate> candidates;
        add_candidates(kHost, needs_of_call, lanes_.known_to_host(), candidates);
        add_candidates(waiter, needs, start, candidates);
        if (candidates.size() > 1) {
            drop_implied(start, candidates);
        }
        for (const WaitCandidate & candidate : candidates) {
            lanes_.wait(candidate.waiter, candidate.target, candidate.need.position, candidate.need.reason, waits);
        }
    }

    void add_candidates(Lane waiter, const Needs & needs, const VectorClock & known,
                        std::vector<WaitCandidate> & candidates) const {
        for (int i = 1; i < machine_.n_lanes; i++) {
            const Lane lane = static_cast<Lane>(i);
            if (needs.of[lane].position != kNever && !known.knows(lane, needs.of[lane].position)) {
                candidates.push_back({waiter, lane, needs.of[lane], lanes_.host_must_wait(waiter, lane)});
            }
        }
    }

    // A wait can be dropped if the waits that are left still make everything known that is wanted. Rather drop what
    // blocks the host.
    void drop_implied(const VectorClock & start, std::vector<WaitCandidate> & candidates) const {
        const std::vector<WaitCandidate> all = candidates;
        for (const bool blocks_host : {true, false}) {
            for (size_t i = 0; i < candidates.size();) {
                std::vector<WaitCandidate> left = candidates;
                left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
                if (candidates[i].blocks_host == blocks_host && suffices(start, left, all)) {
                    candidates = std::move(left);
                } else {
                    i++;
                }
            }
        }
    }

    bool suffices(const VectorClock & start, const std::vector<WaitCandidate> & waits,
                  const std::vector<WaitCandidate> & all) const {
        VectorClock host = lanes_.known_to_host();
        VectorClock task = start;
        for (const WaitCandidate & wait : waits) {
            const VectorClock known = lanes_.known_by_waiting(wait.target, wait.need.position);
            task.join(known);
            if (wait.blocks_host) {
                host.join(known);
            }
        }
        return std::all_of(all.begin(), all.end(), [&](const WaitCandidate & candidate) {
            return (candidate.waiter == kHost ? host : task).knows(candidate.target, candidate.need.position);
        });
    }

    void issue(int32_t index) {
        const Task & task = program_.tasks[index];
        if (task.kind == TaskKind::Launch) {
            record_host_reads(task.lane);
        }
        const Position position = lanes_.issue(task.lane, index, start_of(task));
        if (task.kind == TaskKind::CopyAsync && task.order == CopyOrder::InSource) {
            lanes_.teach(task.destination,
                         lanes_.known_at(task.lane, position)); // its queue waits for the copy by itself
        }
        if (task.is_waited_for && task.lane != kHost && machine_.events[task.lane]) {
            lanes_.record_after(task.lane, position);
        }
        touch(index, {task.lane, position});
    }

    // Host memory that a device has read can be overwritten as soon as the copy is done, not only after the launch
    // behind it: an event in between makes that a point that the host, in a later run, can wait for.
    void record_host_reads(Lane lane) {
        if (lane == kHost || !machine_.events[lane] || lanes_.last(lane) == 0) {
            return;
        }
        for (Position position = lanes_.last(lane); position > 0; position--) {
            const Task & task = program_.tasks[lanes_.task_at(lane, position)];
            if (!is_async_copy(task.kind)) {
                return;
            }
            const bool from_host = task.kind == TaskKind::SetAsync || task.kind == TaskKind::Offer;
            if (from_host && !task.only_at_call && program_.accesses[task.first_access].space == kHostMemory) {
                lanes_.record_after(lane, lanes_.last(lane));
                return;
            }
        }
    }

    void touch(int32_t index, LaneAccess lane_access) {
        const Task & task = program_.tasks[index];
        for (const bool write : {false, true}) {
            for (uint32_t i = 0; i < task.n_accesses; i++) {
                const uint32_t access = task.first_access + i;
                if (program_.accesses[access].write != write || !is_after_call(task, program_.accesses[access])) {
                    continue; // the host has done that
                }
                const ByteInterval * end = intervals_.end_of(access);
                for (ByteInterval * interval = intervals_.begin_of(access); interval != end; interval++) {
                    write ? interval->write(lane_access, index) : interval->read(lane_access, index);
                }
            }
        }
    }

    // Barrier mode: the host waits once before a split's copies and once before its launch. Serial: around each copy.
    void mode_waits_before(int32_t index, std::vector<Wait> & waits) {
        const Task & task = program_.tasks[index];
        if (program_.mode == Mode::Barrier) {
            if (task.kind == TaskKind::Launch || (is_copy(task.kind) && begins_copies(index))) {
                drain_split(task.split, index, waits);
            }
        } else if (program_.mode == Mode::Serial && is_copy(task.kind)) {
            drain_copy(task, index, waits);
        }
    }

    void mode_waits_after(int32_t index, std::vector<Wait> & waits) {
        const Task & task = program_.tasks[index];
        if (program_.mode == Mode::Serial && is_async_copy(task.kind)) {
            drain_copy(task, index, waits);
        }
    }

    bool begins_copies(int32_t index) const {
        const Task & task = program_.tasks[index];
        return index == 0 || !is_copy(program_.tasks[index - 1].kind) || program_.tasks[index - 1].split != task.split;
    }

    void drain_copy(const Task & task, int32_t index, std::vector<Wait> & waits) {
        std::array<bool, kMaxLanes> lanes = {};
        lanes[task.source] = true;
        lanes[task.destination] = true;
        drain(lanes, index, waits);
    }

    void drain_split(int32_t split, int32_t index, std::vector<Wait> & waits) {
        std::array<bool, kMaxLanes> lanes = {};
        const auto is_part = [&](int32_t i) {
            return i >= 0 && i < static_cast<int32_t>(program_.tasks.size()) && program_.tasks[i].split == split;
        };
        int32_t i = index; // the tasks of a split follow one another
        while (is_part(i - 1)) {
            i--;
        }
        for (; is_part(i); i++) {
            lanes[program_.tasks[i].lane] = true;
            lanes[program_.tasks[i].source] = true;
            lanes[program_.tasks[i].destination] = true;
        }
        drain(lanes, index, waits);
    }

    void drain(const std::array<bool, kMaxLanes> & lanes, int32_t index, std::vector<Wait> & waits) {
        for (int lane = 1; lane < machine_.n_lanes; lane++) {
            if (lanes[lane]) {
                lanes_.drain(static_cast<Lane>(lane), {WaitCause::Mode, index, kEarlierRun, {}}, waits);
            }
        }
    }

    // A run leaves an event at the end of each lane, for later runs and for whoever frees the scheduler.
    void record_ends() {
        for (int i = 1; i < machine_.n_lanes; i++) {
            const Lane lane = static_cast<Lane>(i);
            const Position last = lanes_.last(lane);
            if (last > 0 && machine_.events[lane] && !lanes_.known_to_host().knows(lane, last)) {
                lanes_.record_after(lane, last);
            }
        }
    }

    void leave(History & next) const {
        lanes_.leave(machine_, intervals_.past(lanes_.known_to_host()), next);
        next.caller_reads = program_.caller_reads;
        const bool in_flight = std::any_of(next.points.begin(), next.points.end(),
                                           [](const std::vector<Point> & points) { return !points.empty(); });
        if (!in_flight && next.accesses.empty() && next.caller_reads.empty()) {
            next = {};
        }
    }

    void emit(Plan & plan) {
        std::vector<Position> at(machine_.n_lanes, 0);
        emit_waits(plan, StepKind::Guard, kHost, program_.n_splits > 0 ? 0 : kNoSplit, throttle_waits_);
        for (size_t i = 0; i < program_.tasks.size(); i++) {
            const Task & task = program_.tasks[i];
            const bool launch = task.kind == TaskKind::Launch;
            emit_waits(plan, launch ? StepKind::Barrier : StepKind::Guard, waiter_of(task), task.split, before_[i]);
            Step step = {StepKind::Do, task.lane};
            step.split = task.split;
            step.task = static_cast<uint32_t>(i);
            plan.steps.push_back(step);
            emit_record(plan, task, ++at[task.lane]);
            emit_waits(plan, StepKind::Guard, kHost, task.split, after_[i]);
        }
        for (int lane = 0; lane < machine_.n_lanes; lane++) {
            plan.n_events.push_back(lanes_.n_events(static_cast<Lane>(lane)));
        }
        plan.program = std::move(program_);
    }

    static void emit_waits(Plan & plan, StepKind kind, Lane lane, int32_t split, std::vector<Wait> & waits) {
        if (waits.empty() && kind != StepKind::Barrier) {
            return;
        }
        // Devices first: they begin to wait while the host blocks.
        std::stable_partition(waits.begin(), waits.end(), [](const Wait & wait) { return wait.waiter != kHost; });
        Step step = {kind, lane};
        step.split = split;
        step.first_wait = static_cast<uint32_t>(plan.waits.size());
        step.n_waits = static_cast<uint32_t>(waits.size());
        plan.waits.insert(plan.waits.end(), waits.begin(), waits.end());
        plan.steps.push_back(step);
    }

    void emit_record(Plan & plan, const Task & task, Position position) const {
        const int16_t event = lanes_.recorded_event(task.lane, position);
        if (event != kWholeLane) {
            Step step = {StepKind::Record, task.lane};
            step.event = event;
            step.split = task.split;
            plan.steps.push_back(step);
        }
    }

    const Machine & machine_;
    const Rules rules_;
    Program program_;
    ByteIntervals intervals_;
    Lanes lanes_;
    std::vector<Wait> throttle_waits_;
    std::vector<std::vector<Wait>> before_; // by task
    std::vector<std::vector<Wait>> after_;  // by task
};

} // namespace

Planned make_plan(const Machine & machine, const Program & program, const History & history, const Rules & rules) {
    return Planner(machine, program, history, rules).run();
}

} // namespace ggml_sched::plan
