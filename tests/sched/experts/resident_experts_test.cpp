// Resident experts: a device computes with copies that stay there, the graph keeps the caller's operands, and memory
// goes back where something else needs it.

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kCount = 8;
constexpr int64_t kChosen = 2;
constexpr size_t kTensorBytes = kSide * kSide * kCount * sizeof(float);
constexpr size_t kBlockBytes = 2 * kTensorBytes;

// Layers of experts in host memory. A dense matrix in device memory is read before each: it tells where the layer is.
class RoutedLayers {
  public:
    RoutedLayers(const Rig & rig, int n_layers, const std::vector<int> & devices = {0}) {
        for (int i = 0; i < n_layers; i++) {
            Layer layer;
            layer.up = ggml_new_tensor_3d(host_.get(), GGML_TYPE_F32, kSide, kSide, kCount);
            layer.down = ggml_new_tensor_3d(host_.get(), GGML_TYPE_F32, kSide, kSide, kCount);
            layer.bias = ggml_new_tensor_2d(host_.get(), GGML_TYPE_F32, kSide, kCount);
            layer.context = make_context();
            layer.dense = ggml_new_tensor_2d(layer.context.get(), GGML_TYPE_F32, kSide, kSide);
            const int device = devices[static_cast<size_t>(i) % devices.size()];
            layer.buffer.reset(ggml_backend_alloc_ctx_tensors(layer.context.get(), rig.device(device)));
            ggml_backend_buffer_set_usage(layer.buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
            ggml_format_name(layer.up, "up.%d", i);
            ggml_format_name(layer.down, "down.%d", i);
            layers.push_back(std::move(layer));
        }
        buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(host_.get(), ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        for (size_t i = 0; i < layers.size(); i++) {
            write_floats(layers[i].up, ramp(kSide * kSide * kCount, -1.0F, 1.0F / 4096));
            write_floats(layers[i].down, ramp(kSide * kSide * kCount, 1.0F, -1.0F / 8192));
            write_floats(layers[i].bias, ramp(kSide * kCount, static_cast<float>(i), 0.5F));
            write_floats(layers[i].dense, ramp(kSide * kSide, 0.25F, 1.0F / 2048));
        }
    }

    // Describes the graph anew. `rows` more rows make the compute buffer larger.
    void build(int64_t rows = 1) {
        context_ = make_context();
        ggml_context * const ctx = context_.get();
        ids = ggml_new_tensor_2d(ctx, GGML_TYPE_I32, kChosen, 1);
        x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSide, 1);
        large = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSide, rows);
        for (ggml_tensor * const input : {ids, x, large}) {
            ggml_set_input(input);
        }
        ggml_tensor * value = x;
        ggml_tensor * looked_up = nullptr;
        for (Layer & layer : layers) {
            value = ggml_mul_mat(ctx, layer.dense, value);
            ggml_tensor * const each = ggml_reshape_3d(ctx, value, kSide, 1, 1);
            ggml_tensor * const its = ggml_cont(ctx, ids); // as from a router of its own
            layer.wide = ggml_mul_mat_id(ctx, layer.up, each, its);
            layer.biased = ggml_add(ctx, layer.wide, ggml_get_rows(ctx, layer.bias, its));
            ggml_tensor * const down = reads_views ? ggml_view_3d(ctx, layer.down, kSide, kSide, kCount,
                                                                  layer.down->nb[1], layer.down->nb[2], 0)
                                                   : layer.down;
            layer.narrow = has_down ? ggml_mul_mat_id(ctx, down, layer.biased, its) : layer.biased;
            looked_up = table ? ggml_get_rows(ctx, table, its) : nullptr;
            value = ggml_cont(ctx, ggml_view_2d(ctx, layer.narrow, kSide, 1, layer.narrow->nb[1], 0));
        }
        result = value;
        ggml_tensor * const rest = ggml_scale(ctx, ggml_mul_mat(ctx, layers[0].dense, large), 0.5F);
        ggml_set_output(result);
        ggml_set_output(rest);
        graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        ggml_build_forward_expand(graph, rest);
        if (looked_up) {
            ggml_set_output(looked_up);
            ggml_build_forward_expand(graph, looked_up);
        }
    }

