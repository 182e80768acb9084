#include "bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

namespace bench {

namespace {

// Fills a contiguous tensor, whatever its type, from floats.
void fill(ggml_tensor * t, const std::vector<float> & values) {
    switch (t->type) {
    case GGML_TYPE_F32: std::memcpy(t->data, values.data(), values.size() * sizeof(float)); break;
    case GGML_TYPE_I32:
    case GGML_TYPE_I64:
        for (size_t i = 0; i < values.size(); ++i) {
            const int64_t wide = static_cast<int64_t>(values[i] * 1e6f);
            const int32_t narrow = static_cast<int32_t>(wide);
            char * p = static_cast<char *>(t->data) + i * ggml_type_size(t->type);
            t->type == GGML_TYPE_I32 ? std::memcpy(p, &narrow, sizeof(narrow)) : std::memcpy(p, &wide, sizeof(wide));
        }
        break;
    default: {
        const int64_t n = static_cast<int64_t>(values.size());
        ggml_quantize_chunk(t->type, values.data(), t->data, 0, n / t->ne[0], t->ne[0], nullptr);
        break;
    }
    }
}

using Snapshot = std::map<const ggml_tensor *, std::vector<uint8_t>>;

// The memory of every tensor that owns some
Snapshot take_snapshot(ggml_context * ctx) {
    Snapshot snapshot;
    for (ggml_tensor * t = ggml_get_first_tensor(ctx); t != nullptr; t = ggml_get_next_tensor(ctx, t)) {
        if (t->view_src == nullptr) {
            const auto * p = static_cast<const uint8_t *>(t->data);
            snapshot[t].assign(p, p + ggml_nbytes(t));
        }
    }
    return snapshot;
}

// Replaces the bytes of node's elements in the snapshot by what they are now.
void accept_elements(Snapshot & snapshot, const ggml_tensor * node) {
    const ggml_tensor * root = node->view_src != nullptr ? node->view_src : node;
    const auto * root_data = static_cast<const uint8_t *>(root->data);
    const size_t size = ggml_type_size(node->type);
    Index blocks = {node->ne[0] / ggml_blck_size(node->type), node->ne[1], node->ne[2], node->ne[3]};
    reference::for_each_index(blocks, [&](const Index & i) {
        const uint8_t * p = static_cast<const uint8_t *>(node->data);
        for (size_t d = 0; d < 4; ++d) {
            p += static_cast<size_t>(i[d]) * node->nb[d];
        }
        std::memcpy(snapshot[root].data() + (p - root_data), p, size);
    });
}

void capture(ggml_log_level, const char * text, void * user_data) {
    *static_cast<std::string *>(user_data) += text;
}

} // namespace

Tolerance tolerance_of(ggml_type result) {
    // Inputs are in [-2, 2]; a result of F32 may be a sum of a few hundred products. Of the quantized types it is the
    // step between two values: 2/127 and 2/8, halved by rounding except at Q4_0's missing +8.
    switch (result) {
    case GGML_TYPE_F32: return {2e-5, 5e-6};
    case GGML_TYPE_F16: return {1e-5, 6e-4};
    case GGML_TYPE_BF16: return {1e-5, 4.1e-3};
    case GGML_TYPE_Q8_0: return {0.009, 0};
    case GGML_TYPE_Q4_0: return {0.26, 0};
    default: return {0, 0}; // integers
    }
}

Bench::Bench(uint32_t seed, int n_threads, size_t mem_size)
    : random_(seed)
    , ctx_(ggml_init({mem_size, nullptr, false}))
    , backend_(ggml_backend_cpu_init()) {
    ::testing::Test::RecordProperty("seed", static_cast<int>(seed));
    ggml_backend_cpu_set_n_threads(backend(), n_threads);
}

ggml_tensor * Bench::random(ggml_type type, const Index & shape, Layout layout) {
    Index stored = shape;
    const int64_t block = ggml_blck_size(type);
    switch (layout) {
    case Layout::Contiguous: break;
    case Layout::GapsBetweenRows: stored[0] += 2 * block; break;
    case Layout::SwappedPlanes: std::swap(stored[1], stored[2]); break;
    case Layout::Transposed: std::swap(stored[0], stored[1]); break;
    }
    ggml_tensor * t = ggml_new_tensor(ctx(), type, 4, stored.data());
    std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
    std::vector<float> values(static_cast<size_t>(ggml_nelements(t)));
    for (float & v : values) {
        v = uniform(random_);
    }
    if (!values.empty()) {
        fill(t, values);
    }
    switch (layout) {
    case Layout::Contiguous: return t;
    case Layout::GapsBetweenRows:
        return ggml_view_4d(ctx(), t, shape[0], shape[1], shape[2], shape[3], t->nb[1], t->nb[2], t->nb[3],
                            ggml_type_size(type));
    case Layout::SwappedPlanes: return ggml_permute(ctx(), t, 0, 2, 1, 3);
    case Layout::Transposed: return ggml_permute(ctx(), t, 1, 0, 2, 3);
    }
    return nullptr;
}

ggml_tensor * Bench::random_indices(const Index & shape, int64_t limit, ggml_type type) {
    ggml_tensor * t = ggml_new_tensor(ctx(), type, 4, shape.data());
    for (int64_t i = 0; i < ggml_nelements(t); ++i) {
        const int value = random_int(0, static_cast<int>(limit) - 1);
        if (type == GGML_TYPE_I32) {
            static_cast<int32_t *>(t->data)[i] = value;
        } else {
            static_cast<int64_t *>(t->data)[i] = value;
        }
    }
    return t;
}

ggml_tensor * Bench::indices(const std::vector<int32_t> & values) {
    ggml_tensor * t = ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), static_cast<int32_t *>(t->data));
    return t;
}

