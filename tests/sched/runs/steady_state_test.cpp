// Running an allocated graph again takes no memory from the heap, whatever happens between the runs.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "null_backend.h"
#include "support/rig.h"

namespace {

thread_local size_t n_allocations = 0;

void * counted(size_t size) {
    n_allocations++;
    if (void * memory = std::malloc(size > 0 ? size : 1)) {
        return memory;
    }
    throw std::bad_alloc();
}

} // namespace

// GCC, when it inlines only one half of a pair, takes malloc and free for a mismatch: the halves stay calls.
void * operator new(size_t size) {
    return counted(size);
}
void * operator new[](size_t size) {
    return counted(size);
}
void * operator new(size_t size, const std::nothrow_t &) noexcept { // the library's temporary buffers
    n_allocations++;
    return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void * memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void * memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void * memory, const std::nothrow_t &) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void * memory, size_t) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete[](void * memory, size_t) noexcept {
    std::free(memory);
}

namespace ggml_sched::test {
namespace {

constexpr int kDevices = 3;
constexpr int64_t kSize = 64;
constexpr int kRunsToSettle = 12;

// A pipeline over devices that do nothing, from an input that is set before every run.
class Pipeline {
  public:
    explicit Pipeline(bool parallel) {
        std::vector<ggml_backend_t> handles;
        for (int i = 0; i < kDevices; i++) {
            backends_.emplace_back(null_backend_init(i));
            handles.push_back(backends_.back().get());
        }
        backends_.emplace_back(ggml_backend_cpu_init());
        handles.push_back(backends_.back().get());
        sched_.reset(ggml_backend_sched_new(handles.data(), nullptr, static_cast<int>(handles.size()),
                                            GGML_DEFAULT_GRAPH_SIZE, parallel, true));
        ggml_context * ctx = context_.get();
        input_ = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, kSize);
        ggml_set_input(input_);
        ggml_tensor * x = input_;
        for (int i = 0; i < kDevices; i++) {
            x = ggml_scale(ctx, x, 2.0f);
            ggml_backend_sched_set_tensor_backend(sched_.get(), x, handles[i]);
        }
        ggml_set_output(x);
        graph_ = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph_, x);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched_.get(), graph_));
    }

    void run() {
        ggml_backend_tensor_set(input_, values_.data(), 0, values_.size() * sizeof(float));
        EXPECT_EQ(ggml_backend_sched_graph_compute_async(sched_.get(), graph_), GGML_STATUS_SUCCESS);
    }
    void synchronize() { ggml_backend_sched_synchronize(sched_.get()); }
    int n_splits() const { return ggml_backend_sched_get_n_splits(sched_.get()); }

  private:
    ContextPtr context_ = make_context();
    std::vector<float> values_ = std::vector<float>(kSize, 1.0f);
    std::vector<BackendPtr> backends_;
    ggml_tensor * input_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
    SchedPtr sched_;
};

TEST(SteadyState, OfRunsThatOverlapAllocatesNothing) {
    for (const bool parallel : {false, true}) {
        Pipeline pipeline(parallel);
        ASSERT_EQ(pipeline.n_splits(), kDevices);
        for (int i = 0; i < kRunsToSettle; i++) {
            pipeline.run();
        }
        const size_t before = n_allocations;
        for (int i = 0; i < 100; i++) {
            pipeline.run();
        }
        EXPECT_EQ(n_allocations - before, 0u) << "parallel " << parallel;
        pipeline.synchronize();
    }
}

TEST(SteadyState, OfRunsThatAreWaitedForAllocatesNothing) {
    for (const bool parallel : {false, true}) {
        Pipeline pipeline(parallel);
        for (int i = 0; i < kRunsToSettle; i++) {
            pipeline.run();
            pipeline.synchronize();
        }
        const size_t before = n_allocations;
        for (int i = 0; i < 100; i++) {
            pipeline.run();
            pipeline.synchronize();
        }
        EXPECT_EQ(n_allocations - before, 0u) << "parallel " << parallel;
    }
}

TEST(SteadyState, IsMeasuredByACountThatSeesTheSchedulerAllocate) {
    const size_t before = n_allocations;
    Pipeline pipeline(false);
    pipeline.run();
    EXPECT_GT(n_allocations - before, 0u);
    pipeline.synchronize();
}

} // namespace
} // namespace ggml_sched::test
