// Graphs that differ in sizes are not split again where the record of what was decided by sizes says that it would come
// to the same. If it says so, it must be true.

#include <gtest/gtest.h>

#include <random>

#include "stream/cut_policy.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int64_t kWidth = 16;
constexpr int64_t kMostCells = 64;
constexpr int kLayers = 6;
constexpr size_t kRowBytes = kWidth * sizeof(float);
constexpr size_t kWeightBytes = kWidth * kRowBytes;

// What a graph has beside its sizes: of each layer
struct Layer {
    bool computes_on_host; // in between
    bool by_rows;          // adds to its cache so, else to a part of it
    int n_reads;           // of the cache, behind
    bool adds_late;        // between these
};

struct Sizes {
    int64_t n_tokens;
    int64_t row;                // what is stored by rows: short ones are too many to be found
    std::vector<int64_t> cells; // that each layer reads
};

// Layers with weights and caches in host memory, computed on a device
class Model {
  public:
    explicit Model(std::mt19937 & random)
        : device_(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr))
        , cpu_(ggml_backend_cpu_init()) {
        for (int i = 0; i < kLayers; i++) {
            layers_.push_back(
                {random() % 4 == 0, random() % 2 == 0, 1 + static_cast<int>(random() % 3), random() % 3 == 0});
            weights_.push_back(ggml_new_tensor_2d(weights_context_.get(), GGML_TYPE_F32, kWidth, kWidth));
            caches_.push_back(ggml_new_tensor_2d(caches_context_.get(), GGML_TYPE_F32, kWidth, kMostCells));
        }
        const ggml_backend_buffer_type_t host = ggml_backend_cpu_buffer_type();
        weights_buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(weights_context_.get(), host));
        ggml_backend_buffer_set_usage(weights_buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        caches_buffer_.reset(ggml_backend_alloc_ctx_tensors_from_buft(caches_context_.get(), host));
        for (const BackendPtr * backend : {&device_, &cpu_}) {
            backends_.push_back(host::describe(backend->get(), ggml_backend_get_default_buffer_type(backend->get())));
        }
    }

    const std::vector<host::Backend> & backends() const { return backends_; }

    // Of a graph of these sizes
    void take(const Sizes & sizes, GraphView & view, Assignment & assignment) {
        contexts_.push_back(make_context());
        user_.clear();
        view.build(build(contexts_.back().get(), sizes));
        const Status status = assign(view, backends_, placed_by_user(view, user_), {false, true}, assignment);
        ASSERT_TRUE(status.ok()) << status.message;
    }

  private:
    ggml_tensor * on(BackendId backend, ggml_tensor * node) {
        user_[node] = backend;
        return node;
    }

    ggml_tensor * stored(ggml_context * ctx, size_t i, ggml_tensor * keys, ggml_tensor * ids, int64_t row) {
        ggml_tensor * cache = caches_[i];
        if (!layers_[i].by_rows) {
            return on(1, ggml_cpy(ctx, keys, ggml_view_2d(ctx, cache, kWidth, keys->ne[1], kRowBytes, 0)));
        }
        ggml_tensor * rows = ggml_view_2d(ctx, cache, row, ggml_nelements(cache) / row, row * sizeof(float), 0);
        return on(1, ggml_set_rows(ctx, rows, ggml_reshape_2d(ctx, keys, row, ggml_nelements(keys) / row), ids));
    }

    ggml_cgraph * build(ggml_context * ctx, const Sizes & sizes) {
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_tensor * x = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, sizes.n_tokens);
        ggml_tensor * ids = ggml_new_tensor_1d(ctx, GGML_TYPE_I64, sizes.n_tokens * kWidth / sizes.row);
        for (ggml_tensor * input : {x, ids}) {
            ggml_set_input(input);
        }
        for (size_t i = 0; i < layers_.size(); i++) {
            const Layer & layer = layers_[i];
            ggml_tensor * keys = on(0, ggml_mul_mat(ctx, weights_[i], x));
            ggml_build_forward_expand(graph, stored(ctx, i, keys, ids, sizes.row));
            for (int read = 0; read < layer.n_reads; read++) {
                if (layer.adds_late && read > 0) {
                    ggml_build_forward_expand(graph, stored(ctx, i, keys, ids, sizes.row));
                }
                ggml_tensor * cells = ggml_view_2d(ctx, caches_[i], kWidth, sizes.cells[i], kRowBytes, 0);
                ggml_tensor * scores = on(0, ggml_mul_mat(ctx, cells, x));
                x = on(0, ggml_add(ctx, x, on(0, ggml_sum_rows(ctx, scores))));
            }
            if (layer.computes_on_host) {
                x = on(1, ggml_add(ctx, x, x));
            }
            ggml_build_forward_expand(graph, x);
        }
        return graph;
    }

    BackendPtr device_;
    BackendPtr cpu_;
    ContextPtr weights_context_ = make_context();
    ContextPtr caches_context_ = make_context();
    std::vector<Layer> layers_;
    std::vector<ggml_tensor *> weights_;
    std::vector<ggml_tensor *> caches_;
    BufferPtr weights_buffer_;
    BufferPtr caches_buffer_;
    std::vector<host::Backend> backends_;
    UserAssignments user_;
    std::vector<ContextPtr> contexts_;
};