int Bench::random_int(int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random_);
}

ggml_status Bench::compute(ggml_tensor * node) {
    ggml_cgraph * graph = ggml_new_graph_custom(ctx(), 64, false);
    if (graph == nullptr || node == nullptr) {
        ADD_FAILURE() << "the node or its graph could not be built";
        return GGML_STATUS_FAILED;
    }
    ggml_build_forward_expand(graph, node);
    return ggml_backend_graph_compute(backend(), graph);
}

void Bench::check(ggml_tensor * node) {
    ASSERT_NE(node, nullptr);
    SCOPED_TRACE(describe(node));
    ASSERT_TRUE(ggml_backend_supports_op(backend(), node));
    const reference::Array expected = reference::evaluate(node);
    Snapshot before = take_snapshot(ctx());
    ASSERT_EQ(compute(node), GGML_STATUS_SUCCESS);

    const reference::Array actual = reference::decode(node);
    const Tolerance tolerance = tolerance_of(node->type);
    for (size_t i = 0; i < expected.values.size(); ++i) {
        const double limit = tolerance.absolute + tolerance.relative * std::abs(expected.values[i]);
        ASSERT_LE(std::abs(actual.values[i] - expected.values[i]), limit)
            << "element " << i << ": " << actual.values[i] << " instead of " << expected.values[i];
    }
    accept_elements(before, node);
    for (const auto & [tensor, bytes] : take_snapshot(ctx())) {
        ASSERT_EQ(bytes, before[tensor]) << "bytes outside the result changed";
    }
}

std::vector<uint8_t> bytes_of(const ggml_tensor * t) {
    const auto * p = static_cast<const uint8_t *>(t->data);
    return {p, p + ggml_nbytes(t)};
}

std::string describe(const ggml_tensor * node) {
    const auto one = [](const ggml_tensor * t) {
        std::string text = std::string(ggml_type_name(t->type)) + "[";
        for (int d = 0; d < 4; ++d) {
            text += std::to_string(t->ne[d]) + ":" + std::to_string(t->nb[d]) + (d < 3 ? "," : "]");
        }
        return text;
    };
    std::string text = std::string(ggml_op_desc(node)) + " " + one(node) + " <-";
    for (const ggml_tensor * src : node->src) {
        text += src != nullptr ? " " + one(src) : "";
    }
    return text;
}

LogCapture::LogCapture() {
    ggml_log_set(capture, &text);
}

LogCapture::~LogCapture() {
    ggml_log_set(nullptr, nullptr);
}

} // namespace bench
