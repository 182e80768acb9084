// expert_ids.h - graphs with MUL_MAT_ID whose ids arrive in many ways, and their results on the CPU.

#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test::expert_ids {

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

inline std::string name_of(Device device) {
    constexpr std::array<const char *, 6> names = {"Cuda", "Vulkan", "NoEvents", "NoAsync", "OnlyLaunches", "Uma"};
    return names[static_cast<size_t>(device)];
}

inline ggml_sim_profile profile_of(Device device) {
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

inline bool is_stored(Way way) {
    return way >= Way::StoredOnHost;
}
inline bool is_wide(Way way) {
    return way == Way::ViewOfInput || way == Way::ViewOfStoredOnHost || way == Way::ViewOfStoredOnDevice;
}

inline std::string name_of(Way way) {
    constexpr std::array<const char *, static_cast<size_t>(Way::Count)> names = {
        "Input",        "InputOnDevice",  "ViewOfInput",        "ComputedOnHost",      "ComputedOnDevice",
        "StoredOnHost", "StoredOnDevice", "ViewOfStoredOnHost", "ViewOfStoredOnDevice"};
    return names[static_cast<size_t>(way)];
}

inline BufferPtr put(ggml_context * context, ggml_backend_t backend, bool weights = false) {
    BufferPtr buffer(ggml_backend_alloc_ctx_tensors(context, backend));
    if (weights) {
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    return buffer;
}

inline void write_ids(ggml_tensor * tensor, const Ids & ids) {
    Ids values = ids;
    values.insert(values.begin(), static_cast<size_t>(tensor->ne[0]) - ids.size(), 1 << 20); // not to be looked at
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(int32_t));
}

// The last elements of a row
inline ggml_tensor * end_of(ggml_context * context, ggml_tensor * row) {
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
inline Graph graph_of(Way way, const Model & model) {
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
inline Graph storing_graph(const Model & model) {
    Graph graph;
    graph.result = ggml_cpy(graph.context.get(), graph.new_input(kUsed), end_of(graph.context.get(), model.store));
    ggml_build_forward_expand(graph.graph, graph.result);
    return graph;
}

// Reads the stored ids, stores others, and reads the stored ids again.
inline Graph overwriting_graph(const Model & model) {
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

inline RigOptions options_of(Device device, bool streamed, bool parallel) {
    RigOptions options;
    options.devices = {profile_of(device)};
    options.only_launches = device == Device::OnlyLaunches;
    options.parallel = parallel;
    options.stream = streamed ? 4 * kExperts * kExpertBytes : 0;
    options.link_bytes_per_us = 1000; // sending all experts would take long
    return options;
}

// Nothing is streamed to the others.
inline const auto kStreaming = testing::Values(Device::Cuda, Device::Vulkan);
inline const auto kNotStreaming = testing::Values(Device::NoEvents, Device::NoAsync, Device::OnlyLaunches);

} // namespace ggml_sched::test::expert_ids
