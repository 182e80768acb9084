#include "support/random_graph.h"

namespace ggml_sched::test {

Recipe random_recipe(Random & random, int max_items, int n_backends, int n_weights, int n_caches) {
    Recipe recipe;
    recipe.n_inputs = 1 + pick(random, 3);
    const int n_items = 3 + pick(random, max_items - 2);
    std::vector<int> usable; // values that no in-place operation has overwritten
    for (int i = 0; i < recipe.n_inputs; i++) {
        usable.push_back(i);
    }
    // Neighbours tend to share a backend, as layers do.
    int backend = pick(random, n_backends);
    for (int i = 0; i < n_items; i++) {
        if (pick(random, 4) == 0) {
            backend = pick(random, n_backends);
        }
        Recipe::Item item;
        item.kind = static_cast<Kind>(pick(random, static_cast<int>(Kind::Count)));
        const size_t index = pick(random, static_cast<int>(usable.size()));
        item.a = usable[index];
        item.b = usable[pick(random, static_cast<int>(usable.size()))];
        const bool is_result = item.a >= recipe.n_inputs;
        if (item.kind == Kind::InPlace &&
            (!is_result || recipe.items[item.a - recipe.n_inputs].output || item.a == item.b)) {
            item.kind = Kind::Scale;
        }
        const bool uses_cache = item.kind == Kind::StoreRows || item.kind == Kind::StoreCopy || item.kind == Kind::Load;
        item.extra = pick(random, uses_cache ? n_caches : n_weights);
        item.backend = uses_cache || pick(random, 3) == 0 ? -1 : backend;
        item.output = item.kind != Kind::StoreRows && item.kind != Kind::StoreCopy && pick(random, 6) == 0;
        recipe.items.push_back(item);
        if (item.kind == Kind::InPlace) {
            usable.erase(usable.begin() + static_cast<std::ptrdiff_t>(index));
        }
        usable.push_back(recipe.n_inputs + i);
    }
    recipe.items.back().output = true;
    return recipe;
}

namespace {

class Builder {
  public:
    Builder(const Recipe & recipe, const Persistent & persistent)
        : recipe_(recipe)
        , persistent_(persistent) {
        built_.context = make_context(16 * recipe.items.size() + 64);
        built_.graph = ggml_new_graph_custom(ctx(), 8 * recipe.items.size() + 64, false);
    }

    BuiltGraph run() {
        for (int i = 0; i < recipe_.n_inputs; i++) {
            built_.inputs.push_back(ggml_new_tensor_2d(ctx(), GGML_TYPE_F32, kWidth, kRows));
            ggml_format_name(built_.inputs.back(), "input%d", i);
            ggml_set_input(built_.inputs.back());
        }
        built_.rows = ggml_new_tensor_1d(ctx(), GGML_TYPE_I32, kRows);
        ggml_set_name(built_.rows, "rows");
        ggml_set_input(built_.rows);
        values_ = built_.inputs;
        for (size_t i = 0; i < recipe_.items.size(); i++) {
            add(recipe_.items[i], static_cast<int>(i));
        }
        return std::move(built_);
    }

  private:
    ggml_context * ctx() { return built_.context.get(); }

    void add(const Recipe::Item & item, int index) {
        ggml_tensor * value = make(item);
        ggml_format_name(value, "value%d", index);
        values_.push_back(value);
        if (item.output) {
            ggml_set_output(value);
            built_.outputs.push_back(value);
        }
        if (item.backend >= 0) {
            built_.placed.emplace_back(value, item.backend);
        }
        // In the order of the recipe: readers before a value is overwritten stay before.
        ggml_build_forward_expand(built_.graph, value);
    }

    ggml_tensor * make(const Recipe::Item & item) {
        ggml_tensor * a = values_[item.a];
        ggml_tensor * b = values_[item.b];
        ggml_tensor * weight =
            item.extra < static_cast<int>(persistent_.weights.size()) ? persistent_.weights[item.extra] : nullptr;
        switch (item.kind) {
        case Kind::Add: return ggml_add(ctx(), a, b);
        case Kind::Mul: return ggml_rms_norm(ctx(), ggml_mul(ctx(), a, b), 1e-3f);
        case Kind::AddRow: return ggml_add(ctx(), a, row_of(b, item.extra % kRows));
        case Kind::Scale: return ggml_scale(ctx(), a, 0.75f);
        case Kind::Norm: return ggml_rms_norm(ctx(), a, 1e-3f);
        case Kind::SoftMax: return ggml_soft_max(ctx(), a);
        case Kind::Silu: return ggml_silu(ctx(), a);
        case Kind::MatMul: return ggml_rms_norm(ctx(), ggml_mul_mat(ctx(), weight, a), 1e-3f);
        case Kind::Transposed: return ggml_reshape_2d(ctx(), ggml_cont(ctx(), ggml_transpose(ctx(), a)), kWidth, kRows);
        case Kind::InPlace: return ggml_add_inplace(ctx(), a, b);
        case Kind::Lookup: return ggml_add(ctx(), b, ggml_get_rows(ctx(), weight, ggml_argmax(ctx(), a)));
        case Kind::StoreRows: return keep(ggml_set_rows(ctx(), persistent_.caches[item.extra], a, built_.rows));
        case Kind::StoreCopy: return keep(ggml_cpy(ctx(), a, window(item.extra, item.b % 3)));
        case Kind::Load: return ggml_add(ctx(), a, ggml_scale(ctx(), window(item.extra, item.b % 3), 0.5f));
        case Kind::Count: break;
        }
        return nullptr;
    }

    static ggml_tensor * row(ggml_context * ctx, ggml_tensor * a, int64_t index) {
        return ggml_view_2d(ctx, a, kWidth, 1, a->nb[1], static_cast<size_t>(index) * a->nb[1]);
    }
    ggml_tensor * row_of(ggml_tensor * a, int64_t index) { return row(ctx(), a, index); }

    ggml_tensor * window(int cache, int part) {
        ggml_tensor * c = persistent_.caches[cache];
        return ggml_view_2d(ctx(), c, kWidth, kRows, c->nb[1], static_cast<size_t>(part) * kRows * c->nb[1]);
    }

    // What was stored, as a value
    ggml_tensor * keep(ggml_tensor * stored) {
        ggml_build_forward_expand(built_.graph, stored);
        ggml_tensor * part = ggml_view_2d(ctx(), stored, kWidth, kRows, stored->nb[1], 0);
        return ggml_scale(ctx(), part, 0.5f);
    }

    const Recipe & recipe_;
    const Persistent & persistent_;
    BuiltGraph built_;
    std::vector<ggml_tensor *> values_;
};

} // namespace

BuiltGraph build(const Recipe & recipe, const Persistent & persistent) {
    return Builder(recipe, persistent).run();
}

} // namespace ggml_sched::test
