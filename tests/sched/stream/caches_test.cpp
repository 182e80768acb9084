// Caches in host memory are copied to a device ahead of the nodes that add to them, and what those add once more.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "ggml-backend-impl.h"
#include "lower/copy_parts.h"
#include "stream/attention.h"

namespace ggml_sched::test {
namespace {

size_t count(const std::string & text, const std::string & part) {
    size_t n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        n++;
    }
    return n;
}

class CachesOn : public testing::TestWithParam<ggml_sim_profile> {};

TEST_P(CachesOn, GiveTheSameBitsForAnyRowsAndRuns) {
    for (uint64_t seed = 0; seed < 40; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937_64 random(seed);
        AttentionOptions options;
        options.pinned = seed % 2 == 0;
        options.type = seed % 3 == 0 ? GGML_TYPE_F16 : GGML_TYPE_F32;
        options.add = seed % 5 == 0 ? Add::Part : seed % 5 == 1 ? Add::TwoParts : Add::Rows;
        options.ids_type = seed % 7 == 0 ? GGML_TYPE_I32 : GGML_TYPE_I64;
        options.n_cells = seed % 4 == 0 ? kCells / 2 : kCells;
        RigOptions rig_options = on(GetParam(), seed);
        rig_options.registers_memory = seed % 4 == 1;
        const CacheRig rig(rig_options, (6 + seed % 11) * kWeightBytes);
        Attention streamed(rig, options);
        Attention reference(rig, options);
        std::vector<int64_t> cells(kCells);
        for (size_t i = 0; i < cells.size(); i++) {
            cells[i] = static_cast<int64_t>(i);
        }
        for (int64_t first = 0; first + kTokens <= kCells; first += kTokens) {
            std::shuffle(cells.begin(), cells.end(), random);
            const std::vector<int64_t> rows =
                seed % 3 == 1 ? rows_from(first) : std::vector<int64_t>(cells.begin(), cells.begin() + kTokens);
            ASSERT_EQ(streamed.run(rig, first, rows), reference.run(rig, first, rows, true)) << "from row " << first;
        }
    }
}

TEST_P(CachesOn, KeepTheirBitsOverRunsWithoutAWait) {
    for (uint64_t seed = 0; seed < 12; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        AttentionOptions options;
        options.pinned = seed % 2 == 0;
        RigOptions rig_options = on(GetParam(), seed);
        rig_options.registers_memory = seed % 4 == 1;
        const CacheRig rig(rig_options);
        Attention streamed(rig, options);
        Attention reference(rig, options);
        std::vector<float> last;
        for (int64_t first = 0; first < 5 * kTokens; first += kTokens) {
            last = reference.run(rig, first, rows_from(first), true);
        }
        streamed.run(rig, 0, rows_from(0));
        for (int64_t first = kTokens; first < 5 * kTokens; first += kTokens) {
            streamed.start(rig, static_cast<float>(first), rows_from(first));
        }
        ggml_backend_sched_synchronize(rig.sched());
        EXPECT_EQ(read_floats(streamed.result), last);
    }
}

INSTANTIATE_TEST_SUITE_P(, CachesOn, testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN),
                         [](const auto & info) { return std::string(ggml_sim_profile_name(info.param)); });

TEST(Caches, AreCopiedBeforeTheyAreAddedToAndTheNewRowsBehind) {
    for (const bool pinned : {false, true}) {
        AttentionOptions options;
        options.pinned = pinned;
        const CacheRig rig(on(GGML_SIM_PROFILE_CUDA));
        Attention attention(rig, options);
        attention.run(rig, 0, rows_from(0));
        const std::string plan = rig.plan();
        SCOPED_TRACE(plan);
        EXPECT_EQ(count(plan, "up to 1024 bytes, by ids of ids"), kLayers) << "four rows";
        EXPECT_EQ(count(plan, ", 16384 bytes\n"), 2 * kLayers) << "weights and caches";
        EXPECT_EQ(rig.stats().cache_bytes, kLayers * kCells * kWidth * sizeof(float));
    }
}

// A device that copies in the order of the calls would send these first, and the host would wait for them. Others send
// them while they compute, also if the host waits inside of the call that fetches.
class CachesOnDevices : public testing::TestWithParam<bool> {};

