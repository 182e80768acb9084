// In whatever way the ids of MUL_MAT_ID arrive, a device gets the experts that they name, and no others.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <tuple>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 32;
constexpr int64_t kExperts = 16;
constexpr int64_t kUsed = 4;
constexpr size_t kExpertBytes = kWidth * kWidth * sizeof(float);
constexpr size_t kPadding = 512;        // sent behind each group of experts but the last expert's
constexpr size_t kOthers = 1024;        // ids and activations are smaller
constexpr int64_t kWideRow = kUsed + 3; // of tensors of which the ids are a view

using Ids = std::vector<int32_t>; // of one token

enum class Device {
    Cuda,
    Vulkan,
    NoEvents,
    NoAsync,
    OnlyLaunches, // are enqueued; copies block
    Uma,          // reads the weights where they are
};

std::string name_of(Device device) {
    constexpr std::array<const char *, 6> names = {"Cuda", "Vulkan", "NoEvents", "NoAsync", "OnlyLaunches", "Uma"};
    return names[static_cast<size_t>(device)];
}

ggml_sim_profile profile_of(Device device) {
    constexpr std::array<ggml_sim_profile, 6> profiles = {GGML_SIM_PROFILE_CUDA,      GGML_SIM_PROFILE_VULKAN,
                                                          GGML_SIM_PROFILE_NO_EVENTS, GGML_SIM_PROFILE_NO_ASYNC,
                                                          GGML_SIM_PROFILE_CUDA,      GGML_SIM_PROFILE_UMA};
    return profiles[static_cast<size_t>(device)];
}

enum class Way {
    Input,          // of the graph, in host memory
    InputOnDevice,  // of the graph, in device memory
    ViewOfInput,    // in host memory
    ComputedOnHost, // by a node
    ComputedOnDevice,
    StoredOnHost, // by an earlier run, in a tensor of the caller
    StoredOnDevice,
    ViewOfStoredOnHost,
    ViewOfStoredOnDevice,
    Count,
};

bool is_stored(Way way) {
    return way >= Way::StoredOnHost;
}
bool is_wide(Way way) {
    return way == Way::ViewOfInput || way == Way::ViewOfStoredOnHost || way == Way::ViewOfStoredOnDevice;
}

std::string name_of(Way way) {
    constexpr std::array<const char *, static_cast<size_t>(Way::Count)> names = {
        "Input",        "InputOnDevice",  "ViewOfInput",        "ComputedOnHost",      "ComputedOnDevice",
        "StoredOnHost", "StoredOnDevice", "ViewOfStoredOnHost", "ViewOfStoredOnDevice"};
    return names[static_cast<size_t>(way)];
}

BufferPtr put(ggml_context * context, ggml_backend_t backend, bool weights = false) {
    BufferPtr buffer(ggml_backend_alloc_ctx_tensors(context, backend));
    if (weights) {
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    return buffer;
}

void write_ids(ggml_tensor * tensor, const Ids & ids) {
    Ids values = ids;
    values.insert(values.begin(), static_cast<size_t>(tensor->ne[0]) - ids.size(), 1 << 20); // not to be looked at
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(int32_t));
}

// The last elements of a row
ggml_tensor * end_of(ggml_context * context, ggml_tensor * row) {
    const size_t offset = static_cast<size_t>(row->ne[0] - kUsed) * sizeof(int32_t);
    return offset == 0 ? row : ggml_view_2d(context, row, kUsed, 1, row->nb[1], offset);
}

// Weights in host memory, and the caller's own tensor of ids
struct Model {
    ContextPtr context = make_context();
    ContextPtr store_context = make_context();
    BufferPtr buffer;
    BufferPtr store_buffer;
    ggml_tensor * up;
    ggml_tensor * down;
    ggml_tensor * other;
    ggml_tensor * store;

    Model(ggml_backend_t cpu, ggml_backend_t store_backend, int64_t n_stored) {
        up = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        down = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        ggml_set_name(up, "up_exps");
        ggml_set_name(down, "down_exps");
        other = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, kWidth, kWidth, kExperts);
        buffer = put(context.get(), cpu, true);
        write_floats(up, ramp(kWidth * kWidth * kExperts, -1.0F, 1.0F / 4096));
        write_floats(down, ramp(kWidth * kWidth * kExperts, 1.0F, -1.0F / 8192));
        store = ggml_new_tensor_2d(store_context.get(), GGML_TYPE_I32, n_stored, 1);
        ggml_set_name(store, "store");
        store_buffer = put(store_context.get(), store_backend);
        write_ids(store, Ids(kUsed, 0));
    }
};

