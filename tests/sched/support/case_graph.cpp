#include "support/case_graph.h"

#include <random>

namespace ggml_sched::test {

namespace {

size_t max_tensors(const GraphSpec & spec) {
    return 8 * spec.nodes.size() + 64;
}

class Builder {
  public:
    Builder(const GraphSpec & spec, const Persistent & persistent, GraphMemory * memory)
        : spec_(spec)
        , persistent_(persistent) {
        const size_t bytes = memory ? memory->size() : graph_memory_size(spec);
        built_.context = ContextPtr(ggml_init({bytes, memory ? memory->data() : nullptr, true}));
        built_.graph = ggml_new_graph_custom(ctx(), max_tensors(spec), false);
    }

    BuiltGraph run() {
        for (size_t i = 0; i < spec_.inputs.size(); i++) {
            ggml_tensor * input = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, kWidth, kRows);
            ggml_format_name(input, "input%zu", i);
            ggml_set_input(input);
            place(input, spec_.inputs[i]);
            built_.inputs.push_back(input);
        }
        built_.rows = ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, kRows);
        ggml_set_name(built_.rows, "rows");
        ggml_set_input(built_.rows);
        values_ = built_.inputs;
        for (const NodeSpec & node : spec_.nodes) {
            add(node);
        }
        return std::move(built_);
    }

  private:
    ggml_context * ctx() { return built_.context.get(); }

    void place(ggml_tensor * tensor, int where) {
        if (where != kAnywhere) {
            built_.placed.emplace_back(tensor, where);
        }
    }

    void add(const NodeSpec & node) {
        ggml_tensor * value = make(node);
        ggml_format_name(value, "value%zu", values_.size() - spec_.inputs.size());
        values_.push_back(value);
        if (node.output) {
            ggml_set_output(value);
            built_.outputs.push_back(value);
        }
        place(value, node.place);
        // In the order of the description: readers before a value is overwritten stay before.
        ggml_build_forward_expand(built_.graph, value);
    }

    ggml_tensor * make(const NodeSpec & node) {
        ggml_tensor * a = values_[node.a];
        ggml_tensor * b = values_[node.b];
        switch (node.op) {
        case Op::Scale: return ggml_scale(ctx(), a, 0.75f);
        case Op::Add: return ggml_add(ctx(), a, b);
        case Op::AddRow: return ggml_add(ctx(), a, rows_of(b, 1, node.extra));
        case Op::Mul: return normalized(ggml_mul(ctx(), a, b));
        case Op::Norm: return normalized(a);
        case Op::SoftMax: return ggml_soft_max(ctx(), a);
        case Op::Silu: return ggml_silu(ctx(), a);
        case Op::View: return rows_of(a, kRows, 0);
        case Op::Transposed: return ggml_reshape_2d(ctx(), ggml_cont(ctx(), ggml_transpose(ctx(), a)), kWidth, kRows);
        case Op::InPlace: return ggml_add_inplace(ctx(), a, b);
        case Op::MatMul: return normalized(ggml_mul_mat(ctx(), weight(node), a));
        case Op::Lookup: return ggml_add(ctx(), b, ggml_get_rows(ctx(), weight(node), ggml_argmax(ctx(), a)));
        case Op::Load: return ggml_add(ctx(), a, ggml_scale(ctx(), part_of_cache(node), 0.5f));
        case Op::StoreCopy: return stored(ggml_cpy(ctx(), a, part_of_cache(node)));
        case Op::StoreRows: return stored(ggml_set_rows(ctx(), cache(node), a, built_.rows));
        case Op::Count: break;
        }
        return nullptr;
    }

    ggml_tensor * weight(const NodeSpec & node) const { return persistent_.weights[node.extra]; }
    ggml_tensor * cache(const NodeSpec & node) const { return persistent_.caches[node.extra % kCaches]; }
    ggml_tensor * part_of_cache(const NodeSpec & node) {
        return rows_of(cache(node), kRows, int64_t{node.extra / kCaches} * kRows);
    }
    ggml_tensor * normalized(ggml_tensor * a) { return ggml_rms_norm(ctx(), a, 1e-3f); }

    ggml_tensor * rows_of(ggml_tensor * a, int64_t n, int64_t first) {
        return ggml_view_2d(ctx(), a, kWidth, n, a->nb[1], static_cast<size_t>(first) * a->nb[1]);
    }

    // What was stored, as a value
    ggml_tensor * stored(ggml_tensor * store) {
        ggml_build_forward_expand(built_.graph, store);
        return ggml_scale(ctx(), rows_of(store, kRows, 0), 0.5f);
    }

    const GraphSpec & spec_;
    const Persistent & persistent_;
    BuiltGraph built_;
    std::vector<ggml_tensor *> values_;
};

} // namespace

Persistent make_persistent(const std::vector<ggml_backend_t> & places, uint64_t seed,
                           ggml_backend_buffer_type_t cpu_weights) {
    Persistent result;
    result.context = make_context(64);
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (int i = 0; i < kWeights + kCaches; i++) {
        const bool is_weight = i < kWeights;
        ggml_tensor * tensor =
            ggml_new_tensor_2d(result.context.get(), GGML_TYPE_F32, kWidth, is_weight ? kWidth : kCacheRows);
        ggml_format_name(tensor, "%s%d", is_weight ? "weight" : "cache", is_weight ? i : i - kWeights);
        const bool is_chosen = is_weight && cpu_weights && ggml_backend_is_cpu(places[i]);
        result.buffers.emplace_back(ggml_backend_buft_alloc_buffer(
            is_chosen ? cpu_weights : ggml_backend_get_default_buffer_type(places[i]), ggml_nbytes(tensor)));
        ggml_backend_buffer_t buffer = result.buffers.back().get();
        if (is_weight) {
            ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        }
        if (ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)) != GGML_STATUS_SUCCESS) {
            return {};
        }
        std::vector<float> values(ggml_nelements(tensor));
        for (float & value : values) {
            value = is_weight ? uniform(random) : 0.0f;
        }
        write_floats(tensor, values);
        (is_weight ? result.weights : result.caches).push_back(tensor);
    }
    return result;
}

size_t graph_memory_size(const GraphSpec & spec) {
    const size_t n = max_tensors(spec);
    return n * ggml_tensor_overhead() + ggml_graph_overhead_custom(n, false);
}

BuiltGraph build(const GraphSpec & spec, const Persistent & persistent, GraphMemory * memory) {
    return Builder(spec, persistent, memory).run();
}

} // namespace ggml_sched::test
