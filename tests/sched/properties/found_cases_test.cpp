// Cases for which the properties once failed, shrunk, each with what was wrong.

#include <gtest/gtest.h>

#include "support/case_graph.h"
#include "support/case_runner.h"

namespace ggml_sched::test {
namespace {

constexpr int kOnSim0 = 1;

RunSpec first_run() {
    return {};
}

RunSpec same_again() {
    RunSpec run;
    run.rebuild = run.write = false;
    return run;
}

void expect_right(Case job) {
    normalize(job);
    EXPECT_EQ(run_case(job), "");
}

// A copy took the place of another copy's source and was made first.
TEST(FoundCase, CopiesOfASplitKeepOffEachOthersSources) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::Scale, 0, 0, 0, kAnywhere, false},
                   {Op::Scale, 0, 0, 0, kOnCpu, false},
                   {Op::InPlace, 2, 0, 0, kAnywhere, false},
                   {Op::Scale, 1, 0, 0, kAnywhere, false},
                   {Op::Lookup, 0, 3, 0, kOnCpu, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_UMA};
    job.graphs = {graph};
    job.runs = {first_run()};
    expect_right(job);
}

// The callback was shown a view of a cache, in a slice of another device than the one on which the run before was still
// writing the cache.
TEST(FoundCase, EvalCallbacksSeeWhatEarlierRunsWrote) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::StoreCopy, 0, 0, 0, kAnywhere, false}, {Op::StoreCopy, 0, 0, 1, kAnywhere, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    job.caches = {1, 2, kOnCpu};
    job.graphs = {graph};
    job.runs = {first_run(), same_again()};
    job.runs.back().watch = 2;
    expect_right(job);
}

// A device without events was still reading what lay there before. The wait for it was taken for one that only
// throttles, and left to the next run, which came after the caller had written.
TEST(FoundCase, InputsAreNotWrittenWhileAnEarlierRunReads) {
    GraphSpec before;
    before.inputs = {kAnywhere};
    before.nodes = {{Op::Add, 0, 0, 0, kOnSim0, true}};
    GraphSpec after;
    after.inputs = {kOnSim0};
    after.nodes = {{Op::Scale, 0, 0, 0, kAnywhere, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_NO_EVENTS};
    job.graphs = {before, after};
    job.runs = {first_run(), same_again(), first_run()};
    job.runs.back().graph = 1;
    expect_right(job);
}

int experts(int weight, IdsFrom ids) {
    return ExpertsUse{weight, ids, false}.as_extra();
}
int ids_from(IdsFrom source) {
    return static_cast<int>(source);
}

// The CPU had a copy of the ids from before they were stored, and read that once more.
TEST(FoundCase, TensorWrittenAfterItsCopyIsCopiedAgain) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::Experts, 0, 0, experts(0, IdsFrom::Store), kOnCpu, false},
                   {Op::StoreIds, 0, 0, ids_from(IdsFrom::Caller), kAnywhere, false},
                   {Op::Experts, 0, 0, experts(0, IdsFrom::Store), kOnCpu, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_CUDA};
    job.stored_ids = kOnSim0;
    job.graphs = {graph};
    job.runs = {first_run()};
    expect_right(job);
}

// The ids are on SIM1. SIM0 had got a copy of them before, for another node, and the memory that they were in was
// given to value2; from there the host took which experts to send.
TEST(FoundCase, IdsStayUntilTheHostHasLookedAtThem) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::Scale, 0, 0, 0, 2, false},
                   {Op::StoreIds, 0, 0, ids_from(IdsFrom::Copy), 2, false},
                   {Op::Scale, 0, 0, 0, kAnywhere, false},
                   {Op::Experts, 0, 0, experts(1, IdsFrom::Copy), kAnywhere, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    job.op_offload = true;
    job.stream = 0;
    job.stored_ids = kOnSim0;
    job.graphs = {graph};
    job.runs = {first_run()};
    expect_right(job);
}

// The host fetched the ids once, and sent the experts that the first ones name to both products.
TEST(FoundCase, IdsAreFetchedAgainWhereOthersWereStored) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::StoreIds, 0, 0, ids_from(IdsFrom::Caller), kOnSim0, false},
                   {Op::Experts, 0, 0, experts(0, IdsFrom::Store), kOnSim0, false},
                   {Op::StoreIds, 0, 0, ids_from(IdsFrom::Router), kOnSim0, false},
                   {Op::Experts, 0, 0, experts(1, IdsFrom::Store), kOnSim0, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_CUDA};
    job.stream = 4 * kExpertsBytes;
    job.stored_ids = kOnSim0;
    job.graphs = {graph};
    job.runs = {first_run(), same_again()};
    for (job.data = 0; job.data < 8; job.data++) { // which experts the caller names
        expect_right(job);
    }
}

// In the first run SIM0 is told to wait for the experts, and then the host waits for all of SIM0. The planner took
// these in the other order, and had the host wait for the experts once more in the next run.
TEST(FoundCase, DrainImpliesTheLanesOwnWaits) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::Experts, 0, 0, experts(1, IdsFrom::Router), kOnCpu, false},
                   {Op::Experts, 0, 0, experts(1, IdsFrom::Router), kAnywhere, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_CUDA};
    job.op_offload = true;
    job.stream = 3 * kExpertsBytes;
    job.graphs = {graph};
    job.runs = {first_run(), same_again()};
    job.runs[0].mode = GGML_SCHED_SYNC_BARRIER;
    normalize(job);
    CaseChecks checks;
    checks.refuse_superfluous_waits = true;
    EXPECT_EQ(run_case(job, checks), "");
}

// The weight was still there, so nothing was sent, and the queue was taken for one that has nothing to do: it was not
// waited for when the run had been stopped, with an event on it that was freed then.
TEST(FoundCase, StreamQueueIsWaitedForWithNothingSent) {
    GraphSpec graph;
    graph.inputs = {kAnywhere};
    graph.nodes = {{Op::LoadAll, 0, 0, 0, kAnywhere, false},
                   {Op::Scale, 0, 0, 0, kAnywhere, false},
                   {Op::AddRow, 0, 0, 0, kAnywhere, false},
                   {Op::StoreCopy, 0, 0, 0, kAnywhere, false},
                   {Op::MatMul, 1, 0, 0, kAnywhere, true}};
    Case job;
    job.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    job.op_offload = true;
    job.stream = 16384;
    job.keep = true;
    job.pinned_weights = true;
    job.caches = {2, kOnCpu, kOnCpu};
    job.graphs = {graph};
    job.runs = {first_run(), same_again()};
    job.runs[0].synchronize = true;
    job.runs[1].watch = 8;
    job.runs[1].stop = 0;
    normalize(job);
    CaseChecks checks;
    checks.refuse_superfluous_waits = true;
    EXPECT_EQ(run_case(job, checks), "");
}

} // namespace
} // namespace ggml_sched::test