struct Graph {
    ContextPtr context = make_context();
    ggml_tensor * input = nullptr; // ids; NULL: none are the graph's input
    ggml_tensor * x = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;
    std::vector<std::pair<ggml_tensor *, bool>> placed; // and on the device

    Graph() {
        graph = ggml_new_graph(context.get());
        x = ggml_new_tensor_3d(context.get(), GGML_TYPE_F32, kWidth, 1, 1);
        ggml_set_input(x);
    }

    ggml_tensor * new_input(int64_t n) {
        input = ggml_new_tensor_2d(context.get(), GGML_TYPE_I32, n, 1);
        ggml_set_input(input);
        return input;
    }

    ggml_tensor * add_product(ggml_tensor * experts, ggml_tensor * tokens, ggml_tensor * ids, const char * name) {
        ggml_tensor * product = ggml_mul_mat_id(context.get(), experts, tokens, ids);
        ggml_set_name(product, name);
        placed.emplace_back(product, true);
        ggml_build_forward_expand(graph, product);
        return product;
    }

    // Two weights, with the same ids
    void add_products(const Model & model, ggml_tensor * ids) {
        ggml_set_name(ids, "topk");
        result = add_product(model.down, add_product(model.up, x, ids, "up"), ids, "down");
        ggml_set_output(result);
    }
};

// The graph that gets its ids in this way
Graph graph_of(Way way, const Model & model) {
    Graph graph;
    ggml_context * ctx = graph.context.get();
    ggml_tensor * ids = is_stored(way) ? model.store : graph.new_input(is_wide(way) ? kWideRow : kUsed);
    if (way == Way::InputOnDevice) {
        graph.placed.emplace_back(ids, true);
    }
    if (way == Way::ComputedOnHost || way == Way::ComputedOnDevice) {
        ids = ggml_cont(ctx, ids);
        graph.placed.emplace_back(ids, way == Way::ComputedOnDevice);
    }
    graph.add_products(model, end_of(ctx, ids));
    return graph;
}

// The graph that stores ids
Graph storing_graph(const Model & model) {
    Graph graph;
    graph.result = ggml_cpy(graph.context.get(), graph.new_input(kUsed), end_of(graph.context.get(), model.store));
    ggml_build_forward_expand(graph.graph, graph.result);
    return graph;
}

// Reads the stored ids, stores others, and reads the stored ids again.
Graph overwriting_graph(const Model & model) {
    Graph graph;
    ggml_context * ctx = graph.context.get();
    ggml_set_name(model.store, "topk");
    ggml_tensor * first = graph.add_product(model.up, graph.x, model.store, "up");
    ggml_build_forward_expand(graph.graph, ggml_cpy(ctx, graph.new_input(kUsed), model.store));
    graph.result = graph.add_product(model.down, first, model.store, "down");
    ggml_set_output(graph.result);
    return graph;
}

class Reference {
  public:
    Reference()
        : cpu_(ggml_backend_cpu_init())
        , model_(cpu_.get(), cpu_.get(), kUsed) {
        ggml_backend_cpu_set_n_threads(cpu_.get(), 1);
    }

    std::vector<float> run(const Ids & ids, const std::vector<float> & x) {
        return run(graph_of(Way::Input, model_), ids, x);
    }
    std::vector<float> overwrite(const Ids & before, const Ids & ids, const std::vector<float> & x) {
        write_ids(model_.store, before);
        return run(overwriting_graph(model_), ids, x);
    }

  private:
    std::vector<float> run(const Graph & graph, const Ids & ids, const std::vector<float> & x) {
        const BufferPtr buffer = put(graph.context.get(), cpu_.get());
        write_ids(graph.input, ids);
        write_floats(graph.x, x);
        EXPECT_EQ(ggml_backend_graph_compute(cpu_.get(), graph.graph), GGML_STATUS_SUCCESS);
        return read_floats(graph.result);
    }

    BackendPtr cpu_;
    Model model_;
};

using Parameters = std::tuple<Device, bool, Way>; // streamed

RigOptions options_of(Device device, bool streamed, bool parallel) {
    RigOptions options;
    options.devices = {profile_of(device)};
    options.only_launches = device == Device::OnlyLaunches;
    options.parallel = parallel;
    options.stream = streamed ? 4 * kExperts * kExpertBytes : 0;
    options.link_bytes_per_us = 1000; // sending all experts would take long
    return options;
}

class ExpertIds : public testing::TestWithParam<Parameters> {
  protected:
    explicit ExpertIds(bool parallel = false)
        : rig_(options_of(std::get<0>(GetParam()), std::get<1>(GetParam()), parallel))
        , model_(rig_.cpu(), is_store_on_device() ? rig_.device(0) : rig_.cpu(), is_wide(way()) ? kWideRow : kUsed) {}

