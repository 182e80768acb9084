// Experts' weights in host memory: a device gets only those that the ids name, and the ids are waited for once.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include "host_system.h"
#include "lower/copy_parts.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 32;
constexpr int64_t kExperts = 16;
constexpr int64_t kUsed = 2;
constexpr int64_t kTokens = 3;
constexpr size_t kExpertBytes = kWidth * kWidth * sizeof(float);
constexpr size_t kPadding = 512; // sent behind each group of experts

// Two layers of experts behind a router that reads the input: scores are the input's first numbers, so a test chooses
// the experts by what it writes.
struct ExpertGraph {
    ContextPtr weights_context = make_context();
    ContextPtr context;
    BufferPtr buffer;
    ggml_tensor * up;
    ggml_tensor * down;
    ggml_tensor * scores;
    ggml_tensor * x;
    ggml_tensor * ids;
    ggml_tensor * result;
    ggml_cgraph * graph;

    explicit ExpertGraph(Rig & rig, bool other_reader = false) {
        up = ggml_new_tensor_3d(weights_context.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        down = ggml_new_tensor_3d(weights_context.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_context.get(), ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        write_floats(up, ramp(kWidth * kWidth * kExperts, -1.0F, 1.0F / 4096));
        write_floats(down, ramp(kWidth * kWidth * kExperts, 1.0F, -1.0F / 8192));

        build(rig, other_reader);
    }

    // Anew, if it was there before.
    void build(Rig & rig, bool other_reader = false) {
        ggml_backend_sched_reset(rig.sched());
        context = make_context();
        ggml_context * ctx = context.get();
        scores = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kExperts, kTokens);
        x = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, kWidth, 1, kTokens);
        for (ggml_tensor * input : {scores, x}) {
            ggml_set_input(input);
        }
        ggml_tensor * scaled = ggml_scale(ctx, scores, 2.0F);
        ggml_tensor * order = ggml_argsort(ctx, scaled, GGML_SORT_ORDER_DESC);
        ids = ggml_view_2d(ctx, order, kUsed, kTokens, order->nb[1], 0);
        ggml_tensor * wide = ggml_mul_mat_id(ctx, up, x, ids);
        result = ggml_mul_mat_id(ctx, down, wide, ids);
        std::vector<ggml_tensor *> on_device = {wide, result};
        if (other_reader) {
            ggml_tensor * first = ggml_view_2d(ctx, wide, kWidth, kUsed, wide->nb[1], 0);
            ggml_tensor * flat = ggml_reshape_2d(ctx, up, kWidth, kWidth * kExperts);
            result = ggml_mul_mat(ctx, flat, ggml_cont(ctx, first));
            on_device = {wide, result};
        }
        ggml_set_output(result);
        graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        on_device.insert(on_device.end(), {scaled, order});
        for (ggml_tensor * node : on_device) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), node, rig.device(0));
        }
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph));
    }

    // Each token uses these two experts.
    void choose(const std::vector<std::array<int, 2>> & experts, float seed) {
        std::vector<float> values(kExperts * kTokens, 0.0F);
        for (size_t token = 0; token < experts.size(); token++) {
            values[token * kExperts + experts[token][0]] = 10.0F;
            values[token * kExperts + experts[token][1]] = 5.0F;
        }
        write_floats(scores, values);
        write_floats(x, ramp(kWidth * kTokens, seed, 0.25F));
    }
};

std::vector<float> run_on(Rig & rig, ExpertGraph & graph) {
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS)
        << ggml_sched_get_error(rig.sched());
    return read_floats(graph.result);
}

// On devices of each kind that cannot read host memory
class CopiedExperts : public testing::TestWithParam<ggml_sim_profile> {
  protected:
    static RigOptions options(ggml_sched_sync_mode mode = GGML_SCHED_SYNC_AUTO) {
        RigOptions options;
        options.devices = {GetParam()};
        options.mode = mode;
        options.stream = 0;
        return options;
    }
};

