// Graphs and calls that once broke the contract of the copy callback, of the realloc callback, or of unalloc_graph.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kRing = size_t{1} << 20;
constexpr int64_t kRows = 8;

// A device, contexts for weights and for a graph, and a callback that a test writes as a lambda
class CallbackContract : public testing::Test {
  protected:
    using OnCopy = std::function<bool(ggml_backend_t, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph)>;

    void make_rig(size_t stream, size_t memory_bytes = 0) {
        RigOptions options;
        options.devices = {GGML_SIM_PROFILE_CUDA};
        options.stream = stream;
        options.memory_bytes = memory_bytes;
        rig_.reset(); // frees the device, which is configured anew
        rig_ = std::make_unique<Rig>(options);
    }
    ggml_backend_sched_t sched() const { return rig_->sched(); }
    ggml_context * ctx() const { return context_.get(); }
    ggml_context * weights() const { return weights_context_.get(); }

    void place_weights() {
        buffers_.emplace_back(ggml_backend_alloc_ctx_tensors_from_buft(weights(), ggml_backend_cpu_buffer_type()));
        ggml_backend_buffer_set_usage(buffers_.back().get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    }
    ggml_tensor * on_device(ggml_tensor * tensor) const {
        ggml_backend_sched_set_tensor_backend(sched(), tensor, rig_->device(0));
        return tensor;
    }
    ggml_tensor * input(int64_t width, int64_t rows, ggml_type type = GGML_TYPE_F32) const {
        ggml_tensor * tensor = ggml_new_tensor_2d(ctx(), type, width, rows);
        ggml_set_input(tensor);
        return tensor;
    }
    ggml_cgraph * graph_of(const std::vector<ggml_tensor *> & nodes) const {
        ggml_cgraph * graph = ggml_new_graph(ctx());
        for (ggml_tensor * node : nodes) {
            ggml_set_output(node);
            ggml_build_forward_expand(graph, node);
        }
        return graph;
    }

    void set_callback(OnCopy on_copy) {
        on_copy_ = std::move(on_copy);
        ggml_backend_sched_set_copy_callback(sched(), call, &on_copy_);
    }
    static bool call(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                     void * on_copy) {
        return (*static_cast<OnCopy *>(on_copy))(backend, src, dst, graph);
    }
    // Reads, through the backend, the second operand of the node that reads dst.
    static std::vector<int32_t> ids_of(ggml_backend_t backend, const ggml_tensor * dst, ggml_cgraph * graph) {
        std::vector<int32_t> ids(kRows, -1);
        for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
            const ggml_tensor * node = ggml_graph_node(graph, i);
            if (node->op == GGML_OP_GET_ROWS && node->src[0] == dst) {
                ggml_backend_tensor_get_async(backend, node->src[1], ids.data(), 0, kRows * sizeof(int32_t));
                ggml_backend_synchronize(backend);
            }
        }
        return ids;
    }

    void allocate(ggml_cgraph * graph) const {
        ASSERT_TRUE(ggml_backend_sched_alloc_graph(sched(), graph)) << ggml_sched_get_error(sched());
    }
    void compute(ggml_cgraph * graph) const {
        ASSERT_EQ(ggml_backend_sched_graph_compute(sched(), graph), GGML_STATUS_SUCCESS)
            << ggml_sched_get_error(sched());
    }

    std::unique_ptr<Rig> rig_;
    ContextPtr context_ = make_context();
    ContextPtr weights_context_ = make_context();
    std::vector<BufferPtr> buffers_;
    OnCopy on_copy_;
};

TEST_F(CallbackContract, SeesInputsThatTheSplitReadsThroughAView) {
    make_rig(kRing);
    ggml_tensor * table = ggml_new_tensor_2d(weights(), GGML_TYPE_F32, 4, kRows);
    place_weights();
    write_floats(table, ramp(4 * kRows));
    ggml_tensor * ids = input(kRows, 1, GGML_TYPE_I32);
    ggml_tensor * x = on_device(input(4, kRows));
    ggml_tensor * first = on_device(ggml_scale(ctx(), x, 3.0F));
    ggml_tensor * rows = on_device(ggml_get_rows(ctx(), table, ggml_reshape_1d(ctx(), ids, kRows)));
    ggml_tensor * sum = on_device(ggml_add(ctx(), rows, first));
    ggml_cgraph * graph = graph_of({first, sum});
    std::vector<int32_t> seen;
    set_callback([&](auto backend, auto *, auto * dst, auto * split) {
        seen = ids_of(backend, dst, split);
        return false;
    });
    allocate(graph);
    write_floats(x, ramp(4 * kRows));
    for (const std::vector<int32_t> & chosen :
         {std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1, 0}}) {
        ggml_backend_tensor_set(ids, chosen.data(), 0, kRows * sizeof(int32_t));
        compute(graph);
        EXPECT_EQ(seen, chosen);
    }
}

