// Where the memory of a graph goes: what lives at the same time is kept apart, within the limits of each buffer.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <list>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "ggml-backend-impl.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

// A random graph of rows, some of them views, and when each tensor's memory has to be its own, found without hurry.
class Lives {
  public:
    explicit Lives(uint64_t seed)
        : random_(seed)
        , context_(make_context(400)) {
        ggml_context * ctx = context_.get();
        for (int i = 0; i < 3; i++) {
            tensors_.push_back(ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 16, 4));
            ggml_set_input(tensors_.back());
        }
        for (int i = 0; i < 40; i++) {
            tensors_.push_back(next(ctx));
            if (random_() % 12 == 0) {
                ggml_set_output(tensors_.back());
            }
        }
        graph = ggml_new_graph_custom(ctx, 200, false);
        for (ggml_tensor * tensor : tensors_) {
            ggml_build_forward_expand(graph, tensor);
        }
    }

    void check() {
        const int n = ggml_graph_n_nodes(graph);
        std::map<const ggml_tensor *, int> birth;
        std::map<const ggml_tensor *, int> death;
        for (int i = 0; i < 3; i++) {
            birth[tensors_[i]] = -1;
            death[tensors_[i]] = n; // the caller may write it at any time
        }
        for (int i = 0; i < n; i++) {
            const ggml_tensor * node = ggml_graph_node(graph, i);
            if (!node->view_src) {
                birth[node] = i;
                death[node] = std::max(death[node], is_read(node) ? i : n);
            }
            for (const ggml_tensor * operand : node->src) {
                if (operand) {
                    death[root(operand)] = std::max(death[root(operand)], i);
                }
            }
            if ((node->flags & GGML_TENSOR_FLAG_OUTPUT) || (node->view_src && !is_read(node))) {
                death[root(node)] = n;
            }
        }
        for (const auto & [a, born] : birth) {
            for (const auto & [b, later] : birth) {
                if (a != b && born <= later && later <= death[a] && overlap(a, b)) {
                    const bool takes_over = later == death[a] && a->data == b->data && n_reads(b, a) == 1;
                    EXPECT_TRUE(takes_over) << ggml_op_name(a->op) << " of " << born << " to " << death[a]
                                            << " shares memory with " << ggml_op_name(b->op) << " of " << later;
                    n_taken_over += takes_over;
                }
            }
        }
    }

    ggml_cgraph * graph;
    int n_taken_over = 0;

  private:
    ggml_tensor * next(ggml_context * ctx) {
        ggml_tensor * a = tensors_[tensors_.size() - 1 - random_() % std::min<size_t>(tensors_.size(), 6)];
        ggml_tensor * b = tensors_[random_() % tensors_.size()];
        switch (random_() % 7) {
        case 0: return ggml_add(ctx, a, b);
        case 1: return ggml_mul(ctx, a, b);
        case 2: return ggml_scale(ctx, a, 0.5f);
        case 3: return ggml_reshape_2d(ctx, ggml_cont(ctx, a), 16, 4);
        case 4: return ggml_view_2d(ctx, a, 16, 4, a->nb[1], 0);
        case 5: return ggml_silu(ctx, a);
        default: return ggml_rms_norm(ctx, ggml_cont(ctx, b), 1e-5f);
        }
    }
    static const ggml_tensor * root(const ggml_tensor * tensor) { return tensor->view_src ? tensor->view_src : tensor; }
    static bool overlap(const ggml_tensor * a, const ggml_tensor * b) {
        const char * first = static_cast<const char *>(a->data);
        const char * second = static_cast<const char *>(b->data);
        return first < second + ggml_nbytes(b) && second < first + ggml_nbytes(a);
    }
    static int n_reads(const ggml_tensor * node, const ggml_tensor * operand) {
        return static_cast<int>(std::count_if(node->src, node->src + GGML_MAX_SRC,
                                              [&](const ggml_tensor * src) { return src && root(src) == operand; }));
    }
    bool is_read(const ggml_tensor * tensor) const {
        for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
            const ggml_tensor * node = ggml_graph_node(graph, i);
            if (std::find(node->src, node->src + GGML_MAX_SRC, tensor) != node->src + GGML_MAX_SRC) {
                return true;
            }
        }
        return false;
    }

    std::mt19937_64 random_;
    ContextPtr context_;
    std::vector<ggml_tensor *> tensors_;
};

TEST(PlacesOfAGraph, AreApartForWhatLivesAtTheSameTime) {
    const Rig rig({});
    int n_taken_over = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Lives lives(seed);
        ggml_backend_sched_reset(rig.sched());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), lives.graph));
        lives.check();
        n_taken_over += lives.n_taken_over;
        if (testing::Test::HasFailure()) {
            return;
        }
    }
    EXPECT_GT(n_taken_over, 300) << "and some work in place";
}