// On devices to which they may be streamed
class Experts : public CopiedExperts {};

TEST_P(CopiedExperts, AreOnlySentWhereTheIdsNameThem) {
    for (const auto mode : {GGML_SCHED_SYNC_AUTO, GGML_SCHED_SYNC_BARRIER, GGML_SCHED_SYNC_SERIAL}) {
        Rig rig(options(mode));
        ggml_sched_set_verify(rig.sched(), true);
        ExpertGraph graph(rig);
        for (const auto & experts : std::vector<std::vector<std::array<int, 2>>>{
                 {{3, 4}, {4, 3}, {9, 3}}, {{0, 15}, {1, 15}, {0, 1}}, {{7, 6}, {5, 4}, {8, 9}}}) {
            const float seed = static_cast<float>(experts[0][0]);
            graph.choose(experts, seed);
            ggml_sched_reset_stats(rig.sched());
            const std::vector<float> result = run_on(rig, graph);
            const uint64_t sent = rig.stats().bytes_copied;
            EXPECT_LT(sent, 2 * 6 * kExpertBytes + 6 * kPadding + 4096) << "of " << 2 * kExperts * kExpertBytes;

            graph.choose(experts, seed);
            ASSERT_EQ(result.size(), static_cast<size_t>(kWidth * kUsed * kTokens));
            // Again, in the same buffers with other experts lying there: no result may depend on what is not sent.
            EXPECT_EQ(run_on(rig, graph), result);
        }
    }
}

std::vector<std::vector<float>> slide_over_experts(const RigOptions & options, uint64_t & bytes_copied) {
    Rig rig(options);
    ExpertGraph graph(rig);
    std::vector<std::vector<float>> results;
    for (int first = 0; first < 14; first++) {
        graph.choose({{first, first + 1}, {first + 1, first + 2}, {first, 15}}, 0.5F);
        results.push_back(run_on(rig, graph));
    }
    bytes_copied = rig.stats().bytes_copied;
    return results;
}

TEST_P(CopiedExperts, GiveTheResultsThatAllOfThemWouldGive) {
    const RigOptions cpu_alone; // it reads them where they are
    uint64_t sent = 0;
    uint64_t sent_to_cpu = 0;
    EXPECT_EQ(slide_over_experts(options(), sent), slide_over_experts(cpu_alone, sent_to_cpu));
    EXPECT_EQ(sent_to_cpu, 0U);
    EXPECT_LT(sent, 14U * 2 * kExperts * kExpertBytes / 2) << "of 14 runs with two weights";
}

TEST_P(Experts, WaitForTheIdsOnce) {
    Rig rig(options());
    ExpertGraph graph(rig);
    graph.choose({{3, 4}, {4, 3}, {9, 3}}, 1);
    run_on(rig, graph);
    ggml_sched_reset_stats(rig.sched());
    graph.choose({{3, 4}, {4, 3}, {9, 3}}, 1);
    run_on(rig, graph);
    EXPECT_EQ(rig.stats().host_waits, 1u) << rig.plan();
}

// The devices' clock decides: computing takes long here, and most experts are used.
TEST_P(Experts, AreStreamedWholeOnceThatIsKnownToBeQuicker) {
    RigOptions streaming = options();
    streaming.stream = 4 * kExperts * kExpertBytes;
    streaming.flops_per_us = 50;
    Rig rig(streaming);
    ExpertGraph graph(rig);
    const std::vector<std::array<int, 2>> experts = {{0, 5}, {9, 3}, {12, 15}};
    graph.choose(experts, 1.0F);
    const std::vector<float> expected = run_on(rig, graph);
    EXPECT_EQ(rig.stats().expert_runs_by_ids, 1U);
    for (int i = 0; i < 7; i++) {
        graph.build(rig);
        graph.choose(experts, 1.0F);
        EXPECT_EQ(run_on(rig, graph), expected) << "run " << i;
    }
    EXPECT_EQ(rig.stats().expert_runs_by_ids, 4U);
    EXPECT_EQ(rig.stats().expert_runs_whole, 4U);
    EXPECT_EQ(rig.stats().expert_bytes_of_all, 4U * 2 * kExperts * kExpertBytes);
    EXPECT_EQ(rig.stats().expert_bytes_sent, 4U * 2 * (6 * kExpertBytes + 5 * kPadding)) << "six in five groups";
    ggml_sched_reset_stats(rig.sched());
    graph.choose(experts, 1.0F);
    run_on(rig, graph);
    EXPECT_EQ(rig.stats().host_waits, 0U);
    EXPECT_EQ(rig.stats().streamed_bytes, 2 * kExperts * kExpertBytes);
}

