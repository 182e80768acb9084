// A device that is lost: a program of its own, as nothing on that device works any more in its process.

#include <gtest/gtest.h>

#include "gpu_test.h"

namespace gpu_tests {
namespace {

using ggml_sched::test::LogCapture;
using ggml_sched::test::SchedPtr;

// All vendors' devices may be the same hardware, so only the first is broken.
TEST(BrokenDevice, FailsEveryLaunchAndLetsEverythingBeFreed) {
    if (vendors().empty()) {
        GTEST_SKIP() << why_there_are_none();
    }
    LogCapture log;
    const ggml_backend_dev_t device = vendors()[0].devices[0];
    BackendPtr gpu(ggml_backend_dev_init(device, nullptr));
    BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_t backends[] = {gpu.get(), cpu.get()};
    SchedPtr sched(ggml_backend_sched_new(backends, nullptr, 2, GGML_DEFAULT_GRAPH_SIZE, false, false));
    const ContextPtr ctx(ggml_init({size_t{1} << 18, nullptr, true}));
    ggml_tensor * x = ggml_new_tensor_1d(ctx.get(), GGML_TYPE_F32, 64);
    BufferPtr buffer(ggml_backend_alloc_ctx_tensors(ctx.get(), gpu.get()));
    ggml_backend_buffer_clear(buffer.get(), 0);
    ggml_tensor * y = ggml_scale(ctx.get(), x, 2.0f);
    ggml_backend_sched_set_tensor_backend(sched.get(), y, gpu.get());
    ggml_cgraph * graph = ggml_new_graph(ctx.get());
    ggml_build_forward_expand(graph, y);
    ASSERT_EQ(ggml_backend_sched_graph_compute(sched.get(), graph), GGML_STATUS_SUCCESS);

    x->data = static_cast<char *>(x->data) + (int64_t{1} << 44); // nowhere
    (void) ggml_backend_sched_graph_compute(sched.get(), graph); // may be told now, or by the next
    EXPECT_EQ(ggml_backend_sched_graph_compute(sched.get(), graph), GGML_STATUS_FAILED);
    EXPECT_EQ(ggml_backend_sched_graph_compute(sched.get(), graph), GGML_STATUS_FAILED) << "it is broken for good";
    EXPECT_TRUE(log.contains("out of order")) << log.text();
    EXPECT_TRUE(log.contains("illegal") || log.contains("fault")) << "the vendor's text: " << log.text();

    EXPECT_EQ(ggml_backend_graph_compute(cpu.get(), ggml_new_graph_custom(ctx.get(), 8, false)), GGML_STATUS_SUCCESS);
    gpu.reset();
    cpu.reset();
    sched.reset(); // after its backends
    buffer.reset();
    EXPECT_EQ(ggml_backend_dev_init(device, nullptr), nullptr);
}

} // namespace
} // namespace gpu_tests
