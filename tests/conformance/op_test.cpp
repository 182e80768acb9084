// What a backend says that it supports, it computes as the CPU backend does.

#include <algorithm>
#include <cmath>

#include "conformance_test.h"
#include "op_cases.h"
#include "platform.h"

namespace conformance {

namespace {

struct Free {
    void operator()(ggml_context * ctx) const { ggml_free(ctx); }
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
};
using ContextPtr = std::unique_ptr<ggml_context, Free>;
using BackendPtr = std::unique_ptr<ggml_backend, Free>;
using BufferPtr = std::unique_ptr<ggml_backend_buffer, Free>;

struct Result {
    bool built = false;
    bool supported = false;
    bool placed = false;                     // its tensors have memory
    ggml_status status = GGML_STATUS_FAILED; // of the launch, or of one behind it that computes nothing
    ggml_type type = GGML_TYPE_F32;
    std::vector<uint8_t> bytes; // of the node, gaps included
    size_t row_size = 0;
};

// All nodes that the result depends on, views aside
bool supports_all(ggml_backend_t backend, ggml_cgraph * graph) {
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        if (!ggml_backend_supports_op(backend, ggml_graph_node(graph, i))) {
            return false;
        }
    }
    return true;
}

// A CPU backend of one thread
BackendPtr one_cpu() {
    const ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    BackendPtr cpu(ggml_backend_dev_init(device, nullptr));
    using SetThreads = void (*)(ggml_backend_t, int);
    const auto set_threads = reinterpret_cast<SetThreads>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"));
    if (set_threads != nullptr) {
        set_threads(cpu.get(), 1);
    }
    return cpu;
}

Result compute(ggml_backend_t backend, const OpCase & op, bool even_if_unsupported = false) {
    Result result;
    const ContextPtr ctx(ggml_init({size_t{1} << 20, nullptr, true}));
    Operands operands(ctx.get());
    ggml_tensor * node = op.build(operands);
    result.built = node != nullptr;
    if (!result.built) {
        return result;
    }
    ggml_cgraph * graph = ggml_new_graph_custom(ctx.get(), 64, false);
    ggml_build_forward_expand(graph, node);
    result.supported = supports_all(backend, graph);
    if (!result.supported && !even_if_unsupported) {
        return result;
    }
    ggml_tensor * view = ggml_view_1d(ctx.get(), ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 8), 8, 0);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx.get(), backend));
    result.placed = buffer != nullptr;
    if (!result.placed) { // ggml allocates nothing for tensors of no bytes
        return result;
    }
    ggml_backend_buffer_clear(buffer.get(), 0);
    operands.upload();
    result.status = ggml_backend_graph_compute(backend, graph);
    if (result.status == GGML_STATUS_SUCCESS) { // a device may report late
        ggml_cgraph * nothing = ggml_new_graph_custom(ctx.get(), 8, false);
        ggml_build_forward_expand(nothing, view);
        result.status = ggml_backend_graph_compute(backend, nothing);
    }
    result.type = node->type;
    result.row_size = node->nb[1];
    result.bytes.resize(ggml_nbytes(node));
    ggml_backend_tensor_get(node, result.bytes.data(), 0, result.bytes.size());
    return result;
}

std::vector<float> as_floats(const Result & result) {
    const ggml_type_traits * traits = ggml_get_type_traits(result.type);
    const size_t n_blocks = result.bytes.size() / traits->type_size;
    std::vector<float> values(n_blocks * static_cast<size_t>(traits->blck_size));
    if (result.type == GGML_TYPE_F32) {
        std::copy_n(reinterpret_cast<const float *>(result.bytes.data()), values.size(), values.begin());
    } else {
        traits->to_float(result.bytes.data(), values.data(), static_cast<int64_t>(values.size()));
    }
    return values;
}

// The bytes with the I32 values of each row in ascending order
std::vector<uint8_t> with_sorted_rows(const Result & result) {
    std::vector<uint8_t> bytes = result.bytes;
    for (size_t row = 0; row < bytes.size(); row += result.row_size) {
        auto * const values = reinterpret_cast<int32_t *>(bytes.data() + row);
        std::sort(values, values + result.row_size / sizeof(int32_t));
    }
    return bytes;
}