TEST_P(Experts, TellTheTraceWhatIsKnownAndChosen) {
    RigOptions streaming = options();
    streaming.stream = 4 * kExperts * kExpertBytes;
    streaming.flops_per_us = 50;
    Rig rig(streaming);
    ExpertGraph graph(rig);
    const std::string path =
        testing::TempDir() + "ggml-sched-experts-" + std::to_string(platform::process_id()) + ".json";
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), path.c_str()));
    for (int i = 0; i < 6; i++) {
        graph.choose({{0, 5}, {9, 3}, {12, 15}}, 1.0F);
        run_on(rig, graph);
    }
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    std::ifstream file(path);
    std::string said;
    size_t n_partial = 0; // copies of experts, as long as what was sent
    for (std::string line; std::getline(file, line);) {
        n_partial += line.find("\"bytes\":" + std::to_string(6 * kExpertBytes + 5 * kPadding)) != std::string::npos;
        const size_t at = line.find("\"experts\":");
        if (at != std::string::npos) {
            said += line.find("nothing is known", at) != std::string::npos ? '?'
                    : line.find("by the ids", at) != std::string::npos     ? 'i'
                    : line.find("streamed whole", at) != std::string::npos ? 'w'
                                                                           : '-';
        }
    }
    EXPECT_EQ(said, "?iiiww");
    EXPECT_EQ(n_partial, 2U * 4) << "up and down, in each run by the ids";
    (void) std::remove(path.c_str());
}

TEST_P(Experts, ThatAreStillInTheRingAreSentOnce) {
    RigOptions streaming = options();
    streaming.stream = 4 * kExperts * kExpertBytes;
    streaming.link_bytes_per_us = 1000; // sending all would take long
    Rig rig(streaming);
    ggml_sched_set_verify(rig.sched(), true);
    ggml_sched_keep_weights(rig.sched(), true);
    ExpertGraph graph(rig);
    std::vector<uint64_t> sent;
    std::vector<std::vector<float>> results;
    for (const int first : {0, 1, 0, 1, 9, 0}) { // 0, 1, 2 and 15; then 1, 2, 3 and 15; ...
        graph.build(rig);
        graph.choose({{first, first + 1}, {first + 1, first + 2}, {first, 15}}, 0.5F);
        ggml_sched_reset_stats(rig.sched());
        results.push_back(run_on(rig, graph));
        sent.push_back(rig.stats().streamed_bytes / (2 * kExpertBytes)); // without what is sent behind a group
    }
    EXPECT_EQ(sent, (std::vector<uint64_t>{4, 1, 0, 0, 3, 0}));
    EXPECT_EQ(results[2], results[0]);
    EXPECT_EQ(results[3], results[1]);
    EXPECT_EQ(results[5], results[0]);
    EXPECT_EQ(rig.stats().kept_bytes, 2 * 4 * kExpertBytes);
}

