// The planner's and the verifier's own time, by the number of splits: a pipeline that hands its activations from device
// to device, round and round, with masks from the host for every split.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "observe/verifier.h"
#include "plan/planner.h"

namespace ggml_sched::bench {
namespace {

using namespace plan;

constexpr int kDevices = 4;
constexpr uint64_t kActivation = 1 << 16;
constexpr uint64_t kScratch = 1 << 20;

Machine machine(int window) {
    Machine result;
    result.n_lanes = 1 + kDevices;
    result.window = window;
    for (int a = 1; a <= kDevices; a++) {
        result.events[a] = true;
        for (int b = 1; b <= kDevices; b++) {
            result.reaches[a][b] = true;
        }
    }
    return result;
}

// Every device has one buffer: two slots that take turns from split to split, a result, and scratch memory.
class PipelineProgram {
  public:
    explicit PipelineProgram(int n_splits) {
        program_.n_splits = n_splits;
        for (int split = 0; split < n_splits; split++) {
            add_split(split);
        }
        add({TaskKind::Return, kHost}, {{kHostMemory, true, 0, kActivation}});
    }
    const Program & program() const { return program_; }

  private:
    static Access bytes(Lane lane, bool write, uint64_t begin, uint64_t size) {
        return {kFirstBufferSpace + lane, write, begin, begin + size};
    }

    void add_split(int split) {
        const Lane lane = static_cast<Lane>(1 + split % kDevices);
        const Lane previous = static_cast<Lane>(1 + (split + kDevices - 1) % kDevices);
        const uint64_t slot = (split / kDevices) % 2 * kActivation;
        const uint64_t ring = static_cast<uint64_t>(split) * kActivation;
        Task snapshot = {TaskKind::Snapshot, kHost};
        snapshot.split = split;
        add(snapshot, {{kHostMemory, false, 0, kActivation}, {kRing, true, ring, ring + kActivation}});
        Task mask = {TaskKind::SetAsync, lane};
        mask.destination = lane;
        mask.split = split;
        add(mask, {{kRing, false, ring, ring + kActivation}, bytes(lane, true, 2 * kActivation + slot, kActivation)});
        if (split > 0) {
            Task copy = {TaskKind::CopyAsync, previous};
            copy.source = previous;
            copy.destination = lane;
            copy.split = split;
            add(copy, {bytes(previous, false, 4 * kActivation, kActivation), bytes(lane, true, slot, kActivation)});
        }
        Task launch = {TaskKind::Launch, lane};
        launch.split = split;
        add(launch, {bytes(lane, false, slot, kActivation), bytes(lane, false, 2 * kActivation + slot, kActivation),
                     bytes(lane, true, 4 * kActivation, kActivation), bytes(lane, true, 5 * kActivation, kScratch)});
    }

    void add(Task task, const std::vector<Access> & accesses) {
        task.first_access = static_cast<uint32_t>(program_.accesses.size());
        task.n_accesses = static_cast<uint32_t>(accesses.size());
        program_.accesses.insert(program_.accesses.end(), accesses.begin(), accesses.end());
        program_.tasks.push_back(task);
    }

    Program program_;
};

// What is in flight once the pipeline is full
struct Full {
    Machine machine;
    History history;
    observe::Verifier verifier;

    Full(const Program & program, int window)
        : machine(bench::machine(window))
        , verifier(machine) {
        for (int i = 0; i < 2 * window; i++) {
            Planned planned = make_plan(machine, program, history);
            history = std::move(planned.next);
            verifier.note(std::make_shared<const Plan>(std::move(planned.plan)));
        }
    }
};

void per_task(benchmark::State & state, const Program & program) {
    state.counters["tasks"] = static_cast<double>(program.tasks.size());
    state.counters["per_task"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(program.tasks.size()),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void plan_pipeline(benchmark::State & state) {
    const PipelineProgram pipeline(static_cast<int>(state.range(0)));
    const Full full(pipeline.program(), static_cast<int>(state.range(1)));
    for (auto _ : state) {
        benchmark::DoNotOptimize(make_plan(full.machine, pipeline.program(), full.history));
    }
    per_task(state, pipeline.program());
}

void verify_pipeline(benchmark::State & state) {
    const PipelineProgram pipeline(static_cast<int>(state.range(0)));
    const Full full(pipeline.program(), static_cast<int>(state.range(1)));
    const Planned planned = make_plan(full.machine, pipeline.program(), full.history);
    for (auto _ : state) {
        if (!full.verifier.check(planned.plan).empty()) {
            state.SkipWithError("the verifier objects");
            break;
        }
    }
    per_task(state, pipeline.program());
}

BENCHMARK(plan_pipeline)->ArgsProduct({{4, 40, 400, 4000}, {2, 4}})->ArgNames({"splits", "window"});
BENCHMARK(verify_pipeline)->ArgsProduct({{4, 40, 400, 4000}, {2, 4}})->ArgNames({"splits", "window"});

} // namespace
} // namespace ggml_sched::bench
