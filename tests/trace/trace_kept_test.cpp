// What a trace shows of runs whose weights were still in the ring from earlier ones: only what was sent.

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <tuple>

#include "host_system.h"
#include "support/rig.h"
#include "trace_file.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 64;
constexpr int64_t kTokens = 32;
constexpr size_t kLayers = 5;
constexpr size_t kWeightBytes = kWidth * kWidth * sizeof(float);

RigOptions with_ring(size_t bytes) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    options.stream = bytes;
    return options;
}

// Weights in host memory that a device uses
struct HostWeights {
    ContextPtr context = make_context();
    std::vector<ggml_tensor *> tensors;
    BufferPtr buffer;

    void allocate(const Rig & rig, bool pinned) {
        const ggml_backend_dev_t device = ggml_backend_get_device(rig.device(0));
        buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(
            context.get(), pinned ? ggml_backend_dev_host_buffer_type(device) : ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        for (size_t i = 0; i < tensors.size(); i++) {
            ggml_format_name(tensors[i], "weight%zu", i);
            write_floats(tensors[i], ramp(static_cast<size_t>(ggml_nelements(tensors[i])), -1.0F + i, 1.0F / 4096));
        }
    }
};

void compute(const Rig & rig, ggml_cgraph * graph) {
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph), GGML_STATUS_SUCCESS)
        << ggml_sched_get_error(rig.sched());
}

// Layers x = w * x / 64 + x
class Layers {
  public:
    Layers(const Rig & rig, bool pinned) {
        for (size_t i = 0; i < kLayers; i++) {
            weights_.tensors.push_back(ggml_new_tensor_2d(weights_.context.get(), GGML_TYPE_F32, kWidth, kWidth));
        }
        weights_.allocate(rig, pinned);
    }

    // Builds the graph anew.
    std::vector<float> run(const Rig & rig, ggml_backend_t backend) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kTokens);
        ggml_set_input(input);
        ggml_set_name(input, "input");
        ggml_backend_sched_reset(rig.sched());
        ggml_tensor * x = input;
        for (ggml_tensor * weight : weights_.tensors) {
            ggml_tensor * product = ggml_mul_mat(ctx, weight, x);
            ggml_tensor * small = ggml_scale(ctx, product, 1.0F / 64);
            x = ggml_add(ctx, small, x);
            for (ggml_tensor * node : {product, small, x}) {
                ggml_backend_sched_set_tensor_backend(rig.sched(), node, backend);
            }
        }
        ggml_set_output(x);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, x);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        write_floats(input, ramp(kWidth * kTokens, 1.0F, 0.125F));
        compute(rig, graph);
        return read_floats(x);
    }

    void change(int layer) {
        write_floats(weights_.tensors[static_cast<size_t>(layer)], ramp(kWidth * kWidth, 2.0F, 1.0F / 2048));
    }

  private:
    HostWeights weights_;
};

// What of a run's weights was sent, as the trace has it
struct Sent {
    std::vector<std::string> names; // of copies to the ring, on the lane that makes them
    size_t bytes = 0;               // of these
    size_t all_bytes = 0;           // of all copies
    size_t n_calls = 0;             // of the host that send a weight

    Sent(const TraceFile & trace, int run) {
        for (const Slice & slice : trace.slices()) {
            if (slice.args.value("run", 0) != run) {
                continue;
            }
            const bool is_weight = slice.name.find("weight") != std::string::npos;
            n_calls += slice.category == "call" && is_weight;
            if (slice.category != "copy") {
                continue;
            }
            const auto n = slice.args["bytes"].get<size_t>();
            EXPECT_GT(n, 0U) << slice.name;
            all_bytes += n;
            if (is_weight) {
                EXPECT_EQ(trace.lanes()[static_cast<size_t>(slice.lane)], "SIM0 stream");
                EXPECT_GT(slice.length_ns(), 0) << slice.name;
                names.push_back(slice.args["tensor"]);
                bytes += n;
            }
        }
    }
};

void expect_all_sent(const Sent & sent) {
    EXPECT_EQ(sent.names.size(), kLayers);
    EXPECT_EQ(sent.n_calls, kLayers);
    EXPECT_EQ(sent.bytes, kLayers * kWeightBytes);
}

