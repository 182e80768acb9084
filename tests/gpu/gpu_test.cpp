#include "gpu_test.h"

namespace gpu_tests {

std::vector<float> GpuTest::compute(ggml_backend_t backend, ggml_context * ctx, ggml_tensor * node,
                                    const Contents & contents) {
    ggml_cgraph * graph = ggml_new_graph_custom(ctx, 64, false);
    ggml_build_forward_expand(graph, node);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend));
    for (const auto & [tensor, values] : contents) {
        ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
    }
    EXPECT_EQ(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
    std::vector<float> result(ggml_nbytes(node) / sizeof(float));
    ggml_backend_tensor_get(node, result.data(), 0, result.size() * sizeof(float));
    return result;
}

std::string vendor_name(const testing::TestParamInfo<Vendor> & info) {
    return info.param.name;
}

TEST(Gpus, AreThereOrThisSaysWhyNot) {
    if (vendors().empty()) {
        GTEST_SKIP() << why_there_are_none();
    }
    for (const Vendor & vendor : vendors()) {
        std::string names;
        for (ggml_backend_dev_t device : vendor.devices) {
            names += std::string(names.empty() ? "" : ", ") + ggml_backend_dev_description(device);
        }
        RecordProperty(vendor.name, names);
        EXPECT_NE(vendor.get_counters, nullptr);
    }
}

} // namespace gpu_tests
