// The scenes that faults are tried on: most made by hand, the others drawn.

#include <utility>

#include "support/case_gen.h"
#include "support/scene.h"

namespace ggml_sched::test {

namespace {

constexpr int kFirst = 1; // devices, as places
constexpr int kSecond = 2;

NodeSpec node(Op op, int a, int b = 0, int extra = 0, int place = kAnywhere) {
    return {op, a, b, extra, place, false};
}

// Two inputs, and a chain from one to the other place
GraphSpec chain(int first, int second, int third) {
    return {{kAnywhere, kAnywhere},
            {node(Op::MatMul, 0, 0, 0, first), node(Op::Add, 2, 1, 0, second), node(Op::Norm, 3, 0, 0, second),
             node(Op::Mul, 4, 2, 0, third)}};
}

GraphSpec experts(IdsFrom ids) {
    return {{kAnywhere, kAnywhere},
            {node(Op::Norm, 1), node(Op::Experts, 0, 2, ExpertsUse{0, ids, false}.as_extra(), kFirst),
             node(Op::Experts, 3, 2, ExpertsUse{1, ids, true}.as_extra(), kFirst), node(Op::Add, 3, 4)}};
}

GraphSpec with_caches() {
    return {{kAnywhere},
            {node(Op::StoreRows, 0, 0, 0), node(Op::StoreCopy, 0, 0, 1), node(Op::LoadAll, 1, 0, 0, kFirst),
             node(Op::Load, 3, 0, 1), node(Op::Add, 3, 4, 0, kFirst), node(Op::LoadAll, 5, 0, 2, kFirst)}};
}

GraphSpec with_views() {
    return {{kAnywhere, kAnywhere},
            {node(Op::Norm, 0, 0, 0, kFirst), node(Op::View, 2), node(Op::AddRow, 3, 1, 5), node(Op::Transposed, 4),
             node(Op::SoftMax, 5, 0, 0, kOnCpu), node(Op::View, 0), node(Op::Add, 6, 7, 0, kFirst)}};
}

GraphSpec in_place() {
    return {{kAnywhere, kAnywhere},
            {node(Op::Scale, 0, 0, 0, kFirst), node(Op::InPlace, 2, 1), node(Op::Lookup, 3, 1, 2),
             node(Op::InPlace, 4, 3), node(Op::Silu, 5, 0, 0, kOnCpu)}};
}

// Several outputs on several devices
GraphSpec wide() {
    GraphSpec graph = chain(kFirst, kSecond, kFirst);
    for (NodeSpec & each : graph.nodes) {
        each.output = true;
    }
    graph.nodes.push_back(node(Op::AddRow, 5, 0, 3, kOnCpu));
    return graph;
}

// The first graph of `graphs` is the scene's, the second the other one.
Scene scene(std::string name, std::vector<ggml_sim_profile> devices, std::vector<GraphSpec> graphs) {
    Scene result;
    result.name = std::move(name);
    result.job.devices = std::move(devices);
    result.job.graphs = std::move(graphs);
    result.job.runs.resize(1);
    result.job.data = 7;
    return result;
}

using Devices = std::vector<ggml_sim_profile>;
const Devices kOne = {GGML_SIM_PROFILE_CUDA};
const Devices kTwo = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};

// Where work is
void add_places(std::vector<Scene> & scenes) {
    const GraphSpec other = {{kAnywhere}, {node(Op::Silu, 0, 0, 0, kFirst), node(Op::Add, 1, 0, 0, kOnCpu)}};
    scenes.push_back(scene("OneDevice", kOne, {chain(kFirst, kFirst, kFirst), other}));
    scenes.push_back(scene("TwoDevices", kTwo, {chain(kFirst, kSecond, kFirst), other}));
    scenes.push_back(scene("CpuInTheMiddle", kOne, {chain(kFirst, kOnCpu, kFirst), other}));
    scenes.push_back(scene("OnlyTheCpu", {}, {chain(kOnCpu, kOnCpu, kOnCpu), {{kAnywhere}, {node(Op::Silu, 0)}}}));
    scenes.push_back(scene("Wide", kTwo, {wide(), other}));
    scenes.push_back(scene("Views", kOne, {with_views(), other}));
    scenes.push_back(scene("InPlace", kOne, {in_place(), with_views()}));
    scenes.push_back(scene("WeightsOnDevices", kTwo, {wide(), chain(kSecond, kFirst, kSecond)}));
    scenes.back().job.weights = {kFirst, kSecond, kFirst, kSecond};
    for (const auto & [name, profile] :
         {std::pair("Vulkan", GGML_SIM_PROFILE_VULKAN), std::pair("NoEvents", GGML_SIM_PROFILE_NO_EVENTS),
          std::pair("NoAsync", GGML_SIM_PROFILE_NO_ASYNC), std::pair("Uma", GGML_SIM_PROFILE_UMA)}) {
        scenes.push_back(scene(name, {profile, profile}, {wide(), other}));
    }
    scenes.push_back(scene("UnlikeDevices", {GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_CUDA}, {wide(), other}));
}

// The request of the caller
void add_settings(std::vector<Scene> & scenes) {
    const GraphSpec graph = chain(kFirst, kSecond, kOnCpu);
    scenes.push_back(scene("Pipeline", kTwo, {graph, wide()}));
    scenes.back().job.n_copies = 4;
    scenes.push_back(
        scene("PipelineOfUnlikeDevices", {GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_VULKAN}, {wide(), graph}));
    scenes.back().job.n_copies = 2;
    scenes.push_back(scene("NoSnapshots", kTwo, {graph, wide()}));
    scenes.back().job.snapshot_limit = 0;
    scenes.push_back(scene("MergedCopies", kTwo, {wide(), graph}));
    scenes.back().job.merges = true;
    scenes.push_back(scene("Barrier", kTwo, {wide(), graph}));
    scenes.back().job.runs[0].mode = GGML_SCHED_SYNC_BARRIER;
    scenes.push_back(scene("Serial", kTwo, {wide(), graph}));
    scenes.back().job.runs[0].mode = GGML_SCHED_SYNC_SERIAL;
    scenes.push_back(scene("EvalCallback", kTwo, {wide(), graph}));
    scenes.back().job.runs[0].watch = 2;
    scenes.push_back(scene("CopyCallback", kOne, {chain(kFirst, kOnCpu, kFirst), experts(IdsFrom::Caller)}));
    scenes.back().job.scribbles = true;
    scenes.push_back(scene("Reserved", kTwo, {wide(), graph}));
    scenes.back().reserves = true;
    scenes.push_back(scene("GrowthIsTold", kTwo, {graph, wide()}));
    scenes.back().tells_growth = scenes.back().reserves = true;
    scenes.push_back(scene("Traced", kTwo, {graph, wide()}));
    scenes.back().traces = true;
    scenes.push_back(scene("BackendsOptimize", kTwo, {wide(), graph}));
    scenes.back().optimizes = true;
}

// Weights, experts and caches in host memory
void add_host_memory(std::vector<Scene> & scenes) {
    const GraphSpec products = {
        {kAnywhere},
        {node(Op::MatMul, 0, 0, 0), node(Op::MatMul, 1, 0, 1), node(Op::MatMul, 2, 0, 2), node(Op::MatMul, 3, 0, 3)}};
    const auto add = [&](const char * name, std::vector<GraphSpec> graphs, size_t ring) -> Scene & {
        scenes.push_back(scene(name, kOne, std::move(graphs)));
        scenes.back().job.op_offload = true;
        scenes.back().job.stream = ring;
        return scenes.back();
    };
    add("Offloaded", {products, with_views()}, 0);
    add("Streamed", {products, with_caches()}, 8 * kWeightBytes);
    add("StreamedAhead", {products, with_views()}, 8 * kWeightBytes).job.on_stream_lane = true;
    scenes.back().job.n_copies = 4;
    add("LargeWeight", {products, products}, 0).is_large = true;
    add("LargeWeightStreamed", {products, products}, size_t{8} << 20).is_large = true;
    add("ExpertsCopied", {experts(IdsFrom::Caller), products}, 0);
    add("ExpertsStreamed", {experts(IdsFrom::Caller), products}, 8 * kExpertsBytes);
    add("ExpertsOfARouter", {experts(IdsFrom::Router), products}, 8 * kExpertsBytes);
    add("KeptWeights", {experts(IdsFrom::Copy), products}, 16 * kExpertsBytes).job.keep = true;
    add("ResidentExperts", {experts(IdsFrom::Router), experts(IdsFrom::Caller)}, 0).job.resident = 8 * kExpertsBytes;
    GraphSpec few = experts(IdsFrom::Router);
    few.rows = kRows >> 2; // more tokens are not parted
    Case & in_banks = add("ExpertsInBanks", {few, few}, 0).job;
    in_banks.resident = kExpertsBytes / 2;
    in_banks.misses = GGML_SCHED_EXPERT_MISSES_SHARED;
    in_banks.uploaded_percent = 50;
    Case & prompt = add("PromptWithBanks", {few, experts(IdsFrom::Router)}, 8 * kExpertsBytes).job;
    prompt.resident = kExpertsBytes / 2;
    prompt.misses = GGML_SCHED_EXPERT_MISSES_SHARED;
    prompt.merges = true; // Such devices copy out of banks.
    add("ResidentExpertsInAuto", {experts(IdsFrom::Caller), products}, SIZE_MAX).job.resident = SIZE_MAX;
    add("CachesOnTheHost", {with_caches(), products}, SIZE_MAX);
    add("CachesStreamed", {with_caches(), products}, size_t{1} << 16);
}

void add_drawn(std::vector<Scene> & scenes) {
    constexpr uint64_t kSeeds = 6;
    CaseOptions options;
    options.max_devices = 3;
    options.max_nodes = options.max_nodes_of_large = 12;
    for (uint64_t seed = 1; seed <= kSeeds; seed++) {
        Scene drawn;
        drawn.name = "Drawn" + std::to_string(seed);
        drawn.job = cases(options)(rc::Random(seed), 30).value();
        drawn.job.graphs.resize(2, chain(kFirst, kOnCpu, kFirst));
        drawn.job.runs.resize(1);
        scenes.push_back(std::move(drawn));
    }
}

} // namespace

std::vector<Scene> all_scenes() {
    std::vector<Scene> scenes;
    add_places(scenes);
    add_settings(scenes);
    add_host_memory(scenes);
    add_drawn(scenes);
    for (size_t i = 0; i < scenes.size(); i++) {
        scenes[i].inits_tensors = i % 2 == 1;
        normalize(scenes[i].job);
    }
    return scenes;
}

} // namespace ggml_sched::test