    static Way way() { return std::get<2>(GetParam()); }
    static bool needs_copies() { return std::get<0>(GetParam()) != Device::Uma; }
    static bool is_store_on_device() { return way() == Way::StoredOnDevice || way() == Way::ViewOfStoredOnDevice; }

    void allocate(const Graph & graph) {
        ggml_backend_sched_reset(rig_.sched());
        for (const auto & [tensor, on_device] : graph.placed) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), tensor, on_device ? rig_.device(0) : rig_.cpu());
        }
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig_.sched(), graph.graph)) << ggml_sched_get_error(rig_.sched());
    }

    // Makes the ids arrive, and runs the products.
    ggml_status run(const Ids & ids, const std::vector<float> & x) {
        if (is_stored(way())) {
            const Graph storing = storing_graph(model_);
            allocate(storing);
            write_ids(storing.input, ids);
            EXPECT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), storing.graph), GGML_STATUS_SUCCESS);
        }
        graph_ = graph_of(way(), model_);
        allocate(graph_);
        if (graph_.input) {
            write_ids(graph_.input, ids);
        }
        write_floats(graph_.x, x);
        ggml_sched_reset_stats(rig_.sched());
        return ggml_backend_sched_graph_compute(rig_.sched(), graph_.graph);
    }

    std::string error() const { return ggml_sched_get_error(rig_.sched()); }

    Rig rig_;
    Model model_;
    Graph graph_;
    Reference reference_;
};

TEST_P(ExpertIds, MoveOnlyTheExpertsThatTheyName) {
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    struct Case {
        Ids ids;
        size_t n_padded; // groups that do not end with the last expert
    };
    const std::vector<Case> cases = {{{2, 9, 3, 15}, 2}, {{0, 1, 2, 3}, 1}, {{15, 13, 11, 7}, 3}};
    for (size_t i = 0; i < 3 * cases.size(); i++) { // so often that what is measured could change how they are sent
        const Case & one = cases[i % cases.size()];
        ASSERT_EQ(run(one.ids, x), GGML_STATUS_SUCCESS) << error();
        const size_t experts = needs_copies() ? 2 * (kUsed * kExpertBytes + one.n_padded * kPadding) : 0;
        EXPECT_GE(rig_.stats().bytes_copied, experts);
        EXPECT_LT(rig_.stats().bytes_copied, experts + kOthers) << rig_.plan();
        EXPECT_EQ(read_floats(graph_.result), reference_.run(one.ids, x));
    }
}

// Tests experts that are copied
class WrongExpertIds : public ExpertIds {};

TEST_P(WrongExpertIds, FailTheRunAndNotTheNext) {
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    const Ids valid = {2, 9, 3, 15};
    for (const int32_t wrong : {static_cast<int32_t>(kExperts), -1, INT32_MAX, INT32_MIN}) {
        const LogCapture log;
        ASSERT_EQ(run({2, 9, wrong, 15}, x), GGML_STATUS_FAILED) << wrong;
        EXPECT_NE(error().find("MUL_MAT_ID 'up' cannot run: its ids 'topk' name expert " + std::to_string(wrong) +
                               ", and 'up_exps' has the experts 0 to 15; give valid ids"),
                  std::string::npos)
            << error();
        ASSERT_EQ(run(valid, x), GGML_STATUS_SUCCESS) << error();
        EXPECT_EQ(read_floats(graph_.result), reference_.run(valid, x));
    }
}

std::vector<Way> all_ways() {
    std::vector<Way> ways;
    for (int way = 0; way < static_cast<int>(Way::Count); way++) {
        ways.push_back(static_cast<Way>(way));
    }
    return ways;
}

std::string parameters_name(const testing::TestParamInfo<Parameters> & info) {
    return name_of(std::get<0>(info.param)) + (std::get<1>(info.param) ? "Streamed" : "Copied") +
           name_of(std::get<2>(info.param));
}

// Nothing is streamed to the others.
const auto kStreaming = testing::Values(Device::Cuda, Device::Vulkan);
const auto kNotStreaming = testing::Values(Device::NoEvents, Device::NoAsync, Device::OnlyLaunches);

const auto kAllWays = testing::Combine(kStreaming, testing::Bool(), testing::ValuesIn(all_ways()));
const auto kAllWaysNotStreaming =
    testing::Combine(kNotStreaming, testing::Values(false), testing::ValuesIn(all_ways()));
const auto kAllWaysInPlace =
    testing::Combine(testing::Values(Device::Uma), testing::Bool(), testing::ValuesIn(all_ways()));