    std::vector<float> run(const Rig & rig, const std::vector<int32_t> & chosen, int64_t rows = 1) {
        ggml_backend_sched_reset(rig.sched());
        build(rows);
        if (!ggml_backend_sched_alloc_graph(rig.sched(), graph)) {
            return {};
        }
        write_floats(x, ramp(kSide, 0.5F, 0.25F));
        write_floats(large, ramp(static_cast<size_t>(kSide * rows), 1.0F, 0.0F));
        ggml_backend_tensor_set(ids, chosen.data(), 0, ggml_nbytes(ids));
        const ggml_status status = ggml_backend_sched_graph_compute(rig.sched(), graph);
        return status == GGML_STATUS_SUCCESS ? read_floats(result) : std::vector<float>();
    }

    struct Layer {
        ContextPtr context;
        BufferPtr buffer;
        ggml_tensor * dense = nullptr;
        ggml_tensor * up = nullptr;
        ggml_tensor * down = nullptr;
        ggml_tensor * bias = nullptr;
        ggml_tensor * wide = nullptr;
        ggml_tensor * biased = nullptr;
        ggml_tensor * narrow = nullptr;
    };
    std::vector<Layer> layers;
    ggml_tensor * table = nullptr; // if there is one, it is read with the ids
    bool reads_views = false;
    bool has_down = true;
    ggml_tensor * ids = nullptr;
    ggml_tensor * x = nullptr;
    ggml_tensor * large = nullptr;
    ggml_tensor * result = nullptr;
    ggml_cgraph * graph = nullptr;

  private:
    ContextPtr host_ = make_context();
    BufferPtr buffer_;
    ContextPtr context_;
};

RigOptions on(const std::vector<ggml_sim_profile> & devices, size_t experts) {
    RigOptions options;
    options.devices = devices;
    options.experts = experts;
    return options;
}

std::string device_of(const Rig & rig, const ggml_tensor * node) {
    return ggml_backend_name(ggml_backend_sched_get_tensor_backend(rig.sched(), const_cast<ggml_tensor *>(node)));
}

// Without bias and alignment, which are small
size_t n_blocks(const Rig & rig) {
    return rig.stats().resident_bytes / kBlockBytes;
}

class ResidentExpertsOn : public testing::TestWithParam<ggml_sim_profile> {};

// Returns what the layers compute with experts in host memory. One rig at a time may use the simulated devices.
std::vector<float> expected_of(int n_layers, const std::vector<int32_t> & ids,
                               ggml_sim_profile profile = GGML_SIM_PROFILE_CUDA) {
    Rig rig(on({profile}, 0));
    RoutedLayers layers(rig, n_layers);
    const std::vector<float> result = layers.run(rig, ids);
    EXPECT_EQ(device_of(rig, layers.layers.back().narrow), "CPU");
    return result;
}

TEST_P(ResidentExpertsOn, ADeviceGiveTheBitsOfTheCpu) {
    for (const std::vector<int32_t> & ids : {std::vector<int32_t>{0, 7}, {3, 3}, {6, 1}}) {
        const std::vector<float> right = expected_of(3, ids, GetParam());
        ASSERT_FALSE(right.empty());
        Rig rig(on({GetParam()}, 3 * kBlockBytes + 65536));
        RoutedLayers layers(rig, 3);
        EXPECT_EQ(layers.run(rig, ids), right) << ggml_sched_get_error(rig.sched());
        EXPECT_EQ(layers.run(rig, ids), right) << ggml_sched_get_error(rig.sched());
        EXPECT_EQ(n_blocks(rig), 3U);
        EXPECT_EQ(device_of(rig, layers.layers[0].wide), ggml_backend_name(rig.device(0)));
        EXPECT_EQ(device_of(rig, layers.layers[2].narrow), ggml_backend_name(rig.device(0)));
    }
}

