// The tests of promises that our core makes besides the contract of backends. A foreign ggml stops the program instead.

#include "conformance_test.h"
#include "op_cases.h"

namespace conformance {

class CoreConformance : public ConformanceTest {
  protected:
    static void expect_usable(World & world, ggml_backend_t backend) {
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 2.0f));
    }
};

INSTANTIATE_TEST_SUITE_P(Backends, CoreConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(CoreConformance, AnIncompleteGraphIsRefused) {
    once([this](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_cgraph * graph = ggml_new_graph_custom(world.ctx(), 2, false);
        ggml_tensor * node = x;
        for (int i = 0; i < 5; i++) {
            node = ggml_scale(world.ctx(), node, 2.0f);
            EXPECT_EQ(ggml_backend_tensor_alloc(x->buffer, node, x->data), GGML_STATUS_SUCCESS);
        }
        ggml_build_forward_expand(graph, node);
        EXPECT_NE(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
        EXPECT_TRUE(all_are(x, 1.0f));
        EXPECT_FALSE(log().empty());
        expect_usable(world, backend);
    });
}

TEST_P(CoreConformance, NoGraphIsRefused) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        EXPECT_NE(ggml_backend_graph_compute_async(backend, nullptr), GGML_STATUS_SUCCESS);
        expect_usable(world, backend);
    });
}

TEST_P(CoreConformance, TransfersBeyondATensorDoNothing) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        const float * data = world.host_vector(2.0f);
        ggml_backend_tensor_set_async(backend, x, data, sizeof(float), world.bytes());
        ggml_backend_tensor_set_2d_async(backend, x, data, 0, sizeof(float), 2, world.bytes(), sizeof(float));
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 1.0f));
    });
}

TEST(OpSample, HasEveryOperation) {
    std::vector<bool> used(GGML_OP_COUNT, false);
    const std::unique_ptr<ggml_context, decltype(&ggml_free)> ctx(ggml_init({size_t{4} << 20, nullptr, true}),
                                                                  ggml_free);
    std::vector<OpCase> cases = op_cases();
    cases.push_back(custom_case());
    for (const OpCase & op : cases) {
        Operands operands(ctx.get());
        ASSERT_NE(op.build(operands), nullptr) << op.name;
    }
    for (ggml_tensor * t = ggml_get_first_tensor(ctx.get()); t != nullptr; t = ggml_get_next_tensor(ctx.get(), t)) {
        used[t->op] = true;
    }
    for (int op = 0; op < GGML_OP_COUNT; op++) {
        EXPECT_TRUE(used[static_cast<size_t>(op)] || op == GGML_OP_RESHAPE) << ggml_op_name(static_cast<ggml_op>(op));
    }
}

TEST_P(CoreConformance, AnIndexBeyondTheDevicesGivesNull) {
    const ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(device());
    EXPECT_EQ(ggml_backend_reg_dev_get(reg, ggml_backend_reg_dev_count(reg)), nullptr);
}

} // namespace conformance