TEST_F(CallbackContract, MayWriteExpertsThatAreAlsoReadAsATable) {
    make_rig(kRing);
    constexpr size_t kNumbers = size_t{16} * 16 * 8;
    ggml_tensor * experts = ggml_new_tensor_3d(weights(), GGML_TYPE_F32, 16, 16, 8);
    place_weights();
    write_floats(experts, std::vector<float>(kNumbers, 1.0F));
    ggml_tensor * scores = input(8, 1);
    ggml_tensor * x = ggml_new_tensor_3d(ctx(), GGML_TYPE_F32, 16, 1, 1);
    ggml_set_input(x);
    ggml_tensor * order = on_device(ggml_argsort(ctx(), scores, GGML_SORT_ORDER_DESC));
    ggml_tensor * ids = on_device(ggml_cont(ctx(), ggml_view_2d(ctx(), order, 2, 1, order->nb[1], 0)));
    ggml_tensor * y = on_device(ggml_mul_mat_id(ctx(), experts, x, ids));
    ggml_tensor * as_table = on_device(ggml_scale(ctx(), experts, 1.0F));
    ggml_cgraph * graph = graph_of({y, as_table});
    set_callback([&](auto backend, auto * src, auto *, auto *) {
        std::fill_n(static_cast<float *>(src->data), kNumbers, -1e6F);
        ggml_backend_synchronize(backend);
        std::fill_n(static_cast<float *>(src->data), kNumbers, 1.0F);
        return false;
    });
    allocate(graph);
    write_floats(x, std::vector<float>(16, 1.0F));
    write_floats(scores, ramp(8));
    compute(graph);
    EXPECT_EQ(read_floats(y)[0], 16.0F);
}

TEST_F(CallbackContract, IsAskedForAViewOfATableAfterWhatItReads) {
    for (const size_t stream : {size_t{0}, kRing}) {
        context_ = make_context();
        weights_context_ = make_context();
        make_rig(stream);
        ggml_tensor * table = ggml_new_tensor_2d(weights(), GGML_TYPE_F32, 4, kRows);
        place_weights();
        write_floats(table, ramp(4 * kRows));
        ggml_tensor * scores = input(kRows, 1);
        ggml_tensor * scaled = on_device(ggml_scale(ctx(), scores, 2.0F));
        ggml_tensor * ids = on_device(ggml_argsort(ctx(), scaled, GGML_SORT_ORDER_DESC));
        ggml_tensor * view = ggml_view_2d(ctx(), table, 4, kRows, table->nb[1], 0);
        ggml_tensor * rows = on_device(ggml_get_rows(ctx(), view, ggml_reshape_1d(ctx(), ids, kRows)));
        ggml_cgraph * graph = graph_of({rows});
        std::vector<int32_t> seen;
        set_callback([&](auto backend, auto *, auto * dst, auto * split) {
            seen = ids_of(backend, dst, split);
            return false;
        });
        allocate(graph);
        write_floats(scores, {7, 6, 5, 4, 3, 2, 1, 0});
        compute(graph);
        EXPECT_EQ(seen, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7})) << "stream " << stream;
        EXPECT_EQ(ggml_backend_sched_get_n_splits(sched()), 2);
    }
}