INSTANTIATE_TEST_SUITE_P(Profiles, ResidentExpertsOn,
                         testing::Values(GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_VULKAN, GGML_SIM_PROFILE_NO_EVENTS,
                                         GGML_SIM_PROFILE_NO_ASYNC),
                         [](const auto & info) {
                             std::string name = ggml_sim_profile_name(info.param);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST(ResidentExperts, AreTheFirstOfTheGraphAsFarAsTheBudgetGoes) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 2 * kBlockBytes + 16384));
    RoutedLayers layers(rig, 3);
    EXPECT_FALSE(layers.run(rig, {0, 1}).empty());
    EXPECT_EQ(n_blocks(rig), 2U);
    EXPECT_NE(device_of(rig, layers.layers[1].narrow), "CPU");
    EXPECT_EQ(device_of(rig, layers.layers[2].narrow), "CPU");
}

TEST(ResidentExperts, OfOneLayerBecomeResidentTogether) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, kBlockBytes)); // no room for the bias
    RoutedLayers layers(rig, 1);
    EXPECT_FALSE(layers.run(rig, {0, 1}).empty());
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
    EXPECT_EQ(device_of(rig, layers.layers[0].wide), "CPU");
}

TEST(ResidentExperts, LieOnTheDeviceOfTheirLayer) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 4, {0, 1});
    EXPECT_FALSE(layers.run(rig, {0, 1}).empty());
    EXPECT_EQ(n_blocks(rig), 4U);
    for (size_t i = 0; i < 4; i++) {
        EXPECT_EQ(device_of(rig, layers.layers[i].wide), ggml_backend_name(rig.device(static_cast<int>(i % 2))));
        EXPECT_EQ(device_of(rig, layers.layers[i].narrow), ggml_backend_name(rig.device(static_cast<int>(i % 2))));
    }
}

TEST(ResidentExperts, AreNotSentWhenTheGraphRunsAgain) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 2 * kBlockBytes + 65536));
    RoutedLayers layers(rig, 2);
    EXPECT_FALSE(layers.run(rig, {0, 1}).empty());
    ggml_sched_reset_stats(rig.sched());
    EXPECT_EQ(n_blocks(rig), 2U); // it is no counter
    EXPECT_FALSE(layers.run(rig, {2, 3}).empty());
    EXPECT_LT(rig.stats().bytes_copied, 4096U);
    EXPECT_EQ(ggml_backend_sched_get_n_splits(rig.sched()), 1);
}

TEST(ResidentExperts, LeaveTheGraphItsOperandsBetweenCalls) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, GGML_SCHED_EXPERTS_AUTO));
    RoutedLayers layers(rig, 1);
    for (int i = 0; i < 3; i++) {
        EXPECT_FALSE(layers.run(rig, {0, 1}).empty());
        EXPECT_EQ(layers.layers[0].wide->src[0], layers.layers[0].up);
        EXPECT_EQ(layers.layers[0].narrow->src[0], layers.layers[0].down);
    }
    EXPECT_EQ(n_blocks(rig), 1U);
}

TEST(ResidentExperts, InAutoWaitForTheComputeBuffers) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, GGML_SCHED_EXPERTS_AUTO));
    RoutedLayers layers(rig, 2);
    layers.build();
    EXPECT_TRUE(ggml_backend_sched_reserve(rig.sched(), layers.graph));
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
    EXPECT_FALSE(layers.run(rig, {0, 1}).empty());
    EXPECT_EQ(n_blocks(rig), 2U);
}

TEST(ResidentExperts, AreNotLoadedToMeasureOrToSplit) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    layers.build();
    size_t sizes[2] = {};
    ggml_backend_sched_reserve_size(rig.sched(), layers.graph, sizes);
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
    EXPECT_TRUE(ggml_backend_sched_reserve(rig.sched(), layers.graph));
    EXPECT_EQ(n_blocks(rig), 1U);
}

TEST(ResidentExperts, GiveMemoryBackWhereItIsNeeded) {
    RigOptions options = on({GGML_SIM_PROFILE_CUDA}, 4 * kBlockBytes + 65536);
    options.memory_bytes = 4 * kBlockBytes + 262144;
    options.stream = 0;
    Rig rig(options);
    RoutedLayers layers(rig, 4);
    const std::vector<float> right = layers.run(rig, {5, 2});
    ASSERT_FALSE(right.empty()) << ggml_sched_get_error(rig.sched());
    EXPECT_EQ(n_blocks(rig), 4U);
    const LogCapture log;
    const auto rows = static_cast<int64_t>(2 * kBlockBytes / (kSide * sizeof(float)));
    EXPECT_EQ(layers.run(rig, {5, 2}, rows), right) << ggml_sched_get_error(rig.sched());
    EXPECT_LT(n_blocks(rig), 4U);
    EXPECT_GE(n_blocks(rig), 1U);
    EXPECT_TRUE(log.contains("fewer experts are resident")) << log.text();
    const size_t left = n_blocks(rig);
    EXPECT_EQ(layers.run(rig, {5, 2}), right);
    EXPECT_EQ(n_blocks(rig), left) << "it does not take the memory again";
}

