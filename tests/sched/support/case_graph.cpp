#include "support/case_graph.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

namespace ggml_sched::test {

namespace {

size_t max_tensors(const GraphSpec & spec) {
    return 8 * spec.nodes.size() + 64;
}

class Builder {
  public:
    Builder(const GraphSpec & spec, const Persistent & persistent, GraphMemory * memory)
        : spec_(spec)
        , rows_(spec.rows)
        , persistent_(persistent) {
        const size_t bytes = memory ? memory->size() : graph_memory_size(spec);
        built_.context = ContextPtr(ggml_init({bytes, memory ? memory->data() : nullptr, true}));
        built_.graph = ggml_new_graph_custom(ctx(), max_tensors(spec), false);
    }

    BuiltGraph run() {
        for (size_t i = 0; i < spec_.inputs.size(); i++) {
            ggml_tensor * input = ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, kWidth, rows_);
            ggml_format_name(input, "input%zu", i);
            ggml_set_input(input);
            place(input, spec_.inputs[i]);
            built_.inputs.push_back(input);
        }
        built_.rows = new_ids("rows");
        built_.ids = new_ids("ids");
        values_ = built_.inputs;
        for (const NodeSpec & node : spec_.nodes) {
            add(node);
        }
        return std::move(built_);
    }

  private:
    ggml_context * ctx() { return built_.context.get(); }

    ggml_tensor * new_ids(const char * name) {
        ggml_tensor * ids = ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, rows_);
        ggml_set_name(ids, name);
        ggml_set_input(ids);
        return ids;
    }

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
        case Op::AddRow: return ggml_add(ctx(), a, rows_of(b, 1, node.extra % rows_));
        case Op::Mul: return normalized(ggml_mul(ctx(), a, b));
        case Op::Norm: return normalized(a);
        case Op::SoftMax: return ggml_soft_max(ctx(), a);
        case Op::Silu: return ggml_silu(ctx(), a);
        case Op::View: return rows_of(a, rows_, 0);
        case Op::Transposed: return ggml_reshape_2d(ctx(), ggml_cont(ctx(), ggml_transpose(ctx(), a)), kWidth, rows_);
        case Op::InPlace: return ggml_add_inplace(ctx(), a, b);
        case Op::MatMul: return normalized(ggml_mul_mat(ctx(), weight(node), a));
        case Op::Lookup: return ggml_add(ctx(), b, rows_of_weight(node, a));
        case Op::Load: return ggml_add(ctx(), a, ggml_scale(ctx(), part_of_cache(node), 0.5f));
        case Op::StoreCopy: return stored(ggml_cpy(ctx(), a, part_of_cache(node)));
        case Op::StoreRows: return stored(ggml_set_rows(ctx(), cache(node), a, built_.rows));
        case Op::Experts: return normalized(experts(node, a, b));
        case Op::StoreIds: return ids_stored(node, a, b);
        case Op::LoadAll: return ggml_add(ctx(), a, rows_of_cache(node));
        case Op::Count: break;
        }
        return nullptr;
    }

    ggml_tensor * experts(const NodeSpec & node, ggml_tensor * a, ggml_tensor * b) {
        const ExpertsUse use = ExpertsUse::of(node.extra);
        const int64_t n_used = use.is_small ? 2 : 1;
        ggml_tensor * tokens = ggml_reshape_3d(ctx(), a, kWidth, n_used, rows_ / n_used);
        ggml_tensor * product =
            ggml_mul_mat_id(ctx(), persistent_.experts[use.weight], tokens, ids(use.ids, n_used, b));
        place(product, node.place);
        return ggml_reshape_2d(ctx(), product, kWidth, rows_);
    }

    ggml_tensor * ids_stored(const NodeSpec & node, ggml_tensor * a, ggml_tensor * b) {
        ggml_tensor * fresh = ids(static_cast<IdsFrom>(node.extra), 1, b);
        ggml_tensor * store = stored_ids(1);
        ggml_build_forward_expand(built_.graph, ggml_cpy(ctx(), fresh, store));
        return ggml_scale(ctx(), a, 0.5f);
    }

    // [n_used, tokens]. Whoever asks again gets the same tensor.
    ggml_tensor * ids(IdsFrom from, int64_t n_used, ggml_tensor * b) {
        const auto [known, is_new] = ids_.insert({{from, n_used, from == IdsFrom::Router ? b : nullptr}, nullptr});
        if (is_new) {
            known->second = make_ids(from, n_used, b);
        }
        return known->second;
    }

    ggml_tensor * make_ids(IdsFrom from, int64_t n_used, ggml_tensor * b) {
        const int64_t n_tokens = rows_ / n_used;
        switch (from) {
        case IdsFrom::Copy: return ggml_cont(ctx(), ids(IdsFrom::Caller, n_used, b));
        case IdsFrom::Router: {
            ggml_tensor * order = ggml_argsort(ctx(), rows_of(b, n_tokens, 0), GGML_SORT_ORDER_DESC);
            return ggml_view_2d(ctx(), order, n_used, n_tokens, order->nb[1], 0);
        }
        case IdsFrom::Store: return stored_ids(n_used);
        default: return ggml_reshape_2d(ctx(), built_.ids, n_used, n_tokens);
        }
    }

    // As many of them as a value has rows
    ggml_tensor * stored_ids(int64_t n_used) {
        ggml_tensor * all = persistent_.stored_ids;
        return rows_ == kRows ? ggml_reshape_2d(ctx(), all, n_used, rows_ / n_used)
                              : ggml_view_2d(ctx(), all, n_used, rows_ / n_used, n_used * all->nb[0], 0);
    }

    ggml_tensor * weight(const NodeSpec & node) const { return persistent_.weights[node.extra]; }
    ggml_tensor * cache(const NodeSpec & node) const { return persistent_.caches[node.extra % kCaches]; }
    ggml_tensor * part_of_cache(const NodeSpec & node) {
        return rows_of(cache(node), rows_, int64_t{node.extra / kCaches} * kRows);
    }
    ggml_tensor * rows_of_weight(const NodeSpec & node, ggml_tensor * a) {
        ggml_tensor * rows = ggml_get_rows(ctx(), weight(node), ggml_argmax(ctx(), a));
        place(rows, node.place);
        return rows;
    }
    ggml_tensor * rows_of_cache(const NodeSpec & node) {
        const int64_t n = rows_ * kCacheParts; // all that is in use
        ggml_tensor * used = n == kCacheRows ? cache(node) : rows_of(cache(node), n, 0);
        ggml_tensor * rows = ggml_get_rows(ctx(), used, built_.rows);
        place(rows, node.place);
        return rows;
    }
    ggml_tensor * normalized(ggml_tensor * a) { return ggml_rms_norm(ctx(), a, 1e-3f); }

    ggml_tensor * rows_of(ggml_tensor * a, int64_t n, int64_t first) {
        return ggml_view_2d(ctx(), a, kWidth, n, a->nb[1], static_cast<size_t>(first) * a->nb[1]);
    }

    // What was stored, as a value
    ggml_tensor * stored(ggml_tensor * store) {
        ggml_build_forward_expand(built_.graph, store);
        return ggml_scale(ctx(), rows_of(store, rows_, 0), 0.5f);
    }

    const GraphSpec & spec_;
    const int64_t rows_;
    const Persistent & persistent_;
    BuiltGraph built_;
    std::vector<ggml_tensor *> values_;
    std::map<std::tuple<IdsFrom, int64_t, ggml_tensor *>, ggml_tensor *> ids_; // by source, width, and router's value
};

} // namespace