// Host memory of which a buffer has at most `limit` bytes, and that refuses tensors of one name.
class Limited {
  public:
    explicit Limited(size_t limit)
        : limit_(limit) {
        type_ = *ggml_backend_cpu_buffer_type();
        type_.context = this;
        type_.iface.get_max_size = [](ggml_backend_buffer_type_t type) { return of(type).limit_; };
        type_.iface.alloc_buffer = [](ggml_backend_buffer_type_t type, size_t size) {
            of(type).sizes.push_back(size);
            ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size);
            buffer->buft = type;
            buffer->iface.init_tensor = [](ggml_backend_buffer_t into, ggml_tensor * tensor) {
                Limited & self = of(into->buft);
                self.n_placed++;
                for (int i = 0; i < GGML_MAX_SRC; i++) {
                    self.n_too_early += tensor->src[i] && !tensor->src[i]->buffer;
                }
                self.n_too_early += tensor->view_src && !tensor->view_src->buffer;
                return self.refused == tensor->name ? GGML_STATUS_FAILED : GGML_STATUS_SUCCESS;
            };
            buffer->iface.reset = [](ggml_backend_buffer_t emptied) { of(emptied->buft).n_placed = 0; };
            return buffer;
        };
    }
    Limited(const Limited &) = delete;
    Limited & operator=(const Limited &) = delete;

    SchedPtr scheduler_on(ggml_backend_t backend) {
        ggml_backend_buffer_type_t type = &type_;
        return SchedPtr(ggml_backend_sched_new(&backend, &type, 1, GGML_DEFAULT_GRAPH_SIZE, false, false));
    }

    std::vector<size_t> sizes; // of all buffers that were made
    std::string refused = "none";
    int n_placed = 0;    // tensors since the last reset
    int n_too_early = 0; // before what they are computed from, or view

  private:
    static Limited & of(ggml_backend_buffer_type_t type) { return *static_cast<Limited *>(type->context); }

    const size_t limit_;
    ggml_backend_buffer_type type_;
};

// (x + 1 x + 2 x + ...) of n terms that are all there before the first sum
struct Sum {
    explicit Sum(int n_terms, int64_t n_values = 64) {
        ggml_context * ctx = context.get();
        x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, n_values);
        ggml_set_input(x);
        std::vector<ggml_tensor *> terms;
        graph = ggml_new_graph_custom(ctx, 200, false);
        for (int i = 0; i < n_terms; i++) {
            terms.push_back(ggml_scale(ctx, x, static_cast<float>(i)));
            ggml_build_forward_expand(graph, terms.back());
        }
        result = x;
        for (ggml_tensor * term : terms) {
            result = ggml_add(ctx, result, term);
        }
        ggml_set_output(result);
        ggml_set_name(result, "result");
        ggml_build_forward_expand(graph, result);
    }

    float run_on(ggml_backend_sched_t sched) const {
        ggml_backend_sched_reset(sched);
        EXPECT_TRUE(ggml_backend_sched_alloc_graph(sched, graph)) << ggml_sched_get_error(sched);
        write_floats(x, std::vector<float>(static_cast<size_t>(ggml_nelements(x)), 2.0f));
        EXPECT_EQ(ggml_backend_sched_graph_compute(sched, graph), GGML_STATUS_SUCCESS);
        return read_floats(result).back();
    }

    ContextPtr context = make_context(400);
    ggml_tensor * x;
    ggml_tensor * result;
    ggml_cgraph * graph;
};

TEST(BuffersWithALimit, AreSeveralForAGraphThatNeedsMore) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    constexpr size_t kLimit = 1000; // three tensors of 256 bytes
    Limited memory(kLimit);
    const SchedPtr sched = memory.scheduler_on(cpu.get());
    size_t bytes = 0;
    for (const int n_terms : {1, 10, 4, 20, 10}) {
        EXPECT_EQ(Sum(n_terms).run_on(sched.get()), 2.0f * static_cast<float>(1 + n_terms * (n_terms - 1) / 2));
        EXPECT_GE(ggml_backend_sched_get_buffer_size(sched.get(), cpu.get()), bytes) << "memory is kept";
        bytes = ggml_backend_sched_get_buffer_size(sched.get(), cpu.get());
    }
    EXPECT_GE(memory.sizes.size(), 20u / 3);
    EXPECT_LE(*std::max_element(memory.sizes.begin(), memory.sizes.end()), kLimit);
    EXPECT_GE(bytes, 20 * 256u);

    const size_t n_buffers = memory.sizes.size();
    EXPECT_EQ(Sum(20).run_on(sched.get()), 2.0f * (1 + 190));
    EXPECT_EQ(memory.sizes.size(), n_buffers) << "there is room for that already";
}

TEST(BuffersWithALimit, AreAskedForATensorThatIsLargerAndMayRefuse) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    Limited memory(1000);
    const SchedPtr sched = memory.scheduler_on(cpu.get());
    const LogCapture log;
    const Sum graph(2, 1024);
    EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched.get(), graph.graph));
    EXPECT_TRUE(log.contains("a CPU buffer of 4096 bytes exceeds the greatest size, 1000 bytes")) << log.text();
    EXPECT_TRUE(log.contains("not enough memory to allocate the buffers of this graph")) << log.text();
    EXPECT_EQ(Sum(3).run_on(sched.get()), 8.0f) << "the scheduler is as good as before";
}