INSTANTIATE_TEST_SUITE_P(Streaming, ExpertIds, kAllWays, parameters_name);
INSTANTIATE_TEST_SUITE_P(NotStreaming, ExpertIds, kAllWaysNotStreaming, parameters_name);
INSTANTIATE_TEST_SUITE_P(InPlace, ExpertIds, kAllWaysInPlace, parameters_name);
INSTANTIATE_TEST_SUITE_P(Streaming, WrongExpertIds, kAllWays, parameters_name);
INSTANTIATE_TEST_SUITE_P(NotStreaming, WrongExpertIds, kAllWaysNotStreaming, parameters_name);

class StoredExpertIds : public ExpertIds {};

// The graph writes the tensor in which the ids are, so the two products have different ids.
TEST_P(StoredExpertIds, MayBeOverwrittenBetweenTheirReaders) {
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    const Ids before = {2, 9, 3, 15};
    const Ids after = {0, 1, 12, 13};
    const size_t experts = 2 * (kUsed * kExpertBytes + 2 * kPadding);
    for (int i = 0; i < 2; i++) {
        write_ids(model_.store, before);
        graph_ = overwriting_graph(model_);
        allocate(graph_);
        write_ids(graph_.input, after);
        write_floats(graph_.x, x);
        ggml_sched_reset_stats(rig_.sched());
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig_.sched(), graph_.graph), GGML_STATUS_SUCCESS) << error();
        EXPECT_LT(rig_.stats().bytes_copied, experts + kOthers) << rig_.plan();
        EXPECT_EQ(read_floats(graph_.result), reference_.overwrite(before, after, x));
    }
}

const auto kStoredWays = testing::Values(Way::StoredOnHost, Way::StoredOnDevice);
INSTANTIATE_TEST_SUITE_P(Streaming, StoredExpertIds, testing::Combine(kStreaming, testing::Bool(), kStoredWays),
                         parameters_name);
INSTANTIATE_TEST_SUITE_P(NotStreaming, StoredExpertIds,
                         testing::Combine(kNotStreaming, testing::Values(false), kStoredWays), parameters_name);
INSTANTIATE_TEST_SUITE_P(InPlace, StoredExpertIds,
                         testing::Combine(testing::Values(Device::Uma), testing::Bool(), kStoredWays), parameters_name);

// The caller has its ids back when the call returns, and they are in host memory from the start.
class InputExpertIds : public ExpertIds {
  protected:
    explicit InputExpertIds(bool parallel = false)
        : ExpertIds(parallel) {}

    void run_without_waiting() {
        std::vector<Graph> graphs;
        std::vector<std::vector<float>> results(6, std::vector<float>(kWidth * kUsed));
        std::vector<std::vector<float>> expected;
        for (size_t i = 0; i < results.size(); i++) {
            const auto first = static_cast<int32_t>(i);
            const Ids ids = {first, first + 1, 2 * first + 5, 15 - first};
            const std::vector<float> x = ramp(kWidth, static_cast<float>(i), 0.25F);
            expected.push_back(reference_.run(ids, x));
            graphs.push_back(graph_of(way(), model_));
            const Graph & graph = graphs.back();
            allocate(graph);
            write_ids(graph.input, ids);
            write_floats(graph.x, x);
            const uint64_t waits = rig_.stats().host_waits;
            ASSERT_EQ(ggml_backend_sched_graph_compute_async(rig_.sched(), graph.graph), GGML_STATUS_SUCCESS)
                << error();
            EXPECT_EQ(rig_.stats().host_waits, waits) << rig_.plan();
            write_ids(graph.input, Ids(kUsed, 1 << 20));
            ggml_backend_tensor_get_async(rig_.device(0), graph.result, results[i].data(), 0,
                                          results[i].size() * sizeof(float));
        }
        ggml_backend_sched_synchronize(rig_.sched());
        EXPECT_EQ(results, expected);
    }
};

TEST_P(InputExpertIds, AreNeitherWaitedForNorReadAfterTheCall) {
    run_without_waiting();
}

class RotatingExpertIds : public InputExpertIds {
  protected:
    RotatingExpertIds()
        : InputExpertIds(true) {}
};

TEST_P(RotatingExpertIds, AreNeitherWaitedForNorReadAfterTheCall) {
    run_without_waiting();
}

const auto kInputWays =
    testing::Combine(testing::Values(Device::Cuda), testing::Bool(), testing::Values(Way::Input, Way::ViewOfInput));
INSTANTIATE_TEST_SUITE_P(InputWays, InputExpertIds, kInputWays, parameters_name);
INSTANTIATE_TEST_SUITE_P(InputWays, RotatingExpertIds, kInputWays, parameters_name);

