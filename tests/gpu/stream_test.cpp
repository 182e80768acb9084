// Streaming weights to GPUs: the same bits as without, whatever the model, the memory of its weights, the budget and
// how late the host is. Simulated devices run all of it, too, with smaller models.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ggml-sim.h"
#include "gpu_test.h"
#include "stream_job.h"

namespace gpu_tests {
namespace {

using ggml_sched::test::LogCapture;
using Floats = StreamSession::Floats;

#ifdef GGML_SCHED_TEST_THIN
constexpr bool kThin = true;
#else
constexpr bool kThin = false;
#endif

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kSimMemory = 256 * kMiB;

Vendor simulated() {
    Vendor vendor = {"SIM", {}, nullptr};
    ggml_sim_config config = ggml_sim_config_default(GGML_SIM_PROFILE_CUDA);
    config.memory_bytes = kSimMemory;
    for (int i = 0; i < 2; i++) {
        if (ggml_backend_sim_configure(i, &config)) {
            vendor.devices.push_back(ggml_backend_sim_device(i));
        }
    }
    return vendor;
}

std::vector<Vendor> vendors_and_simulated() {
    std::vector<Vendor> all = vendors();
    all.push_back(simulated());
    return all;
}

int env_or(const char * name, int fallback) {
    const char * value = std::getenv(name);
    return value != nullptr ? std::atoi(value) : fallback;
}

uint64_t n_violations() {
    ggml_sim_counters counters = {};
    ggml_backend_sim_get_counters(&counters);
    return counters.contract_violations;
}

class Streams : public GpuTest {
  protected:
    void SetUp() override { violations_ = n_violations(); }
    void TearDown() override { EXPECT_EQ(n_violations(), violations_) << "the contract was broken, see the log"; }

    bool is_simulated() const { return vendor().get_counters == nullptr; }
    // For devices that compute slowly: simulated ones, and GPUs whose every access is checked
    bool is_small() const { return is_simulated() || std::getenv("GGML_SCHED_GPU_SMALL") != nullptr; }
    std::vector<ggml_backend_dev_t> devices(size_t n) const {
        return {vendor().devices.begin(), vendor().devices.begin() + static_cast<ptrdiff_t>(n)};
    }
    size_t n_devices() const { return std::min<size_t>(2, vendor().devices.size()); }
    int n_repetitions() const { return is_simulated() ? 6 : env_or("GGML_SCHED_GPU_REPETITIONS", 8); }
    std::vector<int> micro_batches() const {
        return is_small() ? std::vector<int>{5, 16, 16, 40, 40} : std::vector<int>{16, 64, 64, 128, 512, 512, 33};
    }

    StreamShape shape() const {
        StreamShape shape;
        if (is_small()) {
            shape.n_layers = 4;
            shape.width = 32;
            shape.wide = 96;
        }
        return shape;
    }
    StreamShape with_experts(double share) const {
        StreamShape result = shape();
        result.n_experts = is_small() ? 8 : 32;
        result.n_used = 2;
        result.share = share;
        return result;
    }

    // Off, the host waiting for each sequence
    static std::vector<Floats> plainly(const StreamModel & model, const std::vector<int> & micro_batches) {
        StreamSession session(model, {});
        std::vector<Floats> result = session.run(micro_batches, 1);
        EXPECT_EQ(session.error(), "");
        EXPECT_EQ(session.stats().streamed_bytes, 0u);
        for (const Floats & floats : result) {
            EXPECT_TRUE(std::all_of(floats.begin(), floats.end(), [](float v) { return std::isfinite(v); }));
        }
        return result;
    }

    // With random delays. What was done, if all was right.
    ggml_sched_stats expect_same(const StreamModel & model, const Streaming & streaming,
                                 const std::vector<Floats> & expected, const std::vector<int> & micro_batches,
                                 int n_repetitions) const {
        StreamSession session(model, streaming);
        for (int i = 0; i < n_repetitions; i++) {
            ggml_backend_sim_set_seed(static_cast<uint64_t>(i));
            const std::function<void()> delay =
                is_small() ? nullptr : random_delays(static_cast<uint64_t>(i)); // they are late by themselves
            const auto got = session.run(micro_batches, 1, delay);
            const std::string what = session.error().empty() ? difference(got, expected) : session.error();
            EXPECT_EQ(what, "") << "repetition " << i;
            if (!what.empty()) {
                break;
            }
        }
        return session.stats();
    }