Sizes random_sizes(std::mt19937 & random) {
    Sizes sizes = {1 + static_cast<int64_t>(random() % 8), random() % 4 == 0 ? 4 : kWidth, {}};
    const auto common = static_cast<int64_t>(random() % kMostCells) + 1;
    const bool all_alike = random() % 2 == 0;
    for (int i = 0; i < kLayers; i++) {
        sizes.cells.push_back(all_alike ? common : 1 + static_cast<int64_t>(random() % kMostCells));
    }
    return sizes;
}

struct StreamedSplits {
    Splits splits;
    StreamedInputs streamed;

    StreamedSplits(const GraphView & view, const std::vector<host::Backend> & backends, const Assignment & assignment,
                   const StreamLimits & limits) {
        StreamCuts cuts(view, backends, assignment, limits, false);
        splits = split(view, backends, assignment, false, cuts);
        streamed = cuts.take();
    }
    bool hold_for(const GraphView & view, const std::vector<host::Backend> & backends) const {
        return streamed.decisions.hold_for(view, backends, streamed.cache_writes);
    }
};

TEST(SizeDecisions, ThatHoldForOtherSizesMeanTheSameSplits) {
    int n_held = 0;
    int n_alike = 0;
    int n_pairs = 0;
    for (uint32_t seed = 1; seed <= 150; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        Model model(random);
        const StreamLimits limits = {
            {(1 + random() % 6) * kWeightBytes, (2 + random() % 8) * kWeightBytes, 0, (random() % 3) * 8 * kRowBytes},
            {}};
        for (int i = 0; i < 10; i++, n_pairs++) {
            GraphView first;
            GraphView other;
            Assignment assignment;
            model.take(random_sizes(random), first, assignment);
            const StreamedSplits first_splits(first, model.backends(), assignment, limits);
            model.take(random_sizes(random), other, assignment);
            const bool held = first_splits.hold_for(other, model.backends());
            const StreamedSplits other_splits(other, model.backends(), assignment, limits);
            const bool alike = are_alike(first_splits.splits, other_splits.splits) &&
                               first_splits.streamed.cache_writes == other_splits.streamed.cache_writes;
            EXPECT_TRUE(alike || !held);
            EXPECT_TRUE(first_splits.hold_for(first, model.backends()));
            n_held += held ? 1 : 0;
            n_alike += alike ? 1 : 0;
        }
    }
    std::printf("%d of %d alike, known to be so for %d\n", n_alike, n_pairs, n_held);
    EXPECT_GE(n_held, 100);
    EXPECT_GE(n_pairs - n_alike, 100);
}

} // namespace
} // namespace ggml_sched::test