TEST(ResidentExperts, StayInHostMemoryIfTheDeviceRefusesMemory) {
    RigOptions options = on({GGML_SIM_PROFILE_CUDA}, 4 * kBlockBytes + 65536);
    options.memory_bytes = 2 * kBlockBytes + 65536;
    options.stream = 0;
    Rig rig(options);
    RoutedLayers layers(rig, 4);
    const LogCapture log; // the device says that it has no memory
    EXPECT_FALSE(layers.run(rig, {5, 2}).empty()) << ggml_sched_get_error(rig.sched());
    EXPECT_LE(n_blocks(rig), 2U);
    EXPECT_EQ(device_of(rig, layers.layers[3].narrow), "CPU");
}

TEST(ResidentExperts, ThatNoLongerHoldTheWeightsAreRefused) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    const std::vector<float> before = layers.run(rig, {0, 1});
    write_floats(layers.layers[0].down, ramp(kSide * kSide * kCount, 3.0F, -1.0F / 8192));
    std::string error;
    {
        const LogCapture log;
        for (int i = 0; i < 3 && error.empty(); i++) { // each graph compares one tensor
            layers.run(rig, {0, 1});
            error = ggml_sched_get_error(rig.sched());
        }
    }
    EXPECT_NE(error.find("call ggml_sched_set_experts after weights have been written"), std::string::npos) << error;
    set_experts(rig.sched(), 8 * kBlockBytes);
    const std::vector<float> after = layers.run(rig, {0, 1});
    EXPECT_FALSE(after.empty()) << ggml_sched_get_error(rig.sched());
    EXPECT_NE(after, before);
    set_experts(rig.sched(), 0);
    EXPECT_EQ(layers.run(rig, {0, 1}), after);
}

TEST(ResidentExperts, GoWhenTheBudgetBecomesZero) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 2);
    const std::vector<float> right = layers.run(rig, {4, 1});
    set_experts(rig.sched(), 0);
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
    EXPECT_EQ(layers.run(rig, {4, 1}), right);
    EXPECT_EQ(device_of(rig, layers.layers[0].wide), "CPU");
}

bool see_nothing(ggml_backend_t, const ggml_tensor *, ggml_tensor *, ggml_cgraph *, void *) {
    return false;
}

TEST(ResidentExperts, AreNotOfferedToACopyCallback) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    ggml_backend_sched_set_copy_callback(rig.sched(), see_nothing, nullptr);
    const std::vector<float> right = layers.run(rig, {4, 1});
    EXPECT_EQ(n_blocks(rig), 1U);
    EXPECT_EQ(right, layers.run(rig, {4, 1}));
    EXPECT_EQ(device_of(rig, layers.layers[0].wide), ggml_backend_name(rig.device(0)));
}

// Returns what the debug log says of the blocks of a graph.
std::string listing_of(const Rig & rig, RoutedLayers & layers) {
    const LogCapture log;
    ggml_sched_set_debug(rig.sched(), 1);
    EXPECT_FALSE(layers.run(rig, {4, 1}).empty()) << ggml_sched_get_error(rig.sched());
    ggml_sched_set_debug(rig.sched(), 0);
    std::string text = log.text();
    text.erase(0, text.find("## EXPERTS"));
    return text.substr(0, text.find('\n', text.rfind("## EXPERTS")));
}

TEST(ResidentExperts, AreListedWithWhatKeepsOthersInHostMemory) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, kBlockBytes + 16384));
    RoutedLayers layers(rig, 2);
    EXPECT_EQ(listing_of(rig, layers),
              "## EXPERTS: 'up.0' and what belongs to it are resident on SIM0\n"
              "## EXPERTS: 'up.1' and what belongs to it stay in host memory: the budget has no room for them");
    EXPECT_EQ(listing_of(rig, layers).find("## EXPERTS"), std::string::npos) << "all is decided";
}

