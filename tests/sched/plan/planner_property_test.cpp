// What must hold for every machine and every program; RC_PARAMS chooses others (tests/property/property.h).

#include <algorithm>

#include <gtest/gtest.h>

#include "observe/text.h"
#include "observe/verifier.h"
#include "property.h"
#include "support/build.h"
#include "support/scenario.h"
#include "support/simulator.h"

using namespace plan_test;
using ggml_sched::observe::Verifier;

namespace {

// A run that is about to be performed, and all that came before it
struct Moment {
    const plan::Program & program;
    const plan::History & history;
    const plan::Planned & planned;
    const plan::Plan & plan; // planned.plan
    const Verifier & verifier;
    const Simulator & simulator;
};

// Goes through a scenario, run by run, the way the scheduler does.
void walk(const Scenario & scenario, const std::function<void(const Moment & moment)> & check,
          const plan::Rules & rules = {}) {
    Verifier verifier(scenario.machine);
    Simulator simulator(scenario.machine);
    plan::History history;
    for (const Scenario::Run & run : scenario.runs) {
        if (run.synchronize_before) {
            history = {};
            verifier.forget();
            simulator.add_synchronize();
        }
        plan::Planned planned = plan::make_plan(scenario.machine, run.program, history, rules);
        check({run.program, history, planned, planned.plan, verifier, simulator});
        simulator.add_run(planned.plan);
        verifier.note(std::make_shared<const plan::Plan>(std::move(planned.plan)));
        history = std::move(planned.next);
    }
}

ggml_sched::observe::Names names_for(const Scenario & scenario, const plan::Plan & plan) {
    ggml_sched::observe::Names names;
    for (int lane = 0; lane < scenario.machine.n_lanes; lane++) {
        names.lanes.push_back("lane" + std::to_string(lane));
    }
    for (size_t i = 0; i < plan.program.tasks.size(); i++) {
        names.copies.push_back("#" + std::to_string(i));
    }
    names.splits.resize(static_cast<size_t>(plan.program.n_splits) + 1);
    return names;
}

std::string text_of(const Scenario & scenario, const plan::Plan & plan) {
    std::string text = ggml_sched::observe::text_of(plan, names_for(scenario, plan));
    for (size_t i = 0; i < plan.program.tasks.size(); i++) {
        text += "task " + std::to_string(i) + ":";
        for (uint32_t a = 0; a < plan.program.tasks[i].n_accesses; a++) {
            const plan::Access & access = plan.program.accesses[plan.program.tasks[i].first_access + a];
            text += std::string(access.write ? " writes " : " reads ") + ggml_sched::observe::text_of(access);
        }
        text += "\n";
    }
    for (const std::string & wait : waits_of(plan)) {
        text += wait + "\n";
    }
    return text;
}

// What some operation sees wrongly if each in turn happens as late as it can
std::string difference_when_late(const Simulator & simulator) {
    const Outcome truth = simulator.perform_in_order();
    for (int late = 0; late < simulator.n_operations(); late++) {
        LateSchedule schedule(late);
        const std::string text = difference(simulator, truth, simulator.perform(schedule));
        if (!text.empty()) {
            return "with " + simulator.name_of(late) + " late: " + text;
        }
    }
    return {};
}

// Like that, but broken promises are no difference
bool sees_wrongly_when_late(const Simulator & simulator) {
    const Outcome truth = simulator.perform_in_order();
    for (int late = 0; late < simulator.n_operations(); late++) {
        LateSchedule schedule(late);
        if (simulator.perform(schedule).seen != truth.seen) {
            return true;
        }
    }
    return false;
}

bool is_throttle(const plan::Wait & wait) {
    return wait.reason.cause == plan::WaitCause::Throttle;
}

} // namespace

TEST(AnyPlan, TheVerifierProvesEveryPlan) {
    property::expect_for_all(scenarios(), 5000, [](const Scenario & scenario) {
        walk(scenario,
             [&](const Moment & now) { EXPECT_EQ(now.verifier.check(now.plan), "") << text_of(scenario, now.plan); });
    });
}

TEST(AnyPlan, NoInterleavingDiffersFromTheOrderOfIssue) {
    property::expect_for_all(scenarios(), 1500, [](const Scenario & scenario) {
        Simulator simulator(scenario.machine);
        walk(scenario, [&](const Moment & now) {
            simulator = now.simulator;
            simulator.add_run(now.plan);
        });
        const Outcome truth = simulator.perform_in_order();
        for (uint64_t i = 0; i < 20; i++) {
            RandomSchedule schedule(scenario.seed + i);
            EXPECT_EQ(difference(simulator, truth, simulator.perform(schedule)), "") << "interleaving " << i;
        }
        EXPECT_EQ(difference_when_late(simulator), "");
    });
}