TEST_P(CachesOnDevices, AreSentWhenWhatTheHostNeedsHasBeenFetchedIfThereIsOneQueue) {
    RigOptions options = on(GGML_SIM_PROFILE_CUDA);
    options.one_queue = GetParam();
    const CacheRig rig(options);
    Attention attention(rig, AttentionOptions{});
    attention.run(rig, 0, rows_from(0));
    const std::string plan = rig.plan();
    SCOPED_TRACE(plan);
    for (int layer = 0; layer + 1 < kLayers; layer++) {
        const size_t launch = plan.find("launch split " + std::to_string(2 * layer) + "\n");
        const size_t fetch = plan.find(" to host", launch);
        const size_t send = plan.find("copy cache" + std::to_string(layer) + " (view)#0 from host", launch);
        const size_t host = plan.find("launch split " + std::to_string(2 * layer + 1) + "\n");
        EXPECT_TRUE(launch < std::min(fetch, send) && std::max(fetch, send) < host && host < std::string::npos)
            << "layer " << layer;
        EXPECT_EQ(fetch < send, GetParam()) << "layer " << layer;
        if (GetParam()) {
            EXPECT_EQ(count(plan.substr(launch, fetch - launch), "from host"), 0U) << "layer " << layer;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Streaming, CachesOnDevices, testing::Bool());

TEST(Caches, AreCopiedTheOldWayWhereMostOfWhatIsReadIsNew) {
    AttentionOptions options;
    options.n_cells = kTokens;
    const CacheRig rig(on(GGML_SIM_PROFILE_CUDA));
    Attention attention(rig, options);
    attention.run(rig, 0, rows_from(0));
    EXPECT_EQ(count(rig.plan(), "by ids of"), 0U) << rig.plan();
    EXPECT_EQ(rig.stats().cache_bytes, 0U);
}

TEST(Caches, AreLookedAtAnewWhenBatchesReadMoreOfThem) {
    const CacheRig rig(on(GGML_SIM_PROFILE_CUDA));
    AttentionOptions options;
    Attention reference(rig, options);
    options.n_cells = kTokens;
    Attention attention(rig, options);
    EXPECT_EQ(attention.run(rig, 0, rows_from(0)).size(), static_cast<size_t>(kWidth * kTokens));
    EXPECT_EQ(rig.stats().cache_bytes, 0U);
    Attention more(rig, AttentionOptions{});
    EXPECT_EQ(more.run(rig, 0, rows_from(0)), reference.run(rig, 0, rows_from(0), true));
    EXPECT_GT(rig.stats().cache_bytes, 0U);
}

TEST(Caches, AreNotSentAheadIfNothingIsStreamed) {
    const CacheRig rig(on(GGML_SIM_PROFILE_CUDA), 0);
    Attention attention(rig, AttentionOptions{});
    attention.run(rig, 0, rows_from(0));
    EXPECT_EQ(rig.stats().cache_bytes, 0U);
}

TEST(Caches, AreSentAgainInEachRunAlsoIfWeightsAreKept) {
    const CacheRig rig(on(GGML_SIM_PROFILE_CUDA), SIZE_MAX - 1);
    ggml_sched_keep_weights(rig.sched(), true);
    Attention streamed(rig, AttentionOptions{});
    Attention reference(rig, AttentionOptions{});
    for (int64_t first = 0; first < 4 * kTokens; first += kTokens) {
        ASSERT_EQ(streamed.run(rig, first, rows_from(first)), reference.run(rig, first, rows_from(first), true));
    }
    EXPECT_EQ(rig.stats().kept_bytes, 3 * kLayers * kWeightBytes);
}

TEST(Caches, TakeThePlaceOfKeptWeightsWhichAreSentAgainThen) {
    std::vector<std::vector<float>> expected; // without streaming
    for (const size_t n_slots : {0, 5, 7, 9, 12}) {
        SCOPED_TRACE(std::to_string(n_slots) + " slots");
        for (const bool pinned : {false, true}) {
            const CacheRig rig(on(GGML_SIM_PROFILE_CUDA), n_slots * kWeightBytes);
            ggml_sched_keep_weights(rig.sched(), true);
            AttentionOptions options;
            options.pinned = pinned;
            Attention attention(rig, options);
            std::vector<std::vector<float>> results;
            for (int64_t first = 0; first < 4 * kTokens; first += kTokens) {
                results.push_back(attention.run(rig, first, rows_from(first)));
            }
            expected = n_slots == 0 ? results : expected;
            EXPECT_EQ(results, expected) << (pinned ? "pinned" : "pageable");
            EXPECT_EQ(rig.stats().cache_bytes > 0, n_slots > 0);
        }
    }
}

// Of a device whose host has none left for large buffers, as long as this exists
class NoPinnedMemory {
  public:
    explicit NoPinnedMemory(ggml_backend_t backend)
        : buft_(ggml_backend_dev_host_buffer_type(ggml_backend_get_device(backend))) {
        allocate_ = buft_->iface.alloc_buffer;
        buft_->iface.alloc_buffer = [](ggml_backend_buffer_type_t buft, size_t size) {
            return size < (size_t{1} << 20) ? allocate_(buft, size) : nullptr;
        };
    }
    ~NoPinnedMemory() { buft_->iface.alloc_buffer = allocate_; }

    NoPinnedMemory(const NoPinnedMemory &) = delete;
    NoPinnedMemory & operator=(const NoPinnedMemory &) = delete;

  private:
    using Allocate = ggml_backend_buffer_t (*)(ggml_backend_buffer_type_t buft, size_t size);

    ggml_backend_buffer_type_t buft_;
    static Allocate allocate_;
};
NoPinnedMemory::Allocate NoPinnedMemory::allocate_ = nullptr;

TEST(Caches, AreCopiedByTheBackendWithoutPinnedMemory) {
    for (uint64_t seed = 0; seed < 12; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const CacheRig rig(on(GGML_SIM_PROFILE_CUDA, seed));
        const NoPinnedMemory none(rig.device(0));
        Attention streamed(rig, AttentionOptions{});
        Attention reference(rig, AttentionOptions{});
        for (int64_t first = 0; first < 4 * kTokens; first += kTokens) {
            ASSERT_EQ(streamed.run(rig, first, rows_from(first)), reference.run(rig, first, rows_from(first), true));
        }
        EXPECT_EQ(rig.stats().unplanned_waits, 0U) << "the plan knows that the device reads them later";
        EXPECT_GT(rig.stats().cache_bytes, 0U);
        EXPECT_EQ(rig.stats().staged_bytes, 0U);
    }
}

TEST(Caches, FailARunWhoseIdsNameNoRow) {
    const CacheRig rig(on(GGML_SIM_PROFILE_CUDA));
    Attention attention(rig, AttentionOptions{});
    attention.build(rig, 0, false);
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), attention.graph));
    const std::vector<int64_t> rows = {0, 1, 2, kCells};
    ggml_backend_tensor_set(attention.ids, rows.data(), 0, ggml_nbytes(attention.ids));
    write_floats(attention.input, ramp(kWidth * kTokens));
    EXPECT_NE(ggml_backend_sched_graph_compute(rig.sched(), attention.graph), GGML_STATUS_SUCCESS);
}