TEST_F(CallbackContract, IsNotAskedForAWeightWithoutElements) {
    make_rig(kRing);
    ggml_tensor * norm = ggml_new_tensor_1d(weights(), GGML_TYPE_F32, 16);
    ggml_tensor * none = ggml_new_tensor_2d(weights(), GGML_TYPE_F32, 16, 0);
    ggml_set_name(norm, "norm");
    place_weights();
    write_floats(norm, ramp(16));
    ggml_tensor * x = input(16, 2);
    ggml_tensor * y = on_device(ggml_mul(ctx(), x, norm));
    ggml_tensor * nothing = on_device(ggml_scale(ctx(), none, 1.0F));
    ggml_cgraph * graph = graph_of({y, nothing});
    std::string asked;
    set_callback([&](auto, auto * src, auto *, auto *) {
        asked += src->name;
        return false;
    });
    allocate(graph);
    write_floats(x, ramp(32));
    compute(graph);
    EXPECT_EQ(asked, "norm");
    EXPECT_EQ(read_floats(y)[3], 9.0F);
}

TEST_F(CallbackContract, SetLateLeavesParametersAsTheyAre) {
    make_rig(kRing);
    constexpr int64_t kLarge = 32768;
    ggml_tensor * norm = ggml_new_tensor_1d(weights(), GGML_TYPE_F32, kLarge);
    place_weights();
    write_floats(norm, std::vector<float>(kLarge, 2.0F));
    ggml_tensor * x = ggml_new_tensor_1d(ctx(), GGML_TYPE_F32, kLarge);
    ggml_set_param(x); // a node of the graph, but nothing computes it
    ggml_tensor * y = on_device(ggml_mul(ctx(), x, norm));
    ggml_tensor * z = on_device(ggml_add(ctx(), y, x));
    ggml_cgraph * graph = graph_of({z});
    allocate(graph);
    write_floats(x, std::vector<float>(kLarge, 5.0F));
    set_callback([](auto...) { return false; });
    compute(graph);
    EXPECT_EQ(read_floats(z)[kLarge - 1], 15.0F);
}

TEST_F(CallbackContract, TellsOfAReallocationOnceWhenStreamingEnds) {
    for (const size_t memory : {size_t{680} << 10, size_t{760} << 10, size_t{840} << 10}) {
        weights_context_ = make_context();
        make_rig(size_t{512} << 10, memory);
        std::vector<ggml_tensor *> matrices(4);
        for (ggml_tensor *& matrix : matrices) {
            matrix = ggml_new_tensor_2d(weights(), GGML_TYPE_F32, 128, 128);
        }
        place_weights();
        int told = 0;
        ggml_backend_sched_set_realloc_callback(
            sched(), [](auto, auto *, bool, bool, void * n) { ++*static_cast<int *>(n); }, &told);
        for (const int64_t rows : {8, 600}) {
            context_ = make_context();
            ggml_tensor * y = input(128, rows);
            for (ggml_tensor * matrix : matrices) {
                y = on_device(ggml_mul_mat(ctx(), matrix, y));
            }
            told = 0;
            const LogCapture log;
            (void) ggml_backend_sched_alloc_graph(sched(), graph_of({y}));
            EXPECT_LE(told, 1) << memory << " bytes, " << rows << " rows";
            ggml_backend_sched_reset(sched());
        }
    }
}

TEST_F(CallbackContract, UnallocTakesMemoryFromViews) {
    make_rig(0);
    ggml_tensor * own = ggml_new_tensor_2d(weights(), GGML_TYPE_F32, 32, 4);
    BufferPtr buffer(ggml_backend_alloc_ctx_tensors_from_buft(weights(), ggml_backend_cpu_buffer_type()));
    ggml_tensor * view = ggml_view_2d(ctx(), own, 32, 2, own->nb[1], 0);
    ggml_tensor * y = ggml_scale(ctx(), view, 2.0F);
    ggml_cgraph * graph = graph_of({y});
    for (const float value : {1.0F, 2.0F}) {
        on_device(y);
        allocate(graph);
        write_floats(own, std::vector<float>(size_t{32} * 4, value));
        compute(graph);
        EXPECT_EQ(read_floats(y)[0], 2 * value);
        ggml_sched_unalloc_graph(sched());
        EXPECT_EQ(view->buffer, nullptr);
        own->buffer = nullptr; // the caller moves its tensor
        own->data = nullptr;
        BufferPtr other(ggml_backend_alloc_ctx_tensors_from_buft(weights(), ggml_backend_cpu_buffer_type()));
        std::swap(buffer, other);
    }
}

} // namespace
} // namespace ggml_sched::test