TEST(AnyPlan, NoWaitIsSuperfluous) {
    ScenarioOptions options;
    options.auto_mode_only = true;
    int n_waits = 0;
    property::expect_for_all(scenarios(options), 3000, [&](const Scenario & scenario) {
        walk(scenario, [&](const Moment & now) {
            for (size_t i = 0; i < now.plan.waits.size(); i++) {
                if (!is_throttle(now.plan.waits[i])) {
                    n_waits++;
                    EXPECT_NE(now.verifier.check(without_wait(now.plan, i)), "") << "without wait " << i << " of\n"
                                                                                 << text_of(scenario, now.plan);
                }
            }
        });
    });
    std::printf("%d waits removed\n", n_waits);
}

TEST(AnyPlan, WithoutAThrottlingWaitTooManyRunsAreInFlight) {
    ScenarioOptions options;
    options.auto_mode_only = true; // the waits of the other modes stand for some of these
    options.min_runs = 4;
    options.max_tasks = 8;
    int n_waits = 0;
    property::expect_for_all(scenarios(options), 1000, [&](const Scenario & scenario) {
        walk(scenario, [&](const Moment & now) {
            for (size_t i = 0; i < now.plan.waits.size(); i++) {
                if (is_throttle(now.plan.waits[i])) {
                    n_waits++;
                    Simulator simulator = now.simulator;
                    simulator.add_run(without_wait(now.plan, i));
                    EXPECT_NE(difference_when_late(simulator), "") << text_of(scenario, now.plan);
                }
            }
        });
    });
    std::printf("%d waits removed\n", n_waits);
}

// Two opinions on plans that are mostly wrong: the verifier objects if and only if some interleaving differs.
TEST(AnyPlan, TheVerifierObjectsIfAndOnlyIfAnInterleavingDiffers) {
    ScenarioOptions options;
    options.max_runs = 4;
    options.max_tasks = 10;
    int n_bad = 0;
    int n_good = 0;
    property::expect_for_all(scenarios(options), 1000, [&](const Scenario & scenario) {
        std::mt19937_64 random(scenario.seed);
        walk(scenario, [&](const Moment & now) {
            plan::Plan broken = now.plan;
            for (int i = 0; i < 3 && !broken.waits.empty(); i++) {
                broken = without_wait(broken, random() % broken.waits.size());
                Simulator simulator = now.simulator;
                simulator.add_run(broken);
                const std::string objection = now.verifier.check(broken);
                (objection.empty() ? n_good : n_bad)++;
                EXPECT_EQ(sees_wrongly_when_late(simulator), !objection.empty()) << objection << "\n"
                                                                                 << text_of(scenario, broken);
            }
        });
    });
    std::printf("%d wrong plans, %d right ones\n", n_bad, n_good);
}

TEST(AnyPlan, PlanningIsDeterministic) {
    property::expect_for_all(scenarios(), 500, [](const Scenario & scenario) {
        walk(scenario, [&](const Moment & now) {
            const plan::Planned again = plan::make_plan(scenario.machine, now.program, now.history);
            EXPECT_EQ(text_of(scenario, again.plan), text_of(scenario, now.plan));
            EXPECT_TRUE(again.next == now.planned.next);
        });
    });
}

TEST(AnyPlan, TheHostWaitsOnlyWhereADeviceCannot) {
    ScenarioOptions options;
    options.auto_mode_only = true;
    property::expect_for_all(scenarios(options), 3000, [&](const Scenario & scenario) {
        walk(scenario, [&](const Moment & now) {
            for (const plan::Wait & wait : now.plan.waits) {
                const plan::Task & task = now.plan.program.tasks[static_cast<size_t>(wait.reason.task)];
                const bool on_source =
                    task.kind == plan::TaskKind::CopyAsync && task.order != plan::CopyOrder::InDestination;
                const plan::Lane lane = on_source ? task.source : task.lane;
                const bool host_must =
                    is_throttle(wait) || lane == plan::kHost || !scenario.machine.reaches[wait.target][lane];
                EXPECT_TRUE(wait.waiter == (host_must ? plan::kHost : lane) ||
                            (wait.waiter == plan::kHost && task.reads_at_call))
                    << text_of(scenario, now.plan);
                EXPECT_EQ(wait.event == plan::kWholeLane, !scenario.machine.events[wait.target]);
            }
        });
    });
}