struct RowsBench {
    ContextPtr context = make_context();
    std::vector<char> bytes = std::vector<char>(size_t{1} << 16);

    ggml_tensor * set_rows(ggml_type ids_type, std::array<int64_t, 4> cache, std::array<int64_t, 3> rows,
                           std::array<int64_t, 3> ids) {
        ggml_context * ctx = context.get();
        ggml_tensor * to = ggml_new_tensor(ctx, GGML_TYPE_F32, 4, cache.data());
        ggml_tensor * from = ggml_new_tensor_4d(ctx, GGML_TYPE_F32, cache[0], rows[0], rows[1], rows[2]);
        ggml_tensor * node = ggml_set_rows(ctx, to, from, ggml_new_tensor_3d(ctx, ids_type, ids[0], ids[1], ids[2]));
        node->data = bytes.data();
        return node;
    }
    template <typename Id> std::string found(const ggml_tensor * node, const std::vector<Id> & ids) {
        std::vector<Piece> rows;
        const Status status = find_written_rows(node, node->src[1], reinterpret_cast<const char *>(ids.data()), rows);
        std::string text = status.message;
        for (const Piece & piece : rows) {
            EXPECT_EQ(piece.data, bytes.data() + piece.offset);
            text += status.ok() ? std::to_string(piece.offset / 16) + "-" +
                                      std::to_string((piece.offset + piece.bytes) / 16) + " "
                                : "";
        }
        return text;
    }
};

TEST(WrittenRows, AreInOrderAndNeighboursTogether) {
    RowsBench bench;
    const ggml_tensor * node = bench.set_rows(GGML_TYPE_I64, {4, 9, 1, 1}, {5, 1, 1}, {5, 1, 1});
    EXPECT_EQ(bench.found<int64_t>(node, {7, 3, 2, 3, 0}), "0-1 2-4 7-8 ");
    EXPECT_EQ(bench.found<int64_t>(node, {0, 1, 2, 9, 4}), "'' names row 9 of 9");
    EXPECT_EQ(bench.found<int64_t>(node, {0, 1, 2, -1, 4}), "'' names row -1 of 9");
}

TEST(WrittenRows, OfSeveralMatricesRepeatTheirIds) {
    RowsBench bench;
    const ggml_tensor * node = bench.set_rows(GGML_TYPE_I32, {4, 9, 4, 2}, {2, 4, 2}, {2, 2, 1});
    EXPECT_EQ(bench.found<int32_t>(node, {0, 1, 5, 6}), "0-2 14-16 18-20 32-34 36-38 50-52 54-56 68-70 ");
}

TEST(WrittenRows, OfAnEmptyBatchAreNone) {
    RowsBench bench;
    const ggml_tensor * node = bench.set_rows(GGML_TYPE_I64, {4, 9, 1, 1}, {0, 1, 1}, {0, 1, 1});
    EXPECT_EQ(bench.found<int64_t>(node, {}), "");
}

} // namespace
} // namespace ggml_sched::test
