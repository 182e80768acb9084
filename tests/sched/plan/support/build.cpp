#include "support/build.h"

#include <gtest/gtest.h>

namespace plan_test {

using plan::Access;
using plan::Task;
using plan::TaskKind;

plan::Machine machine_with_events(int n_devices, int window) {
    plan::Machine machine = machine_without_events(n_devices, window);
    for (int a = 1; a <= n_devices; a++) {
        machine.events[a] = true;
        for (int b = 1; b <= n_devices; b++) {
            machine.reaches[a][b] = true;
        }
    }
    return machine;
}

plan::Machine machine_without_events(int n_devices, int window) {
    plan::Machine machine;
    machine.n_lanes = n_devices + 1;
    machine.window = window;
    return machine;
}

void take_events_from(plan::Machine & machine, plan::Lane lane) {
    machine.events[lane] = false;
    for (int other = 0; other < machine.n_lanes; other++) {
        machine.reaches[lane][other] = machine.reaches[other][lane] = false;
    }
}

Access read(plan::Space space, uint64_t begin, uint64_t end) {
    return {space, false, begin, end};
}

Access write(plan::Space space, uint64_t begin, uint64_t end) {
    return {space, true, begin, end};
}

void ProgramBuilder::add(Task task, const std::vector<Access> & accesses) {
    task.first_access = static_cast<uint32_t>(program_.accesses.size());
    task.n_accesses = static_cast<uint32_t>(accesses.size());
    task.binding = static_cast<uint32_t>(program_.tasks.size());
    task.bytes = is_copy(task.kind) || task.kind == TaskKind::Snapshot ? accesses[0].end - accesses[0].begin : 0;
    task.split = task.kind == TaskKind::Return    ? plan::kNoSplit
                 : task.kind == TaskKind::Observe ? program_.n_splits - 1
                                                  : program_.n_splits;
    program_.observed = program_.observed || task.kind == TaskKind::Observe;
    program_.accesses.insert(program_.accesses.end(), accesses.begin(), accesses.end());
    program_.tasks.push_back(task);
    if (task.kind == TaskKind::Launch) {
        program_.n_splits++;
    }
}

ProgramBuilder & ProgramBuilder::launch(plan::Lane lane, std::initializer_list<Access> accesses) {
    add({TaskKind::Launch, lane}, accesses);
    return *this;
}

ProgramBuilder & ProgramBuilder::observe(std::initializer_list<Access> reads) {
    add({TaskKind::Observe, plan::kHost}, reads);
    return *this;
}

ProgramBuilder & ProgramBuilder::snapshot(Access from, Access to) {
    add({TaskKind::Snapshot, plan::kHost}, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::set(plan::Lane lane, Access from, Access to) {
    add({TaskKind::SetAsync, lane, plan::kHost, lane}, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::set_at_call(plan::Lane lane, Access from, Access to) {
    Task task = {TaskKind::SetAsync, lane, plan::kHost, lane};
    task.reads_at_call = true;
    add(task, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::set_staged(plan::Lane lane, Access from, Access to) {
    Task task = {TaskKind::SetAsync, lane, plan::kHost, lane};
    task.reads_at_call = true;
    task.only_at_call = true;
    add(task, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::may_be_now() {
    program_.tasks.back().may_be_now = true;
    return *this;
}

ProgramBuilder & ProgramBuilder::offer(plan::Lane lane, Access from, Access to, Access rewritten) {
    Task task = {TaskKind::Offer, lane, plan::kHost, lane};
    task.reads_at_call = true;
    task.only_at_call = true;
    add(task, {from, to, rewritten});
    return *this;
}

ProgramBuilder & ProgramBuilder::get(plan::Lane lane, Access from, Access to) {
    add({TaskKind::GetAsync, lane, lane, plan::kHost}, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::copy(plan::CopyOrder order, plan::Lane source, plan::Lane destination, Access from,
                                      Access to) {
    const plan::Lane lane = order == plan::CopyOrder::InSource ? source : destination;
    add({TaskKind::CopyAsync, lane, source, destination, order}, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::copy_now(plan::Lane source, plan::Lane destination, Access from, Access to) {
    add({TaskKind::CopyNow, plan::kHost, source, destination}, {from, to});
    return *this;
}

ProgramBuilder & ProgramBuilder::give_back(std::initializer_list<Access> inputs) {
    add({TaskKind::Return, plan::kHost}, inputs);
    return *this;
}

ProgramBuilder & ProgramBuilder::caller_read(plan::Lane lane, Access bytes) {
    program_.caller_reads.push_back({lane, bytes});
    return *this;
}

const plan::Plan & Runs::run(const plan::Program & program) {
    plan::Planned planned = plan::make_plan(machine_, program, history_);
    EXPECT_EQ(verifier_.check(planned.plan), "");
    history_ = std::move(planned.next);
    last_ = std::make_shared<const plan::Plan>(std::move(planned.plan));
    verifier_.note(last_);
    return *last_;
}

void Runs::synchronize() {
    history_ = {};
    verifier_.forget();
}

static std::string text_of(const plan::Wait & wait) {
    std::string text = std::to_string(wait.waiter) + " waits for " + std::to_string(wait.target);
    text += wait.event == plan::kWholeLane ? "*" : "#" + std::to_string(wait.event);
    text += wait.age == 0 ? "" : "@" + std::to_string(wait.age);
    const plan::Reason & reason = wait.reason;
    switch (reason.cause) {
    case plan::WaitCause::ReadAfterWrite: text += " (RAW "; break;
    case plan::WaitCause::WriteAfterRead: text += " (WAR "; break;
    case plan::WaitCause::WriteAfterWrite: text += " (WAW "; break;
    case plan::WaitCause::Mode: return text + " (mode)";
    case plan::WaitCause::Throttle: return text + " (throttle)";
    }
    text += reason.other == plan::kEarlierRun ? "-" : std::to_string(reason.other);
    return text + "->" + std::to_string(reason.task) + ")";
}

Waits waits_of(const plan::Plan & plan) {
    Waits lines;
    for (const plan::Step & step : plan.steps) {
        for (uint32_t i = 0; i < step.n_waits; i++) {
            lines.push_back(text_of(plan.waits[step.first_wait + i]));
        }
    }
    return lines;
}

plan::Plan without_wait(const plan::Plan & plan, size_t index) {
    plan::Plan result = plan;
    result.waits.erase(result.waits.begin() + static_cast<std::ptrdiff_t>(index));
    for (plan::Step & step : result.steps) {
        if (step.first_wait <= index && index < step.first_wait + step.n_waits) {
            step.n_waits--;
        } else if (step.first_wait > index) {
            step.first_wait--;
        }
    }
    return result;
}

Waits waits_on(const plan::Machine & machine, const ProgramBuilder & builder) {
    Runs runs(machine);
    return waits_of(runs.run(builder));
}

} // namespace plan_test