TEST(ResidentExperts, AreNoneWhereTheEngineLooksUpPlaces) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    const ContextPtr context = make_context();
    ggml_tensor * const table = ggml_new_tensor_2d(context.get(), GGML_TYPE_I32, 1, kCount);
    ggml_set_name(table, "places");
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors_from_buft(context.get(), ggml_backend_cpu_buffer_type()));
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    layers.table = table;
    EXPECT_EQ(listing_of(rig, layers), "## EXPERTS: 'up.0' and what belongs to it stay in host memory: places holds "
                                       "integers, as a cache of experts of the engine does");
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
}

TEST(ResidentExperts, ThatABlockReadsAsAViewKeepTheBlockInHostMemory) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    layers.reads_views = true;
    EXPECT_NE(listing_of(rig, layers).find("(view) is a view, is repacked, or lies on another device"),
              std::string::npos);
    EXPECT_EQ(rig.stats().resident_bytes, 0U);
}

TEST(ResidentExperts, OfALaterTensorJoinTheirBlock) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    layers.has_down = false; // as before an adapter is added
    EXPECT_FALSE(layers.run(rig, {4, 1}).empty());
    EXPECT_EQ(rig.stats().resident_bytes / kTensorBytes, 1U);
    layers.has_down = true;
    const std::vector<float> right = layers.run(rig, {4, 1});
    EXPECT_EQ(n_blocks(rig), 1U);
    EXPECT_EQ(device_of(rig, layers.layers[0].narrow), ggml_backend_name(rig.device(0)));
    set_experts(rig.sched(), 0);
    EXPECT_EQ(layers.run(rig, {4, 1}), right);
}

TEST(ResidentExperts, OfANodeThatTheUserPutsOnTheCpuAreReadThere) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    const std::vector<float> right = layers.run(rig, {4, 1});
    ggml_backend_sched_reset(rig.sched());
    layers.build();
    ggml_backend_sched_set_tensor_backend(rig.sched(), layers.layers[0].narrow, rig.cpu());
    ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), layers.graph)) << ggml_sched_get_error(rig.sched());
    write_floats(layers.x, ramp(kSide, 0.5F, 0.25F));
    write_floats(layers.large, ramp(kSide, 1.0F, 0.0F));
    const std::vector<int32_t> chosen = {4, 1};
    ggml_backend_tensor_set(layers.ids, chosen.data(), 0, ggml_nbytes(layers.ids));
    EXPECT_EQ(ggml_backend_sched_graph_compute(rig.sched(), layers.graph), GGML_STATUS_SUCCESS);
    EXPECT_EQ(read_floats(layers.result), right);
    EXPECT_EQ(layers.layers[0].narrow->src[0], layers.layers[0].down);
}

TEST(ResidentExperts, RefuseParametersThatAreNone) {
    Rig rig(on({GGML_SIM_PROFILE_CUDA}, 8 * kBlockBytes));
    RoutedLayers layers(rig, 1);
    EXPECT_FALSE(layers.run(rig, {4, 1}).empty());
    const LogCapture log;
    ggml_sched_expert_params small = ggml_sched_expert_default_params();
    small.size = sizeof(size_t);
    struct {
        ggml_sched_expert_params known = ggml_sched_expert_default_params();
        size_t later = 1;
    } newer;
    newer.known.size = sizeof(newer);
    ggml_sched_expert_params unknown = ggml_sched_expert_default_params();
    unknown.misses = static_cast<ggml_sched_expert_misses>(3);
    const ggml_sched_expert_params * const none[] = {nullptr, &small, &newer.known, &unknown};
    for (const ggml_sched_expert_params * const params : none) {
        ggml_sched_set_experts(rig.sched(), params);
        EXPECT_NE(std::string(ggml_sched_get_error(rig.sched())), "");
        EXPECT_EQ(n_blocks(rig), 1U) << "the settings stay";
    }
}

} // namespace
} // namespace ggml_sched::test
