#include "cases.h"

namespace ggml_sched::test {

namespace {

constexpr auto kCuda = GGML_SIM_PROFILE_CUDA;
constexpr auto kVulkan = GGML_SIM_PROFILE_VULKAN;
constexpr auto kNoEvents = GGML_SIM_PROFILE_NO_EVENTS;
constexpr auto kNoAsync = GGML_SIM_PROFILE_NO_ASYNC;
constexpr auto kUma = GGML_SIM_PROFILE_UMA;

RigOptions on(std::vector<ggml_sim_profile> devices) {
    RigOptions options;
    options.devices = std::move(devices);
    return options;
}

RigOptions parallel_on(std::vector<ggml_sim_profile> devices, ggml_sched_sync_mode mode = GGML_SCHED_SYNC_AUTO) {
    RigOptions options = on(std::move(devices));
    options.parallel = true;
    options.mode = mode;
    return options;
}

RigOptions with_banks(std::vector<ggml_sim_profile> devices, size_t bytes) {
    RigOptions options = on(std::move(devices));
    options.experts = bytes;
    options.misses = GGML_SCHED_EXPERT_MISSES_SHARED;
    return options;
}

RigOptions offloading(std::vector<ggml_sim_profile> devices, size_t stream = 0) {
    RigOptions options = on(std::move(devices));
    options.stream = stream;
    options.op_offload = true;
    options.offload = true;
    return options;
}

RigOptions with_banks_for_prompts() {
    RigOptions options = offloading({GGML_SIM_PROFILE_CUDA}, 65536);
    options.experts = 16384;
    options.misses = GGML_SCHED_EXPERT_MISSES_SHARED;
    options.sets_ranges = true;
    return options;
}

//                              embedding layers              caches        experts      output tokens
const ModelOptions kOneGpu = {0, {0, 0}, {}, {}, 0, 1};
const ModelOptions kEmbeddingOnCpu = {kCpu, {0, 0}, {}, {}, 0, 1};
const ModelOptions kTwoStages = {kCpu, {0, 1}, {}, {}, 1, 4};
const ModelOptions kFourStages = {kCpu, {0, 1, 2, 3}, {}, {}, 3, 4};
const ModelOptions kPartial = {kCpu, {kCpu, 0}, {}, {}, 0, 1};
const ModelOptions kHostCache = {kCpu, {0, 0}, {kCpu, kCpu}, {}, 0, 1};
const ModelOptions kLookupsOnCpu = {kCpu, {0, 0}, {}, {}, 0, 1, true};
const ModelOptions kHostExperts = {kCpu, {0, 0}, {}, {kCpu, kCpu}, 0, 1};
const ModelOptions kHostLayersPrefill = {kCpu, {kCpu, kCpu, kCpu, kCpu}, {0, 0, 0, 0}, {}, 0, 32, false, true};
const ModelOptions kHostExpertsPrefill = {kCpu, {0, 0}, {}, {kCpu, kCpu}, 0, 32};

std::vector<Case> one_gpu() {
    return {
        {"one_gpu_decode",
         "One GPU, SIM0, holds the whole model; one token at a time, each run waited for by the caller, who samples "
         "from its result.\n"
         "Look at: no wait at all. The caller's inputs are copied aside (snapshot), so that it may overwrite them at "
         "once; the "
         "copies and the launch are in order because they are on one lane. The event is for those who come later.",
         Show::Synchronized, on({kCuda}), kOneGpu},
        {"one_gpu_embedding_on_cpu",
         "One GPU, SIM0, holds the layers; the table of token embeddings stays in host memory, as most engines keep "
         "it.\n"
         "Look at: what the CPU computed (inp_embd) is copied aside like an input of the caller: the CPU writes it "
         "again in the "
         "next run, while SIM0 may not have read it yet. Still no wait.",
         Show::Synchronized, on({kCuda}), kEmbeddingOnCpu},
        {"one_gpu_runs_in_flight",
         "The same, but nobody waits for a run before submitting the next: at most two are in flight.\n"
         "Look at: the one wait is the throttle, for the run before the last one; it also frees that run's part of the "
         "ring of "
         "snapshots. SIM0's own order protects the slots on it. That the caller may have queued reads of the results "
         "is a step "
         "like any other: the next run comes after them.",
         Show::InFlight, on({kCuda}), kEmbeddingOnCpu},
    };
}

std::vector<Case> pipelines() {
    return {
        {"two_gpu_pipeline",
         "Two GPUs, SIM0 and SIM1, a stage on each; micro-batches submitted one after the other, inputs in four "
         "rotating slots "
         "(the number behind #).\n"
         "Look at: l_out-0 is copied on SIM0's queue, and the contract makes SIM1 wait for it: no event is needed. Its "
         "slot was "
         "used four runs ago, which the throttle has waited for. The host blocks for nothing else.",
         Show::InFlight, parallel_on({kCuda, kCuda}), kTwoStages},
        {"two_gpu_one_copy",
         "The same two GPUs without rotating slots: each run copies l_out-0 into the same place.\n"
         "Look at: before that copy SIM0 waits for SIM1 to have finished with the slot in the run before (H2, H6). It "
         "waits on the "
         "device; the host goes on.",
         Show::InFlight, on({kCuda, kCuda}), kTwoStages},
        {"two_gpu_barrier_mode",
         "The two-GPU pipeline in mode `barrier`: the host waits for both sides before a split's copies and once "
         "before its launch.\n"
         "Look at: six waits of the host per run, and stages that can no longer overlap. No snapshots: the host has "
         "waited for the "
         "copies of the caller's inputs by the time the call returns.",
         Show::InFlight, parallel_on({kCuda, kCuda}, GGML_SCHED_SYNC_BARRIER), kTwoStages},
        {"two_gpu_serial_mode",
         "The two-GPU pipeline in mode `serial`: the host waits around every copy, as schedulers used to.\n"
         "Look at: ten waits of the host for four copies. Only for comparison.",
         Show::InFlight, parallel_on({kCuda, kCuda}, GGML_SCHED_SYNC_SERIAL), kTwoStages},
        {"four_gpu_pipeline",
         "Four GPUs, a stage on each, rotating slots.\n"
         "Look at: however many stages, the host waits once per run, for the run four back, and that only on the last "
         "device: "
         "each stage has come after the one before it.",
         Show::InFlight, parallel_on({kCuda, kCuda, kCuda, kCuda}), kFourStages},
    };
}

std::vector<Case> work_on_the_host() {
    return {
        {"partial_offload",
         "The first layer on the CPU, the second and the output on the GPU; each run waited for by the caller.\n"
         "Look at: the sum l_out-0 has no weights and goes to the GPU, so both of its operands cross the link. "
         "Everything that "
         "the CPU wrote is copied aside, and the host does not wait.",
         Show::Synchronized, on({kCuda}), kPartial},
        {"kv_cache_on_host",
         "All weights on the GPU, the KV cache and with it the attention on the CPU; each run waited for by the "
         "caller.\n"
         "Look at: each CPU split has two inputs from the GPU. Both copies are enqueued first, then the host waits "
         "once, for the "
         "second: exactly one wait of the host per CPU split that consumes device results.",
         Show::Synchronized, on({kCuda}), kHostCache},
        {"moe_experts_on_host",
         "A mixture of experts whose experts are in host memory: the CPU computes them, the GPU everything else.\n"
         "Look at: the same pattern as with the cache on the host, one wait of the host per layer, for the second of "
         "two copies.",
         Show::Synchronized, on({kCuda}), kHostExperts},
        {"moe_experts_in_banks",
         "The same, with device memory for two of the four experts of each layer (GGML_SCHED_EXPERT_MISSES=shared).\n"
         "Look at: each layer has two splits on the CPU and two on the GPU. The first one on the CPU parts the pairs, "
         "as soon as the host has the ids. Then the GPU computes the block on the bank, and the CPU meanwhile the "
         "pairs that are missing. Their rows go to the GPU, which picks the rows of both. The second queue of the GPU "
         "copies experts for later runs to the bank of the layer that is not at work. What the run itself needs is "
         "copied behind the node that parts the pairs.",
         Show::Synchronized, with_banks({kCuda}, 16384), kHostExperts},
    };
}

std::vector<Case> weights_sent_to_the_gpu() {
    return {
        {"moe_experts_offloaded",
         "The same mixture of experts with op_offload and a batch of 32: the GPU computes the experts, whose weights "
         "are sent to it.\n"
         "Look at: each layer's experts begin a split of their own. First the ids of the experts that the router "
         "chose go to the host, which waits for them, the only wait of the split: of the weights it then sends those "
         "that are used; 16384 bytes are what all of them have. The events after the copies of weights would let the "
         "host overwrite those before the launch behind them is done; nobody does.",
         Show::Synchronized, offloading({kCuda}), kHostExpertsPrefill},
        {"moe_experts_streamed",
         "The same, with streaming: what is sent goes through a ring of 64 KiB on a queue of its own, SIM0 stream.\n"
         "Look at: the first runs do as above, behind each router; then it is known how long computing and copying "
         "take, "
         "and that most experts are used. From then on all of them are sent ahead, and nobody waits for ids.",
         Show::InFlight, offloading({kCuda}, 65536), kHostExpertsPrefill},
        {"moe_prompt_with_banks",
         "The same, with device memory for two of the four experts of each layer.\n"
         "Look at: what lies in the bank is copied on the device, as soon as there is room in the ring, and before the "
         "host knows the ids. Behind the ids only experts that are not in the bank are sent.",
         Show::InFlight, with_banks_for_prompts(), kHostExpertsPrefill},
        {"layers_streamed",
         "A batch of 32 tokens, op_offload, the layers' weights in host memory, KV cache and output on the GPU: SIM0 "
         "computes, and SIM0 stream copies weights ahead, through a ring that holds about half of them.\n"
         "Look at: a weight is copied as soon as the launch that used its part of the ring last is done, of this run "
         "or of the one before, and a launch waits for the last of its weights only. The host never waits for them. "
         "What the CPU computes for splits 1, 6, 11 and 16 goes on the same queue, behind the weights of these splits, "
         "and not behind all for which there is room: the others follow it.",
         Show::InFlight, offloading({kCuda}, 16384), kHostLayersPrefill},
    };
}

std::vector<Case> host_memory_in_place() {
    return {
        {"uma_device",
         "A device that reads host memory in place (SIM0), with the token embeddings in host memory.\n"
         "Look at: the embeddings are looked up by the device, in place, without a split on the CPU; but the caller's "
         "inputs are "
         "still copied, because it overwrites them as soon as the call has returned (H7).",
         Show::Synchronized, on({kUma}), kEmbeddingOnCpu},
        {"uma_kv_cache_on_host",
         "A device that reads and writes host memory in place (SIM0), the KV cache in host memory, attention on the "
         "CPU.\n"
         "Look at: splits 2 and 4 have nothing to copy: SIM0 reads kqv_out where the CPU left it, and writes the "
         "cache "
         "where the CPU reads it. The wait for Qcur, which comes after all that, covers those hazards too.",
         Show::InFlight, on({kUma}), kHostCache},
        {"uma_split_without_inputs",
         "A device that reads host memory in place (SIM0); the CPU looks tokens up, once more for the second layer.\n"
         "Look at: split 2 copies nothing and needs nothing of split 1, but the allocator has given inp_layer-1 the "
         "memory "
         "of inp_embd, which SIM0 may still be reading. Only the hazard on those bytes makes the host wait (H5); and "
         "again "
         "in the next run, for what SIM0 reads of this one (H6).",
         Show::InFlight, on({kUma}), kLookupsOnCpu},
    };
}

std::vector<Case> devices_that_lack_something() {
    return {
        {"rpc_like_device",
         "A device that does everything before its calls return, as RPC or BLAS do. It has no lane of its own: the "
         "host's order is "
         "its order.\n"
         "Look at: nothing to wait for, nothing copied aside, copies that block.",
         Show::Synchronized, on({kNoAsync}), kPartial},
        {"vulkan_like_devices",
         "Two devices that cannot copy to each other and whose events do not reach each other, as Vulkan's; rotating "
         "slots.\n"
         "Look at: l_out-0 goes through host memory. The second half of that copy must not start before the first has "
         "landed, and "
         "only the host can wait for it: once per run and boundary. It waits after everything else has been enqueued.",
         Show::InFlight, parallel_on({kVulkan, kVulkan}), kTwoStages},
        {"device_without_events",
         "A device that is asynchronous, but has no events; the KV cache on the host.\n"
         "Look at: where others wait for an event the host waits for the whole queue. That happens often enough here "
         "that no "
         "throttle is needed: no run is in flight for long.",
         Show::InFlight, on({kNoEvents}), kHostCache},
        {"one_gpu_eval_callback",
         "One GPU and the embeddings in host memory again, with an eval callback: someone looks at nodes while the "
         "graph runs.\n"
         "Look at: from a launch to \"the eval callback looks\" the steps are done once for each slice, which ends "
         "with a "
         "node that it has asked for. What it may look at is read by the host, so the host waits for exactly that. "
         "Splits on the CPU are done when their launch returns.",
         Show::Synchronized, on({kCuda}), kEmbeddingOnCpu, true},
        {"two_vendors",
         "A pipeline over devices of two vendors: SIM0 like CUDA's, SIM1 like Vulkan's. Neither knows the other's "
         "events.\n"
         "Look at: as with two Vulkan-like devices, l_out-0 goes through host memory with one wait of the host.",
         Show::InFlight, parallel_on({kCuda, kVulkan}), kTwoStages},
    };
}

} // namespace

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const auto group : {one_gpu, pipelines, work_on_the_host, weights_sent_to_the_gpu, host_memory_in_place,
                             devices_that_lack_something}) {
        const std::vector<Case> of_group = group();
        all.insert(all.end(), of_group.begin(), of_group.end());
    }
    return all;
}

} // namespace ggml_sched::test