void expect_none_sent(const Sent & sent) {
    EXPECT_EQ(sent.names, std::vector<std::string>{});
    EXPECT_EQ(sent.n_calls, 0U);
    EXPECT_EQ(sent.all_bytes, kWidth * kTokens * sizeof(float)) << "the input";
}

enum class Keep { ByFunction, ByEnvironment, No };

// A rig that is told in this way whether weights change
class KeepingRig {
  public:
    KeepingRig(Keep keep, const RigOptions & options) {
        if (keep != Keep::ByFunction) {
            EXPECT_TRUE(platform::set_env("GGML_SCHED_STREAM_KEEP", keep == Keep::No ? "0" : "1"));
        }
        rig_ = std::make_unique<Rig>(options);
        EXPECT_TRUE(platform::unset_env("GGML_SCHED_STREAM_KEEP"));
        if (keep == Keep::ByFunction) {
            ggml_sched_keep_weights(rig_->sched(), true);
        }
    }
    const Rig & operator*() const { return *rig_; }

  private:
    std::unique_ptr<Rig> rig_;
};

class TracedKeeping : public testing::TestWithParam<std::tuple<Keep, bool>> {};

TEST_P(TracedKeeping, ShowsCopiesOfWeightsOnlyWhereTheyWereSent) {
    const auto [keep, pinned] = GetParam();
    const KeepingRig keeping(keep, with_ring(2 * kLayers * kWeightBytes));
    const Rig & rig = *keeping;
    Layers layers(rig, pinned);
    const std::vector<float> expected = layers.run(rig, rig.cpu());
    ggml_sched_reset_stats(rig.sched());
    const TempFile file("trace.json");
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    for (int run = 0; run < 3; run++) {
        EXPECT_EQ(layers.run(rig, rig.device(0)), expected);
    }
    layers.change(2);
    ggml_sched_keep_weights(rig.sched(), keep != Keep::No); // of those that were there before, nothing
    const std::vector<float> changed = layers.run(rig, rig.device(0));
    const ggml_sched_stats stats = rig.stats();
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    EXPECT_EQ(changed, layers.run(rig, rig.cpu()));
    EXPECT_NE(changed, expected);

    const TraceFile trace(file.path());
    trace.expect_sound();
    size_t all_bytes = 0;
    for (const int run : {1, 2, 3, 4}) {
        SCOPED_TRACE("run " + std::to_string(run));
        const Sent sent(trace, run);
        const bool is_there = keep != Keep::No && (run == 2 || run == 3);
        is_there ? expect_none_sent(sent) : expect_all_sent(sent);
        all_bytes += sent.all_bytes;
    }
    EXPECT_EQ(all_bytes, stats.bytes_copied);
    EXPECT_EQ(trace.of_category("copy").size(), stats.async_copies + stats.blocking_copies);
    EXPECT_EQ(stats.kept_bytes, keep == Keep::No ? 0 : 2 * kLayers * kWeightBytes);
    // Plans are the same, whatever is in the ring: what waits for a copy that was left out waits for nothing.
    EXPECT_EQ(trace.count_flows("wait"),
              static_cast<int>(stats.host_waits - stats.unplanned_waits + stats.device_waits + stats.throttle_waits));
    EXPECT_EQ(trace.of_category("record").size(), stats.records);
}

std::string name_of(const testing::TestParamInfo<std::tuple<Keep, bool>> & info) {
    const std::array<const char *, 3> names = {"ByFunction", "ByEnvironment", "No"};
    const bool pinned = std::get<1>(info.param);
    return std::string(names[static_cast<size_t>(std::get<0>(info.param))]) + (pinned ? "Pinned" : "Pageable");
}

INSTANTIATE_TEST_SUITE_P(, TracedKeeping,
                         testing::Combine(testing::Values(Keep::ByFunction, Keep::ByEnvironment, Keep::No),
                                          testing::Bool()),
                         name_of);

constexpr int64_t kExperts = 16;
constexpr int64_t kUsed = 2;     // by each token
constexpr size_t kPadding = 512; // sent behind each group of experts

using Used = std::array<int, kUsed>; // the experts of a token

