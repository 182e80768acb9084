#include "plan/planner.h"

#include <algorithm>
#include <array>

#include "plan/byte_intervals.h"
#include "plan/lanes.h"
#include "plan/needs.h"

namespace ggml_sched::plan {

namespace {

// Returns the program with tasks in front for the reads of the last run's results that the caller may have queued.
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

// Planner - plans one run.
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
        // The caller's reads are queued already, so a lane that the throttle drains has done them, too.
        int32_t next = 0;
        const int32_t n_tasks = static_cast<int32_t>(program_.tasks.size());
        while (next < n_tasks && program_.tasks[next].kind == TaskKind::CallerRead) {
            visit(next++);
        }
        for (int lane = 0; lane < machine_.n_lanes; lane++) {
            last_read_[lane] = lanes_.last(static_cast<Lane>(lane));
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
    // Makes the host wait until at most `window` runs are in flight.
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

    // Lets the host make a small copy at once if all that it must come after is known to be complete. This saves the
    // queue a command. For reads of the caller the host waits, if the lane has nothing else to do: most callers have
    // waited for them, so the wait is short.
    void make_now(Task & task, int32_t index) {
        Needs needs;
        for (uint32_t i = 0; i < task.n_accesses; i++) {
            needs.add_hazards(index, task.first_access + i, intervals_, program_, rules_);
        }
        std::vector<WaitCandidate> waits;
        add_candidates(kHost, needs, lanes_.known_to_host(), waits);
        const auto is_for_reads = [&](const WaitCandidate & wait) { return has_only_reads(wait.target); };
        if (!std::all_of(waits.begin(), waits.end(), is_for_reads)) {
            return;
        }
        task.kind = TaskKind::SetNow;
        task.lane = kHost;
        for (const WaitCandidate & wait : waits) {
            lanes_.drain(wait.target, wait.need.reason, before_[index]);
        }
    }

    // True if the lane may have nothing to do but reads that the caller has queued.
    bool has_only_reads(Lane lane) const {
        return lanes_.known_to_host().knows(lane, 0) && lanes_.last(lane) == last_read_[lane];
    }

    // Finds the waits of one task, and issues it.
    void visit(int32_t index) {
        if (program_.tasks[index].may_be_now && program_.mode == Mode::Auto) {
            make_now(program_.tasks[index], index);
        }
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

    // Returns the lane on which a wait delays the task.
    static Lane waiter_of(const Task & task) {
        const bool by_source = task.kind == TaskKind::CopyAsync && task.order != CopyOrder::InDestination;
        return by_source ? task.source : task.lane;
    }

    // Returns what would be complete for the task if it were issued now.
    VectorClock start_of(const Task & task) const {
        VectorClock start = lanes_.known_to(waiter_of(task));
        if (task.kind == TaskKind::CopyAsync) {
            start.join(lanes_.known_to(task.source));
        }
        return start;
    }

    // WaitCandidate - a position that must be complete before the host issues a task, or before the task starts.
    struct WaitCandidate {
        Lane waiter;
        Lane target;
        Need need;
        bool blocks_host;
    };

    // Adds the waits that a task needs: those of the call on the host, the others on `waiter`.
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

    // Adds a candidate for each need that is not in `known`.
    void add_candidates(Lane waiter, const Needs & needs, const VectorClock & known,
                        std::vector<WaitCandidate> & candidates) const {
        for (int i = 1; i < machine_.n_lanes; i++) {
            const Lane lane = static_cast<Lane>(i);
            if (needs.of[lane].position != kNever && !known.knows(lane, needs.of[lane].position)) {
                candidates.push_back({waiter, lane, needs.of[lane], lanes_.host_must_wait(waiter, lane)});
            }
        }
    }

    // Drops each wait that the rest implies. Tries the waits that block the host first.
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

    // True if `waits` make all positions complete that the candidates `all` want.
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

    // Puts the task on its lane, and notes what it touches.
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

    // Records an event between the copies from host memory and the launch behind them. A later run can then overwrite
    // that memory when the copies are done, and need not wait for the launch.
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

    // Enters the task's accesses that may still go on after the call: reads first, then writes.
    void touch(int32_t index, LaneAccess lane_access) {
        const Task & task = program_.tasks[index];
        for (const bool write : {false, true}) {
            for (uint32_t i = 0; i < task.n_accesses; i++) {
                const uint32_t access = task.first_access + i;
                if (program_.accesses[access].write != write || !is_after_call(task, program_.accesses[access])) {
                    continue; // done when the call returns
                }
                const ByteInterval * end = intervals_.end_of(access);
                for (ByteInterval * interval = intervals_.begin_of(access); interval != end; interval++) {
                    write ? interval->write(lane_access, index) : interval->read(lane_access, index);
                }
            }
        }
    }

    // Adds the waits of the mode before a task. In Barrier mode the host waits once before a split's copies and once
    // before its launch. In Serial mode it waits before and after each copy.
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

    // Adds the waits of Serial mode after an asynchronous copy.
    void mode_waits_after(int32_t index, std::vector<Wait> & waits) {
        const Task & task = program_.tasks[index];
        if (program_.mode == Mode::Serial && is_async_copy(task.kind)) {
            drain_copy(task, index, waits);
        }
    }

    // True if the task before this one is not a copy of the same split.
    bool begins_copies(int32_t index) const {
        const Task & task = program_.tasks[index];
        return index == 0 || !is_copy(program_.tasks[index - 1].kind) || program_.tasks[index - 1].split != task.split;
    }

    // Makes the host wait for both lanes of a copy.
    void drain_copy(const Task & task, int32_t index, std::vector<Wait> & waits) {
        std::array<bool, kMaxLanes> lanes = {};
        lanes[task.source] = true;
        lanes[task.destination] = true;
        drain(lanes, index, waits);
    }

    // Makes the host wait for all lanes that the tasks of a split use.
    void drain_split(int32_t split, int32_t index, std::vector<Wait> & waits) {
        std::array<bool, kMaxLanes> lanes = {};
        const auto is_part = [&](int32_t i) {
            return i >= 0 && i < static_cast<int32_t>(program_.tasks.size()) && program_.tasks[i].split == split;
        };
        int32_t i = index; // the tasks of a split are neighbours
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

    // Records an event at the end of each lane. Later runs wait for it, and so does the scheduler before it is freed.
    void record_ends() {
        for (int i = 1; i < machine_.n_lanes; i++) {
            const Lane lane = static_cast<Lane>(i);
            const Position last = lanes_.last(lane);
            if (last > 0 && machine_.events[lane] && !lanes_.known_to_host().knows(lane, last)) {
                lanes_.record_after(lane, last);
            }
        }
    }

    // Writes what the run leaves in flight to `next`; an empty history if that is nothing.
    void leave(History & next) const {
        lanes_.leave(machine_, intervals_.past(lanes_.known_to_host()), next);
        next.caller_reads = program_.caller_reads;
        const bool in_flight = std::any_of(next.points.begin(), next.points.end(),
                                           [](const std::vector<Point> & points) { return !points.empty(); });
        if (!in_flight && next.accesses.empty() && next.caller_reads.empty()) {
            next = {};
        }
    }

    // Writes the steps to `plan`, and moves the program there.
    void emit(Plan & plan) {
        std::vector<Position> at(machine_.n_lanes, 0);
        plan.steps.reserve(3 * program_.tasks.size()); // with the records and the waits
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

    // Adds a step with these waits. A Barrier is added even if it has none.
    static void emit_waits(Plan & plan, StepKind kind, Lane lane, int32_t split, std::vector<Wait> & waits) {
        if (waits.empty() && kind != StepKind::Barrier) {
            return;
        }
        // The waits of devices come first, so that these begin to wait while the host blocks.
        std::stable_partition(waits.begin(), waits.end(), [](const Wait & wait) { return wait.waiter != kHost; });
        Step step = {kind, lane};
        step.split = split;
        step.first_wait = static_cast<uint32_t>(plan.waits.size());
        step.n_waits = static_cast<uint32_t>(waits.size());
        plan.waits.insert(plan.waits.end(), waits.begin(), waits.end());
        plan.steps.push_back(step);
    }

    // Adds a step that records the event of this position, if it has one.
    void emit_record(Plan & plan, const Task & task, Position position) const {
        const int16_t event = lanes_.recorded_event(task.lane, position);
        if (event != kWholeLane) {
            Step step = {StepKind::Record, task.lane};
            step.event = event;
            step.split = task.split;
            step.is_put_off = machine_.puts_off_records[task.lane] && position == lanes_.last(task.lane) &&
                              !lanes_.is_waited_for(task.lane, position);
            plan.steps.push_back(step);
        }
    }

    const Machine & machine_;
    const Rules rules_;
    Program program_;
    ByteIntervals intervals_;
    Lanes lanes_;
    std::array<Position, kMaxLanes> last_read_ = {}; // by lane: the caller's last read
    std::vector<Wait> throttle_waits_;
    std::vector<std::vector<Wait>> before_; // by task
    std::vector<std::vector<Wait>> after_;  // by task
};

} // namespace

Planned make_plan(const Machine & machine, const Program & program, const History & history, const Rules & rules) {
    return Planner(machine, program, history, rules).run();
}

} // namespace ggml_sched::plan