TEST(AnyPlan, PutsOffARecordIfTheLaneDoesSoAndNothingInTheRunNeedsIt) {
    property::expect_for_all(scenarios(), 2000, [&](const Scenario & scenario) {
        walk(scenario, [&](const Moment & now) {
            for (auto record = now.plan.steps.begin(); record != now.plan.steps.end(); ++record) {
                if (record->kind != plan::StepKind::Record) {
                    continue;
                }
                const auto is_for_it = [&](const plan::Wait & wait) {
                    return wait.target == record->lane && wait.age == 0 && wait.event == record->event;
                };
                const auto follows_it = [&](const plan::Step & step) {
                    return step.kind == plan::StepKind::Do && step.lane == record->lane;
                };
                const bool is_needed = std::any_of(now.plan.waits.begin(), now.plan.waits.end(), is_for_it) ||
                                       std::any_of(record, now.plan.steps.end(), follows_it);
                EXPECT_EQ(record->is_put_off, scenario.machine.puts_off_records[record->lane] && !is_needed)
                    << text_of(scenario, now.plan);
            }
        });
    });
}

TEST(AnyPlan, RunningTheSameProgramAgainRepeatsTheHistory) {
    property::expect_for_all(scenarios(), 2000, [&](const Scenario & scenario) {
        plan::History history;
        walk(scenario, [&](const Moment & now) { history = now.planned.next; });
        // Lanes without events are drained every few runs, each at its own pace.
        const plan::Machine & machine = scenario.machine;
        const bool all_events = std::all_of(machine.events.begin() + 1, machine.events.begin() + machine.n_lanes,
                                            [](bool events) { return events; });
        const size_t most = static_cast<size_t>(all_events ? machine.window + 2 : machine.window * 8);
        std::vector<plan::History> histories;
        while (std::find(histories.begin(), histories.end(), history) == histories.end()) {
            histories.push_back(history);
            history = plan::make_plan(scenario.machine, scenario.runs.back().program, history).next;
            ASSERT_LE(histories.size(), most) << "still new histories";
        }
    });
}

TEST(AnyPlan, BarrierAndSerialModeDrainTheRightLanes) {
    property::expect_for_all(scenarios(), 1000, [&](const Scenario & scenario) {
        walk(scenario, [&](const Moment & now) {
            std::vector<bool> is_drained(static_cast<size_t>(scenario.machine.n_lanes), false);
            for (const plan::Step & step : now.plan.steps) {
                for (uint32_t i = 0; i < step.n_waits; i++) {
                    const plan::Wait & wait = now.plan.waits[step.first_wait + i];
                    is_drained[wait.target] = is_drained[wait.target] || wait.event == plan::kWholeLane;
                }
                if (step.kind != plan::StepKind::Do) {
                    continue;
                }
                const plan::Task & task = now.plan.program.tasks[step.task];
                const bool in_barrier =
                    now.plan.program.mode == plan::Mode::Barrier && task.kind == plan::TaskKind::Launch;
                const bool in_serial = now.plan.program.mode == plan::Mode::Serial && plan::is_copy(task.kind);
                if (in_barrier || in_serial) {
                    for (const plan::Lane lane : {task.lane, task.source, task.destination}) {
                        EXPECT_TRUE(lane == plan::kHost || is_drained[lane]) << text_of(scenario, now.plan);
                    }
                }
                is_drained[task.lane] = is_drained[task.destination] = false;
            }
        });
    });
}

// The properties can fail, and shrinking leaves what the hazard needs.
TEST(AnyPlan, WithoutARuleIsRefusedInAScenarioOfAFewTasks) {
    using plan::Rule;
    for (const Rule rule : {Rule::CopyLandsBeforeUse, Rule::SlotFreeBeforeCopy, Rule::SourceKeptUntilCopied,
                            Rule::SharedMemory, Rule::EarlierRuns, Rule::CallerInputs}) {
        plan::Rules rules;
        rules.switch_off(rule);
        const auto found = property::find_counterexample(scenarios(), 1, 1000, [&](const Scenario & scenario) {
            walk(
                scenario, [](const Moment & now) { EXPECT_EQ(now.verifier.check(now.plan), ""); }, rules);
        });
        ASSERT_TRUE(found) << "rule " << static_cast<int>(rule) << " is not missed";
        size_t n_tasks = 0;
        for (const Scenario::Run & run : found->value.runs) {
            n_tasks += run.program.tasks.size();
        }
        EXPECT_LE(n_tasks, 5u) << found->message;
    }
}