// 4 of 64 experts of 16 KiB, for one token: ggml copies 4 experts, 3 times what is behind a group, x and the ids.
class ExpertIdsOfOneToken : public testing::TestWithParam<std::tuple<Device, bool>> {}; // streamed

TEST_P(ExpertIdsOfOneToken, MoveAsManyBytesAsWithGgml) {
    constexpr int64_t kRow = 64;
    RigOptions options = options_of(std::get<0>(GetParam()), false, false);
    options.stream = std::get<1>(GetParam()) ? size_t{4} << 20 : 0;
    Rig rig(options);
    const ContextPtr weights = make_context();
    ggml_tensor * experts = ggml_new_tensor_3d(weights.get(), GGML_TYPE_F32, kRow, kRow, 64);
    const BufferPtr buffer = put(weights.get(), rig.cpu(), true);
    write_floats(experts, std::vector<float>(ggml_nelements(experts), 0.5F));
    Graph graph;
    ggml_tensor * x = ggml_new_tensor_3d(graph.context.get(), GGML_TYPE_F32, kRow, 1, 1);
    ggml_set_input(x);
    graph.result = graph.add_product(experts, x, graph.new_input(kUsed), "up");
    ggml_backend_sched_set_tensor_backend(rig.sched(), graph.result, rig.device(0));
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph.graph));
    write_ids(graph.input, {60, 5, 20, 63});
    write_floats(x, std::vector<float>(kRow, 1.0F));
    ggml_sched_reset_stats(rig.sched());
    ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(rig.stats().bytes_copied, 67344U) << rig.plan();
    EXPECT_EQ(read_floats(graph.result), std::vector<float>(kRow * kUsed, 32.0F));
}

INSTANTIATE_TEST_SUITE_P(Streaming, ExpertIdsOfOneToken, testing::Combine(kStreaming, testing::Bool()));
INSTANTIATE_TEST_SUITE_P(NotStreaming, ExpertIdsOfOneToken, testing::Combine(kNotStreaming, testing::Values(false)));

// Ids of no tokens. Another product of the same graph has ids.
class EmptyExpertIds : public testing::TestWithParam<std::tuple<Device, bool, bool>> {}; // streamed, on the device

TEST_P(EmptyExpertIds, MoveNothingAndLeaveTheRestRight) {
    const auto [device, streamed, on_device] = GetParam();
    const std::vector<float> x = ramp(kWidth, 1.0F, 0.25F);
    const Ids ids = {2, 9, 3, 15};
    for (const bool verify : {true, false}) {
        Rig rig(options_of(device, streamed, false));
        ggml_sched_set_verify(rig.sched(), verify);
        const Model model(rig.cpu(), rig.cpu(), kUsed);
        Graph graph;
        ggml_context * ctx = graph.context.get();
        ggml_tensor * none = ggml_new_tensor_2d(ctx, GGML_TYPE_I32, kUsed, 0);
        ggml_tensor * no_tokens = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, kWidth, 1, 0);
        ggml_set_input(none);
        ggml_set_input(no_tokens);
        ggml_tensor * computed = ggml_cont(ctx, none);
        graph.placed.emplace_back(computed, on_device);
        ggml_tensor * nothing = graph.add_product(model.other, no_tokens, computed, "nothing");
        ggml_set_output(nothing);
        graph.add_products(model, graph.new_input(kUsed));
        for (const auto & [tensor, is_on_device] : graph.placed) {
            ggml_backend_sched_set_tensor_backend(rig.sched(), tensor, is_on_device ? rig.device(0) : rig.cpu());
        }
        for (int run = 0; run < 3; run++) {
            ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph.graph)) << ggml_sched_get_error(rig.sched());
            write_ids(graph.input, ids);
            write_floats(graph.x, x);
            ggml_sched_reset_stats(rig.sched());
            ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph.graph), GGML_STATUS_SUCCESS)
                << ggml_sched_get_error(rig.sched());
            EXPECT_LT(rig.stats().bytes_copied, 2 * (kUsed * kExpertBytes + 2 * kPadding) + kOthers) << rig.plan();
            EXPECT_EQ(read_floats(graph.result), Reference().run(ids, x));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Streaming, EmptyExpertIds, testing::Combine(kStreaming, testing::Bool(), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(NotStreaming, EmptyExpertIds,
                         testing::Combine(kNotStreaming, testing::Values(false), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(InPlace, EmptyExpertIds,
                         testing::Combine(testing::Values(Device::Uma), testing::Values(false), testing::Bool()));

} // namespace
} // namespace ggml_sched::test