// One product with experts of which the device finds out: those with the greatest scores
class ExpertProduct {
  public:
    explicit ExpertProduct(const Rig & rig) {
        weights_.tensors = {ggml_new_tensor_3d(weights_.context.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts)};
        weights_.allocate(rig, true);
    }

    std::vector<float> run(const Rig & rig, ggml_backend_t backend, const std::vector<Used> & used_by_tokens) {
        const ContextPtr context = make_context();
        ggml_context * ctx = context.get();
        const auto n_tokens = static_cast<int64_t>(used_by_tokens.size());
        ggml_tensor * scores = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kExperts, n_tokens);
        ggml_tensor * x = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, kWidth, 1, n_tokens);
        ggml_set_input(scores);
        ggml_set_input(x);
        ggml_tensor * order = ggml_argsort(ctx, scores, GGML_SORT_ORDER_DESC);
        ggml_tensor * ids = ggml_view_2d(ctx, order, kUsed, n_tokens, order->nb[1], 0);
        ggml_tensor * result = ggml_mul_mat_id(ctx, weights_.tensors[0], x, ids);
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_reset(rig.sched());
        ggml_backend_sched_set_tensor_backend(rig.sched(), order, backend);
        ggml_backend_sched_set_tensor_backend(rig.sched(), result, backend);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph)) << ggml_sched_get_error(rig.sched());
        write_floats(scores, scores_of(used_by_tokens));
        write_floats(x, ramp(static_cast<size_t>(kWidth * n_tokens), 0.5F, 0.25F));
        compute(rig, graph);
        return read_floats(result);
    }

  private:
    static std::vector<float> scores_of(const std::vector<Used> & used_by_tokens) {
        std::vector<float> scores;
        for (const Used & used : used_by_tokens) {
            std::vector<float> of_token(kExperts, 0.0F);
            for (size_t i = 0; i < used.size(); i++) {
                of_token[static_cast<size_t>(used[i])] = 10.0F - static_cast<float>(i);
            }
            scores.insert(scores.end(), of_token.begin(), of_token.end());
        }
        return scores;
    }

    HostWeights weights_;
};

TEST(Trace, OfExpertsHasTheBytesOfThoseThatWereNotInTheRing) {
    RigOptions options = with_ring(4 * kExperts * kWeightBytes);
    options.link_bytes_per_us = 1000; // sending all would take long
    const KeepingRig keeping(Keep::ByFunction, options);
    const Rig & rig = *keeping;
    ExpertProduct product(rig);
    const std::vector<std::vector<Used>> batches = {
        {{0, 1}, {2, 15}}, {{1, 2}, {3, 15}}, {{0, 3}, {2, 1}}, {{7, 1}, {9, 8}}, {{9, 0}, {15, 8}}};
    // Neighbours go in one piece. Behind the last expert there is nothing to be sent.
    const std::vector<size_t> expected_bytes = {4 * kWeightBytes + kPadding, kWeightBytes + kPadding, 0,
                                                3 * kWeightBytes + kPadding, 0};
    std::vector<std::vector<float>> results;
    std::vector<uint64_t> streamed;
    const TempFile file("trace.json");
    ASSERT_TRUE(ggml_sched_trace_start(rig.sched(), file.c_str()));
    for (const std::vector<Used> & batch : batches) {
        ggml_sched_reset_stats(rig.sched());
        results.push_back(product.run(rig, rig.device(0), batch));
        streamed.push_back(rig.stats().streamed_bytes);
    }
    ASSERT_TRUE(ggml_sched_trace_stop(rig.sched()));
    const TraceFile trace(file.path());
    trace.expect_sound();
    for (size_t i = 0; i < batches.size(); i++) {
        SCOPED_TRACE("run " + std::to_string(i + 1));
        const Sent sent(trace, static_cast<int>(i) + 1);
        EXPECT_EQ(sent.bytes, expected_bytes[i]);
        EXPECT_EQ(sent.bytes, streamed[i]);
        EXPECT_EQ(sent.names.size(), expected_bytes[i] > 0 ? 1U : 0U);
        EXPECT_EQ(sent.n_calls, sent.names.size());
        EXPECT_EQ(results[i], product.run(rig, rig.cpu(), batches[i]));
    }
}

} // namespace
} // namespace ggml_sched::test
