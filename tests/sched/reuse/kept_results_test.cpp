// KeptResults - results that are kept from graph to graph are found anew where something changes that only a backend or
// a buffer looks at.

#include <gtest/gtest.h>

#include "ggml-backend-impl.h"
#include "handle.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kSize = 64;

// A tensor of the caller's that stays
struct Lasting {
    Lasting(ggml_backend_t backend, int64_t rows, ggml_backend_buffer_usage usage)
        : context(make_context(8))
        , tensor(ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, kSize, rows))
        , view(ggml_view_2d(context.get(), tensor, kSize, rows, tensor->nb[1], 0)) {
        view->buffer = nullptr;
        buffer.reset(
            ggml_backend_buft_alloc_buffer(ggml_backend_get_default_buffer_type(backend), ggml_nbytes(tensor)));
        ggml_backend_buffer_set_usage(buffer.get(), usage);
        EXPECT_EQ(ggml_backend_tensor_alloc(buffer.get(), tensor, ggml_backend_buffer_get_base(buffer.get())),
                  GGML_STATUS_SUCCESS);
        write_floats(tensor, ramp(static_cast<size_t>(kSize * rows)));
    }

    ContextPtr context;
    ggml_tensor * tensor;
    ggml_tensor * view; // made before the tensor had memory
    BufferPtr buffer;
};

// With verification and reuse, without verification, and without either
class KeptResults : public testing::TestWithParam<std::pair<bool, bool>> {
  protected:
    void set_up(ggml_backend_sched_t sched) const {
        ggml_sched_set_verify(sched, GetParam().first);
        sched->scheduler->set_reuse(GetParam().second);
    }

    // Builds a graph of one result in a new context, and allocates it.
    ggml_tensor * allocate(ggml_backend_sched_t sched, ggml_tensor * (*make)(ggml_context *, ggml_tensor *, int64_t),
                           ggml_tensor * lasting, int64_t n) {
        context_ = make_context();
        ggml_tensor * result = make(context_.get(), lasting, n);
        ggml_set_output(result);
        graph_ = ggml_new_graph(context_.get());
        ggml_build_forward_expand(graph_, result);
        ggml_backend_sched_reset(sched);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched, graph_)) << ggml_sched_get_error(sched);
        return result;
    }

    ContextPtr context_;
    ggml_cgraph * graph_ = nullptr;
};

// The result of a product needs its first operand's size besides its own.
size_t size_with_scratch(ggml_backend_buffer_type_t, const ggml_tensor * tensor) {
    return ggml_nbytes(tensor) + (tensor->op == GGML_OP_MUL_MAT ? ggml_nbytes(tensor->src[0]) : 0);
}

TEST_P(KeptResults, PlacesAreLargeEnoughWhereOnlyAnOperandGrows) {
    BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_buffer_type buft = *ggml_backend_get_default_buffer_type(cpu.get());
    buft.iface.get_alloc_size = size_with_scratch;
    ggml_backend_t backends[] = {cpu.get()};
    ggml_backend_buffer_type_t bufts[] = {&buft};
    SchedPtr sched(ggml_backend_sched_new(backends, bufts, 1, GGML_DEFAULT_GRAPH_SIZE, false, false));
    set_up(sched.get());
    const Lasting cache(cpu.get(), kSize, GGML_BACKEND_BUFFER_USAGE_ANY);
    const auto product = [](ggml_context * ctx, ggml_tensor * cache, int64_t n) {
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSize, 4);
        ggml_set_input(x);
        ggml_tensor * used = ggml_view_2d(ctx, cache, n, 8, cache->nb[1], 0);
        return ggml_mul_mat(ctx, used, ggml_view_2d(ctx, x, n, 4, x->nb[1], 0)); // [8, 4] for each n
    };
    for (const int64_t n : {2, 2, 32, 2}) {
        const ggml_tensor * result = allocate(sched.get(), product, cache.tensor, n);
        ASSERT_NE(result->buffer, nullptr);
        const auto first = reinterpret_cast<uintptr_t>(result->data);
        const auto end = first + size_with_scratch(&buft, result);
        const auto input = reinterpret_cast<uintptr_t>(result->src[1]->view_src->data);
        const auto base = reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(result->buffer));
        EXPECT_LE(end, base + ggml_backend_buffer_get_size(result->buffer)) << n;
        EXPECT_TRUE(input < first || input >= end) << n;
    }
}