// The mean squared difference relative to the mean square of what is expected
double error_of(const Result & actual, const Result & expected) {
    const std::vector<float> a = as_floats(actual);
    const std::vector<float> b = as_floats(expected);
    double difference = 0;
    double square = 0;
    for (size_t i = 0; i < b.size(); i++) {
        difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
        square += double{b[i]} * b[i];
    }
    return difference == 0 ? 0 : difference / square;
}

} // namespace

class OpConformance : public ConformanceTest {};

INSTANTIATE_TEST_SUITE_P(Backends, OpConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(OpConformance, SupportedOperationsGiveTheCpusResults) {
    const BackendPtr cpu = one_cpu();
    ASSERT_NE(cpu, nullptr) << "the CPU backend is the reference";
    once([&](World & world) {
        const ggml_backend_t backend = world.backend();
        int n_supported = 0;
        for (const OpCase & op : op_cases()) {
            SCOPED_TRACE(op.name);
            note(op.name);
            const Result expected = compute(cpu.get(), op);
            ASSERT_TRUE(expected.built && expected.supported) << "the CPU backend is the reference";
            if (!expected.placed) {
                continue;
            }
            ASSERT_EQ(expected.status, GGML_STATUS_SUCCESS);
            const Result actual = compute(backend, op);
            if (!actual.supported) {
                continue;
            }
            n_supported++;
            EXPECT_EQ(actual.status, GGML_STATUS_SUCCESS);
            if (op.any_order && !subject().exact) {
                EXPECT_EQ(with_sorted_rows(actual), with_sorted_rows(expected));
            } else if (subject().exact || op.tolerance == 0) {
                EXPECT_EQ(actual.bytes, expected.bytes);
            } else {
                EXPECT_LE(error_of(actual, expected), std::max(op.tolerance, subject().least_tolerance));
            }
        }
        EXPECT_GT(n_supported, 0) << "it supports nothing";
        RecordProperty("supported", n_supported);
        RecordProperty("tried", static_cast<int>(op_cases().size()));
    });
}

TEST_P(OpConformance, ResultsAreTheSameEveryTime) {
    once([](World & world) {
        const ggml_backend_t a = world.backend();
        const ggml_backend_t b = world.backend();
        for (const OpCase & op : op_cases()) {
            SCOPED_TRACE(op.name);
            note(op.name);
            const Result first = compute(a, op);
            if (first.supported) {
                EXPECT_EQ(compute(b, op).bytes, first.bytes);
            }
        }
    });
}

// A device cannot call it, unless it is the host.
TEST_P(OpConformance, AFunctionOfTheProgramIsCalledOrRefused) {
    once([](World & world) {
        const BackendPtr cpu = one_cpu();
        const Result result = compute(world.backend(), custom_case());
        if (result.supported) {
            EXPECT_EQ(result.status, GGML_STATUS_SUCCESS);
            EXPECT_EQ(result.bytes, compute(cpu.get(), custom_case()).bytes);
        }
    });
}

TEST_P(OpConformance, ViewsAreSupportedByEverybody) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = ggml_new_tensor_2d(world.ctx(), GGML_TYPE_F32, 8, 6);
        for (ggml_tensor * view : {ggml_reshape_2d(world.ctx(), x, 6, 8), ggml_view_1d(world.ctx(), x, 5, 16),
                                   ggml_permute(world.ctx(), x, 1, 0, 2, 3), ggml_transpose(world.ctx(), x)}) {
            EXPECT_TRUE(ggml_backend_supports_op(backend, view)) << ggml_op_name(view->op);
        }
        EXPECT_TRUE(ggml_backend_supports_op(backend, x)) << "a tensor that is not computed";
    });
}

TEST_P(OpConformance, UnsupportedOperationsComeBackAsAStatus) {
    once([this](World & world) {
        const ggml_backend_t backend = world.backend();
        int n_refused = 0;
        for (const OpCase & op : odd_cases()) {
            SCOPED_TRACE(op.name);
            note(op.name);
            const Result result = compute(backend, op, true);
            if (result.built && !result.supported) {
                n_refused++;
                EXPECT_NE(result.status, GGML_STATUS_SUCCESS);
            }
        }
        EXPECT_GT(n_refused, 0) << "the sample has nothing that " << subject().name << " does not support";
        // It is as good as before.
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        EXPECT_EQ(world.launch_scale(backend, x, 2.0f, x), GGML_STATUS_SUCCESS);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 2.0f));
    });
}

} // namespace conformance