TEST(BuffersWithALimit, MeasureAsMuchAsTheyReserve) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    Limited memory(1000);
    const SchedPtr sched = memory.scheduler_on(cpu.get());
    size_t measured = 0;
    ggml_backend_sched_reserve_size(sched.get(), Sum(20).graph, &measured);
    EXPECT_TRUE(memory.sizes.empty());
    ASSERT_TRUE(ggml_backend_sched_reserve(sched.get(), Sum(20).graph));
    EXPECT_EQ(ggml_backend_sched_get_buffer_size(sched.get(), cpu.get()), measured);
    const size_t n_buffers = memory.sizes.size();
    EXPECT_EQ(Sum(20).run_on(sched.get()), 2.0f * (1 + 190));
    EXPECT_EQ(memory.sizes.size(), n_buffers);
}

// Devices that keep launched graphs know them by their addresses.
TEST(PlacesOfAReservedGraph, AreThoseOfTheSmallerOnesThatFollow) {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    for (const bool parallel : {false, true}) {
        options.parallel = parallel;
        const Rig rig(options);
        ASSERT_TRUE(ggml_backend_sched_reserve(rig.sched(), Sum(6, 512).graph));
        std::map<int, std::vector<const void *>> places; // by turn
        const int n_turns = ggml_backend_sched_get_n_copies(rig.sched());
        for (const int64_t n_values : {100, 512, 7, 7, 300, 64, 511, 512}) {
            ggml_backend_sched_synchronize(rig.sched()); // the turns begin again
            for (int turn = 0; turn < n_turns; turn++) {
                const Sum graph(6, n_values);
                ggml_backend_sched_reset(rig.sched());
                ASSERT_TRUE(ggml_backend_sched_alloc_graph(rig.sched(), graph.graph));
                std::vector<const void *> now = {graph.x->data};
                for (int i = 0; i < ggml_graph_n_nodes(graph.graph); i++) {
                    now.push_back(ggml_graph_node(graph.graph, i)->data);
                }
                if (places[turn].empty()) {
                    places[turn] = now;
                }
                EXPECT_EQ(now, places[turn]) << n_values << " values";
            }
        }
    }
}

// Backends keep things about the tensors of a buffer until it is reset.
TEST(ABufferOfAGraph, IsResetWhenTheNextOneIsPlacedThere) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    Limited memory(SIZE_MAX);
    const SchedPtr sched = memory.scheduler_on(cpu.get());
    for (const int n_terms : {3, 3, 5, 5, 3}) {
        Sum(n_terms).run_on(sched.get());
        EXPECT_EQ(memory.n_placed, 1 + 2 * n_terms) << "x, the terms and the sums";
    }
}

// ggml's "meta" buffers, which spread tensors over devices by what they are computed from, abort otherwise.
TEST(ABufferOfAGraph, IsToldOfATensorAfterItsOperands) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    Limited memory(SIZE_MAX);
    const SchedPtr sched = memory.scheduler_on(cpu.get());
    const ContextPtr context = make_context();
    ggml_context * ctx = context.get();
    for (int run = 0; run < 2; run++) { // what was found out for the first holds for the second
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 8, 4);
        ggml_set_input(x);
        ggml_tensor * sum = ggml_cont(ctx, ggml_transpose(ctx, ggml_scale(ctx, x, 2.0f)));
        ggml_tensor * rows = ggml_view_2d(ctx, sum, 4, 2, sum->nb[1], 2 * sum->nb[1]);
        ggml_tensor * in_place = ggml_scale_inplace(ctx, ggml_cont(ctx, ggml_reshape_1d(ctx, rows, 8)), 0.5f);
        ggml_tensor * result = ggml_add(ctx, in_place, ggml_view_1d(ctx, x, 8, 0));
        ggml_set_output(result);
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, result);
        ggml_backend_sched_reset(sched.get());
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched.get(), graph));
        EXPECT_EQ(memory.n_too_early, 0);
        EXPECT_EQ(memory.n_placed, ggml_graph_n_nodes(graph) + 1) << "and the input";
    }
}

TEST(ATensorThatItsBufferRefuses, IsNamedInTheError) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    Limited memory(SIZE_MAX);
    const SchedPtr sched = memory.scheduler_on(cpu.get());
    EXPECT_EQ(Sum(3).run_on(sched.get()), 8.0f);
    {
        const LogCapture log;
        memory.refused = "result";
        const Sum graph(3);
        ggml_backend_sched_reset(sched.get());
        EXPECT_FALSE(ggml_backend_sched_alloc_graph(sched.get(), graph.graph));
        EXPECT_TRUE(log.contains("tensor 'result' is refused")) << log.text();
        memory.refused = "none";
    }
    EXPECT_EQ(Sum(3).run_on(sched.get()), 8.0f) << "the scheduler is as good as before";
}

} // namespace
} // namespace ggml_sched::test