namespace {

class PersistentMaker {
  public:
    PersistentMaker(uint64_t seed, ggml_backend_buffer_type_t cpu_weights)
        : random_(seed)
        , cpu_weights_(cpu_weights) {
        result_.context = make_context(64);
    }

    Persistent make(const PersistentPlaces & places) {
        add("weight", places.weights, kWidth, 1, true, result_.weights);
        add("cache", places.caches, kCacheRows, 1, false, result_.caches);
        add("experts", places.experts, kWidth, kExperts, true, result_.experts);
        result_.stored_ids = ggml_new_tensor_1d(result_.context.get(), GGML_TYPE_I32, kRows);
        ggml_set_name(result_.stored_ids, "stored_ids");
        put(result_.stored_ids, ggml_backend_get_default_buffer_type(places.stored_ids));
        const std::vector<int32_t> first(kRows, 0);
        ggml_backend_tensor_set(result_.stored_ids, first.data(), 0, first.size() * sizeof(int32_t));
        return std::move(result_);
    }

  private:
    void add(const char * name, const std::vector<ggml_backend_t> & places, int64_t n_rows, int64_t n, bool is_weight,
             std::vector<ggml_tensor *> & tensors) {
        for (ggml_backend_t place : places) {
            ggml_tensor * tensor = ggml_new_tensor_3d(result_.context.get(), GGML_TYPE_F32, kWidth, n_rows, n);
            ggml_format_name(tensor, "%s%zu", name, tensors.size());
            const bool is_chosen = cpu_weights_ && ggml_backend_is_cpu(place);
            put(tensor, is_chosen ? cpu_weights_ : ggml_backend_get_default_buffer_type(place));
            if (is_weight) {
                ggml_backend_buffer_set_usage(tensor->buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
            }
            std::vector<float> values(ggml_nelements(tensor));
            for (float & value : values) {
                value = is_weight ? uniform_(random_) : 0.0f;
            }
            write_floats(tensor, values);
            tensors.push_back(tensor);
        }
    }

    void put(ggml_tensor * tensor, ggml_backend_buffer_type_t buft) {
        result_.buffers.emplace_back(ggml_backend_buft_alloc_buffer(buft, ggml_nbytes(tensor)));
        ggml_backend_buffer_t buffer = result_.buffers.back().get();
        EXPECT_EQ(ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)), GGML_STATUS_SUCCESS);
    }

    std::mt19937_64 random_;
    std::uniform_real_distribution<float> uniform_{-1.0f, 1.0f};
    ggml_backend_buffer_type_t cpu_weights_;
    Persistent result_;
};

} // namespace

Persistent make_persistent(const PersistentPlaces & places, uint64_t seed, ggml_backend_buffer_type_t cpu_weights) {
    return PersistentMaker(seed, cpu_weights).make(places);
}

size_t graph_memory_size(const GraphSpec & spec) {
    const size_t n = max_tensors(spec);
    return n * ggml_tensor_overhead() + ggml_graph_overhead_custom(n, false);
}

BuiltGraph build(const GraphSpec & spec, const Persistent & persistent, GraphMemory * memory) {
    return Builder(spec, persistent, memory).run();
}

} // namespace ggml_sched::test