TEST_P(KeptResults, AViewOfAWeightCountsAsOneOnceItHasABuffer) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA, GGML_SIM_PROFILE_CUDA};
    Rig rig(options);
    set_up(rig.sched());
    const Lasting weight(rig.device(1), 1, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    const auto product = [](ggml_context * ctx, ggml_tensor * view, int64_t) {
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kSize, 1);
        ggml_set_input(x);
        return ggml_mul(ctx, x, view);
    };
    for (int i = 0; i < 4; i++) {
        ggml_tensor * result = allocate(rig.sched(), product, weight.view, 0);
        const bool was_placed = i > 0; // the first allocation gives the view its buffer
        EXPECT_TRUE(!was_placed || ggml_backend_sched_get_tensor_backend(rig.sched(), result) == rig.device(1)) << i;
        ASSERT_EQ(ggml_backend_sched_graph_compute(rig.sched(), graph_), GGML_STATUS_SUCCESS);
    }
}

bool (*supports_any)(ggml_backend_dev_t, const ggml_tensor *) = nullptr;
bool supports_aligned(ggml_backend_dev_t device, const ggml_tensor * op) {
    const bool is_aligned = op->op != GGML_OP_SCALE || op->src[0]->view_offs % 512 == 0;
    return is_aligned && supports_any(device, op);
}

TEST_P(KeptResults, BackendsAreAskedAgainWhereAViewMoves) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    Rig rig(options);
    set_up(rig.sched());
    ggml_backend_dev_t device = ggml_backend_get_device(rig.device(0));
    supports_any = device->iface.supports_op;
    device->iface.supports_op = supports_aligned;
    const Lasting cache(rig.device(0), 16, GGML_BACKEND_BUFFER_USAGE_ANY);
    const auto scaled = [](ggml_context * ctx, ggml_tensor * cache, int64_t row) {
        return ggml_scale(ctx, ggml_view_1d(ctx, cache, kSize, static_cast<size_t>(row) * cache->nb[1]), 2.0f);
    };
    for (const int64_t row : {0, 2, 1, 2}) {
        const ggml_tensor * result = allocate(rig.sched(), scaled, cache.tensor, row);
        ggml_backend_t backend = ggml_backend_sched_get_tensor_backend(rig.sched(), const_cast<ggml_tensor *>(result));
        EXPECT_TRUE(ggml_backend_supports_op(backend, result)) << "row " << row;
    }
    device->iface.supports_op = supports_any;
}

INSTANTIATE_TEST_SUITE_P(Ways, KeptResults,
                         testing::Values(std::pair(true, true), std::pair(false, true), std::pair(false, false)));

// Without the check of sizes, which the test takes away, the second graph gets places that are too small.
TEST(LateVerification, ProvesThePlacesOfAnAllocationWithoutIt) {
    BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backends[] = {cpu.get()};
    SchedPtr sched(ggml_backend_sched_new(backends, nullptr, 1, GGML_DEFAULT_GRAPH_SIZE, false, false));
    change_hooks(sched.get(), [](TestHooks & hooks) { hooks.ignored.ignore(KeyField::Sizes); });
    for (const int64_t n : {16, 64}) {
        ContextPtr context = make_context();
        ggml_tensor * x = ggml_new_tensor_1d(context.get(), GGML_TYPE_F32, n);
        ggml_set_input(x);
        ggml_tensor * y = ggml_add(context.get(), ggml_scale(context.get(), x, 2.0f), x);
        ggml_set_output(y);
        ggml_cgraph * graph = ggml_new_graph(context.get());
        ggml_build_forward_expand(graph, y);
        ggml_backend_sched_reset(sched.get());
        ggml_sched_set_verify(sched.get(), false);
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), graph));
        ggml_sched_set_verify(sched.get(), true);
        const LogCapture log;
        const bool is_stale = n == 64;
        EXPECT_EQ(ggml_backend_sched_graph_compute(sched.get(), graph),
                  is_stale ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS);
        EXPECT_EQ(std::string(ggml_sched_get_error(sched.get())).find("places: ") != std::string::npos, is_stale);
    }
}

} // namespace
} // namespace ggml_sched::test