// To choose, the bandwidth has to be known. Finding out is not what a run should wait for.
TEST_P(Experts, MeasureTheLinkWhenMemoryIsReservedAndNeverInARun) {
    RigOptions streaming = options();
    streaming.stream = 4 * kExperts * kExpertBytes;
    Rig rig(streaming);
    ExpertGraph graph(rig);
    EXPECT_GT(rig.stats().async_copies, 0U);
    EXPECT_EQ(rig.stats().runs, 0U);
    std::vector<uint64_t> copies; // of each run
    for (int i = 0; i < 3; i++) {
        const uint64_t before = rig.stats().async_copies;
        graph.choose({{3, 4}, {4, 3}, {9, 3}}, 1.0F);
        run_on(rig, graph);
        copies.push_back(rig.stats().async_copies - before);
        EXPECT_EQ(copies.back(), copies.front());
        graph.build(rig);
    }
    EXPECT_EQ(rig.stats().expert_runs_by_ids, 3U);
    // Each run sends experts out of pageable memory, but not in so many chunks that one would be used twice.
    EXPECT_EQ(rig.stats().unplanned_waits, 0U);
}

// A sample of the link is not worth more than streaming.
TEST_P(Experts, AreStreamedWhereTheLinkCannotBeMeasured) {
    for (const ggml_sim_call call : {GGML_SIM_CALL_EVENT_NEW, GGML_SIM_CALL_ALLOC_BUFFER}) {
        RigOptions streaming = options();
        streaming.stream = 4 * kExperts * kExpertBytes;
        Rig rig(streaming);
        const LogCapture log;
        // The first buffer is the ring.
        ASSERT_TRUE(ggml_backend_sim_fail(0, call, call == GGML_SIM_CALL_EVENT_NEW ? 1 : 2));
        ExpertGraph graph(rig);
        EXPECT_TRUE(ggml_backend_sim_fail(0, call, 0));
        graph.choose({{3, 4}, {4, 3}, {9, 3}}, 1.0F);
        run_on(rig, graph);
        EXPECT_GT(rig.stats().streamed_bytes, 0U) << call << log.text();
        EXPECT_EQ(log.text().find("not streamed any more"), std::string::npos) << log.text();
    }
}

TEST_P(Experts, AreStreamedByTheIdsThroughTheRing) {
    RigOptions streaming = options();
    for (const size_t ring : {4 * kExperts * kExpertBytes, 2 * kExperts * kExpertBytes}) {
        streaming.stream = ring;
        streaming.link_bytes_per_us = 1000; // sending all would take long
        Rig rig(streaming);
        ExpertGraph graph(rig);
        for (int first = 0; first < 12; first++) {
            graph.choose({{first, first + 1}, {first + 1, first + 2}, {first, 15}}, 0.5F);
            const std::vector<float> result = run_on(rig, graph);
            graph.choose({{first, first + 1}, {first + 1, first + 2}, {first, 15}}, 0.5F);
            EXPECT_EQ(run_on(rig, graph), result);
        }
        EXPECT_EQ(rig.stats().expert_runs_whole, 0U);
        EXPECT_LT(rig.stats().streamed_bytes, 24U * 2 * kExperts * kExpertBytes / 2);
    }
}

TEST_P(CopiedExperts, AreSentWholeToOneWhoReadsThemAll) {
    Rig rig(options());
    ExpertGraph graph(rig, true);
    graph.choose({{3, 4}, {4, 3}, {9, 3}}, 1);
    run_on(rig, graph);
    EXPECT_GT(rig.stats().bytes_copied, kExperts * kExpertBytes);
}

std::string profile_name(const testing::TestParamInfo<ggml_sim_profile> & info) {
    std::string name = ggml_sim_profile_name(info.param);
    name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
    return name;
}

INSTANTIATE_TEST_SUITE_P(Profiles, CopiedExperts,
                         testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                                         GGML_SIM_PROFILE_NO_ASYNC),
                         profile_name);
INSTANTIATE_TEST_SUITE_P(Profiles, Experts, testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN),
                         profile_name);