  private:
    uint64_t violations_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Vendors, Streams, testing::ValuesIn(vendors_and_simulated()), vendor_name);

TEST_P(Streams, GiveTheBitsOfPlainCopies) {
    size_t n_tried = 0;
    for (size_t n = 1; n <= n_devices(); n++) {
        for (const StreamShape & shape : {shape(), with_experts(0.25), with_experts(0.5), with_experts(1)}) {
            for (const WeightMemory memory : {WeightMemory::Pinned, WeightMemory::Pageable, WeightMemory::Callers}) {
                for (const bool parallel : {false, true}) {
                    if (kThin && n_tried++ % 5 != 0) {
                        continue;
                    }
                    SCOPED_TRACE(std::to_string(n) + " devices, " + std::to_string(shape.n_experts) +
                                 " experts, share " + std::to_string(shape.share) + ", weights " + name_of(memory) +
                                 (parallel ? ", parallel" : ""));
                    const StreamModel model(shape, memory, devices(n), 1);
                    ASSERT_EQ(model.error(), "");
                    const std::vector<Floats> expected = plainly(model, micro_batches());
                    Streaming streaming;
                    streaming.budget = 5 * model.largest(); // the ring is used again and again
                    streaming.parallel = parallel;
                    const ggml_sched_stats stats =
                        expect_same(model, streaming, expected, micro_batches(), n_repetitions());
                    ASSERT_FALSE(HasFailure());
                    EXPECT_GT(stats.streamed_bytes, 0u);
                    EXPECT_EQ(stats.expert_runs_by_ids > 0, shape.n_experts > 0);
                    if (memory == WeightMemory::Pageable) {
                        EXPECT_GT(stats.staged_bytes, 0u);
                    } else if (n == 1) {
                        EXPECT_EQ(stats.staged_bytes, 0u) << "the device reads pinned memory by itself";
                    }
                }
            }
        }
    }
}

// The CPU stores what the device computed, layer by layer; the device reads it with all that was stored before.
TEST_P(Streams, CachesOnTheHostGoAheadOutOfAllMemoryAndChangeNoBit) {
    size_t n_tried = 0;
    for (size_t n = 1; n <= n_devices(); n++) {
        for (StreamShape shape : {shape(), with_experts(0.5)}) {
            for (const WeightMemory memory : {WeightMemory::Pinned, WeightMemory::Pageable}) {
                for (const bool parallel : {false, true}) {
                    if (kThin && n_tried++ % 3 != 0) {
                        continue;
                    }
                    SCOPED_TRACE(std::to_string(n) + " devices, " + std::to_string(shape.n_experts) +
                                 " experts, caches " + name_of(memory) + (parallel ? ", parallel" : ""));
                    shape.n_cells = is_small() ? 96 : 1024; // some batches write most of them, and the last ones again
                    shape.cache_memory = memory;
                    const StreamModel model(shape, WeightMemory::Pinned, devices(n), 1);
                    ASSERT_EQ(model.error(), "");
                    const std::vector<Floats> expected = plainly(model, micro_batches());
                    Streaming streaming;
                    streaming.budget = 5 * model.largest() + 2 * StreamCaches(model).n_bytes();
                    streaming.parallel = parallel;
                    streaming.keep = parallel;
                    const ggml_sched_stats stats =
                        expect_same(model, streaming, expected, micro_batches(), n_repetitions());
                    ASSERT_FALSE(HasFailure());
                    EXPECT_GT(stats.cache_bytes, 0u);
                    EXPECT_GT(stats.streamed_bytes, 0u);
                }
            }
        }
    }
}

// From too little for any weight to enough for all. With a lookahead of its own, so that large rings are.
TEST_P(Streams, BudgetsOfAllSizesChangeNoBit) {
    const size_t mib = is_small() ? size_t{1} << 10 : kMiB;
    for (StreamShape shape : {shape(), with_experts(0.5)}) {
        if (!is_small()) { // about 1.2 GiB, more than most of the budgets
            shape.type = GGML_TYPE_F16;
            shape.n_layers = 12;
            shape.width = 1024;
            shape.wide = shape.n_experts > 0 ? 768 : 24576;
            shape.n_experts = std::min<int64_t>(shape.n_experts, 32);
        }
        const StreamModel model(shape, WeightMemory::Pinned, devices(1), 2);
        ASSERT_EQ(model.error(), "");
        const std::vector<int> sizes = is_small() ? std::vector<int>{16, 40} : std::vector<int>{64, 256, 256};
        const std::vector<Floats> expected = plainly(model, sizes);
        const size_t two_slots = 2 * model.largest();
        for (const size_t budget :
             {2 * model.smallest() - 1, model.largest() - 1, two_slots - 1, two_slots, 3 * model.largest(), 16 * mib,
              64 * mib, 256 * mib, 1024 * mib, 4096 * mib, model.n_bytes(), GGML_SCHED_STREAM_AUTO}) {
            for (const size_t lookahead : {size_t{0}, budget == GGML_SCHED_STREAM_AUTO ? 0 : budget}) {
                SCOPED_TRACE(std::to_string(shape.n_experts) + " experts, budget " + std::to_string(budget) +
                             ", lookahead " + std::to_string(lookahead) + ", weights of " +
                             std::to_string(model.smallest()) + " to " + std::to_string(model.largest()));
                Streaming streaming = {budget, lookahead};
                streaming.keep = true;
                const ggml_sched_stats kept = expect_same(model, streaming, expected, sizes, 3);
                streaming.keep = false;
                const ggml_sched_stats stats = expect_same(model, streaming, expected, sizes, 6);
                ASSERT_FALSE(HasFailure());
                EXPECT_EQ(stats.kept_bytes, 0u);
                if (lookahead > 2 * model.n_bytes() && shape.n_experts == 0) {
                    EXPECT_GT(kept.kept_bytes, 0u) << "all of them are still there";
                }
                const bool is_too_small = is_small() && budget == GGML_SCHED_STREAM_AUTO; // not worth it
                EXPECT_EQ(stats.streamed_bytes > 0, budget >= 2 * model.smallest() && !is_too_small);
                if (budget < two_slots) {
                    EXPECT_LT(stats.streamed_bytes, stats.bytes_copied) << "the large weights go the plain way";
                }
            }
        }
    }
}

size_t free_memory(ggml_backend_dev_t device) {
    size_t free = 0;
    size_t total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    return free;
}

TEST_P(Streams, ADeviceThatIsFullGetsFewerSlotsAndTheSameBits) {
    StreamShape large = shape();
    large.type = GGML_TYPE_F32;
    large.n_layers = is_simulated() ? 64 : 24;
    large.width = is_simulated() ? 32 : 1024;
    large.wide = is_simulated() ? 512 : 4096;
    const StreamModel model(large, WeightMemory::Pinned, devices(1), 3); // on GPUs 864 MiB
    ASSERT_EQ(model.error(), "");
    const std::vector<int> sizes = is_simulated() ? std::vector<int>{8} : std::vector<int>{64, 64};
    const std::vector<Floats> expected = plainly(model, sizes);

    const size_t left = is_simulated() ? model.n_bytes() * 9 / 16 : 400 * kMiB;
    std::vector<ggml_sched::test::BufferPtr> others;
    constexpr size_t least = size_t{64} << 10;
    for (size_t size = size_t{1} << 36; size >= least; size /= 2) { // what is free may be in pieces
        while (free_memory(device()) >= left + size) {
            others.emplace_back(ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device()), size));
            if (others.back() == nullptr) {
                break;
            }
        }
    }
    ASSERT_LT(free_memory(device()), left + 16 * kMiB);
    const LogCapture log;
    const ggml_sched_stats stats =
        expect_same(model, {2 * model.n_bytes(), 2 * model.n_bytes(), false}, expected, sizes, 4);
    EXPECT_TRUE(log.contains("trying with half of it")) << log.text();
    EXPECT_GT(stats.streamed_bytes, 0u) << log.text();
}

TEST_P(Streams, RandomJobsGiveTheSameBitsAsWithoutStreaming) {
    const int n_jobs = env_or("GGML_SCHED_GPU_JOBS", kThin ? 6 : is_simulated() ? 40 : 60);
    const auto first_seed = static_cast<uint64_t>(env_or("GGML_SCHED_TEST_SEED", 1));
    for (uint64_t seed = first_seed; seed < first_seed + static_cast<uint64_t>(n_jobs); seed++) {
        ggml_backend_sim_set_seed(seed);
        StreamJob job;
        job.seed = seed;
        job.small = is_small();
        ASSERT_EQ(run_stream_job(vendor(), job), "") << "seed " << seed;
    }
}

} // namespace
} // namespace gpu_tests