TEST(NamedExperts, AreSentInPiecesThatDoNotTouch) {
    const ContextPtr context = make_context();
    ggml_tensor * ids = ggml_new_tensor_2d(context.get(), GGML_TYPE_I32, 3, 2);
    ggml_tensor * weights = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, 16, 16, 8);
    const std::array<int32_t, 6> data = {5, 0, 4, 7, 5, 6};
    std::vector<char> bytes(ggml_nbytes(weights));
    weights->data = bytes.data();
    CopyBinding copy = {};
    copy.src = copy.dst = weights;
    copy.ids = 0;
    copy.form = CopyForm::NamedExperts;
    CopyParts parts;
    ASSERT_TRUE(parts.find(copy, nullptr, ids, reinterpret_cast<const char *>(data.data()), nullptr).ok());
    const std::vector<Piece> & pieces = parts.pieces();
    ASSERT_EQ(pieces.size(), 2U);
    EXPECT_EQ(pieces[0].offset, 0U);
    EXPECT_EQ(pieces[0].bytes, weights->nb[2] + kPadding);
    EXPECT_EQ(pieces[1].offset, 4 * weights->nb[2]);
    EXPECT_EQ(pieces[1].bytes, 4 * weights->nb[2]) << "nothing is behind the last one";
}

// Returns the pieces of a copy by ids on a device that has experts 0 to 3 in a bank: offsets and bytes.
std::vector<std::pair<size_t, size_t>> pieces_beside_a_bank(std::vector<int32_t> named, KeptWeights * kept) {
    const ContextPtr context = make_context();
    ggml_tensor * ids = ggml_new_tensor_2d(context.get(), GGML_TYPE_I32, static_cast<int64_t>(named.size()), 1);
    ggml_tensor * weights = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, 16, 16, 8);
    std::vector<char> bytes(ggml_nbytes(weights));
    weights->data = bytes.data();
    ExpertResidency residency(8, 4);
    residency.fill();
    CopyBinding copy = {};
    copy.src = copy.dst = weights;
    copy.bytes = bytes.size();
    copy.streamed = true;
    copy.ids = 0;
    copy.form = CopyForm::NamedExperts;
    copy.residency = &residency;
    CopyParts parts;
    EXPECT_TRUE(parts.find(copy, nullptr, ids, reinterpret_cast<const char *>(named.data()), kept).ok());
    std::vector<std::pair<size_t, size_t>> pieces;
    for (const Piece & piece : parts.pieces()) {
        pieces.emplace_back(piece.offset, piece.bytes);
    }
    return pieces;
}

TEST(NamedExperts, ThatAreInABankAreNotSent) {
    constexpr size_t kExpert = size_t{16} * 16 * sizeof(float);
    using Pieces = std::vector<std::pair<size_t, size_t>>;
    EXPECT_EQ(pieces_beside_a_bank({0, 2}, nullptr), Pieces());
    EXPECT_EQ(pieces_beside_a_bank({0, 4, 7}, nullptr),
              (Pieces{{4 * kExpert, kExpert + kPadding}, {7 * kExpert, kExpert}}));
    EXPECT_EQ(pieces_beside_a_bank({3}, nullptr), (Pieces{{4 * kExpert, kPadding}})) << "it is read a little behind 3";
}

TEST(NamedExperts, ThatMayBeKeptGetTheirPaddingAtOnce) {
    constexpr size_t kExpert = size_t{16} * 16 * sizeof(float);
    using Pieces = std::vector<std::pair<size_t, size_t>>;
    KeptWeights kept;
    EXPECT_EQ(pieces_beside_a_bank({0}, &kept), (Pieces{{4 * kExpert, kPadding}})) << "a later run may name 3";
}

TEST(NamedExperts, AreRefusedWhereThereAreNone) {
    const ContextPtr context = make_context();
    const ggml_tensor * ids = ggml_new_tensor_2d(context.get(), GGML_TYPE_I32, 1, 1);
    for (const int32_t id : {-1, 8, INT32_MAX, INT32_MIN}) {
        std::vector<bool> used(8);
        EXPECT_EQ(find_named_experts(ids, reinterpret_cast<const char *>(&id), used), id);
    }
}

} // namespace
} // namespace ggml_sched::test
