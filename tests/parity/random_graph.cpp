#include "random_graph.h"

#include <string>

#include "ggml-alloc.h"

namespace parity {

namespace {

size_t below(std::mt19937_64 & random, size_t n) {
    return static_cast<size_t>(random() % n);
}

template <typename T> T pick(std::mt19937_64 & random, const std::vector<T> & from) {
    return from[below(random, from.size())];
}

void fill(ggml_tensor * tensor, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<float> data(static_cast<size_t>(ggml_nelements(tensor)));
    for (float & value : data) {
        value = static_cast<float>(static_cast<int>(below(random, 2001)) - 1000) / 2000.0F;
    }
    ggml_backend_tensor_set(tensor, data.data(), 0, ggml_nbytes(tensor));
}

ggml_context * make_context() {
    ggml_init_params params = {};
    params.mem_size = size_t{4} << 20;
    params.no_alloc = true;
    return ggml_init(params);
}

} // namespace

World::World(uint64_t seed, const std::vector<ggml_backend_buffer_type_t> & bufts) {
    std::mt19937_64 random(seed);
    for (ggml_backend_buffer_type_t buft : bufts) {
        places_.push_back({make_context(), nullptr});
        static_cast<void>(buft);
    }
    const auto place = [&] { return places_[below(random, places_.size())].context; };
    for (int i = 0; i < 6; i++) {
        matrices.push_back(make(place(), kWidth, kWidth, 1));
        vectors.push_back(make(place(), kWidth, 1, 1));
    }
    for (int i = 0; i < 4; i++) {
        experts.push_back(make(place(), kWidth, kWidth, kExperts));
        routers.push_back(make(place(), kWidth, kExperts, 1));
    }
    // Caches are no weights, so their memory is apart.
    for (ggml_backend_buffer_type_t buft : bufts) {
        static_cast<void>(buft);
        places_.push_back({make_context(), nullptr});
    }
    for (int i = 0; i < 3; i++) {
        caches.push_back(make(places_[bufts.size() + below(random, bufts.size())].context, kWidth, kCacheRows, 1));
    }
    for (size_t i = 0; i < places_.size(); i++) {
        places_[i].buffer = ggml_backend_alloc_ctx_tensors_from_buft(places_[i].context, bufts[i % bufts.size()]);
        if (places_[i].buffer && i < bufts.size()) {
            ggml_backend_buffer_set_usage(places_[i].buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        }
    }
    for (const auto * weights : {&matrices, &vectors, &experts, &routers}) {
        for (ggml_tensor * tensor : *weights) {
            fill(tensor, random());
        }
    }
    clear_caches();
}

World::~World() {
    for (const Place & place : places_) {
        ggml_backend_buffer_free(place.buffer);
        ggml_free(place.context);
    }
}

ggml_tensor * World::make(ggml_context * context, int64_t ne0, int64_t ne1, int64_t ne2) {
    ggml_tensor * tensor = ggml_new_tensor_3d(context, GGML_TYPE_F32, ne0, ne1, ne2);
    ggml_set_name(tensor, ("w" + std::to_string(n_tensors_++)).c_str());
    return tensor;
}

void World::clear_caches() {
    for (ggml_tensor * cache : caches) {
        fill(cache, 7);
    }
}

RandomGraph::RandomGraph(uint64_t seed, const World & world, int n_nodes, bool in_place)
    : seed_(seed)
    , in_place_(in_place)
    , context_(make_context()) {
    std::mt19937_64 random(seed);
    first_experts_ = below(random, world.experts.size());
    n_tokens_ = 1 + static_cast<int>(below(random, 6));
    graph_ = ggml_new_graph_custom(context_, 2048, false);
    for (int i = 0; i < 3; i++) {
        inputs_.push_back(ggml_new_tensor_2d(context_, GGML_TYPE_F32, World::kWidth, n_tokens_));
        ggml_set_input(inputs_.back());
        ggml_set_name(inputs_.back(), ("input" + std::to_string(i)).c_str());
    }
    values_ = {inputs_[0], inputs_[1]}; // the last one is used by few, or by none
    for (int i = 0; i < n_nodes; i++) {
        ggml_tensor * value = step(random, world);
        ggml_set_name(value, ("v" + std::to_string(i)).c_str());
        values_.push_back(value);
        if (below(random, 12) == 0) {
            values_.push_back(inputs_[2]);
        }
    }
    for (size_t i = 0; i < 3 && i < values_.size(); i++) {
        ggml_tensor * value = i == 0 ? values_.back() : pick(random, values_);
        ggml_tensor * output = ggml_scale(context_, value, 0.5F);
        ggml_set_name(output, ("output" + std::to_string(i)).c_str());
        ggml_set_output(output);
        ggml_build_forward_expand(graph_, output);
        outputs_.push_back(output);
    }
}

RandomGraph::~RandomGraph() {
    ggml_free(context_);
}

// Prefers recent values, as layers do.
ggml_tensor * RandomGraph::step(std::mt19937_64 & random, const World & world) {
    const auto value = [&] {
        const size_t recent = below(random, 3) != 0 ? 3 : values_.size();
        return values_[values_.size() - 1 - below(random, recent < values_.size() ? recent : values_.size())];
    };
    ggml_tensor * x = value();
    switch (below(random, 12)) {
    case 0: return ggml_add(context_, x, value());
    case 1: return ggml_mul(context_, x, pick(random, world.vectors));
    case 2: return ggml_silu(context_, x);
    case 3: return ggml_rms_norm(context_, x, 1e-5F);
    case 4: {
        ggml_tensor * copy = ggml_cont(context_, x);
        return in_place_ ? ggml_scale_inplace(context_, copy, 0.75F) : ggml_scale(context_, copy, 0.75F);
    }
    case 5: {
        ggml_tensor * turned = ggml_cont(context_, ggml_transpose(context_, x));
        return ggml_cont(context_, ggml_transpose(context_, turned));
    }
    case 6: return ggml_soft_max(context_, x);
    case 7: return use_experts(random, world, x);
    case 8: return use_cache(random, world, x);
    default: return ggml_mul_mat(context_, pick(random, world.matrices), ggml_rms_norm(context_, x, 1e-5F));
    }
}

ggml_tensor * RandomGraph::use_experts(std::mt19937_64 & random, const World & world, ggml_tensor * x) {
    // Where only the used experts are copied to a device, ggml's scheduler copies those of the first use.
    const auto next_experts = [&] { return world.experts[(first_experts_ + n_experts_++) % world.experts.size()]; };
    if (n_experts_ + 2 > world.experts.size()) {
        return ggml_mul(context_, x, pick(random, world.vectors));
    }
    ggml_tensor * scores = ggml_mul_mat(context_, pick(random, world.routers), x);
    ggml_tensor * order = ggml_argsort(context_, scores, GGML_SORT_ORDER_DESC);
    ggml_tensor * ids = ggml_view_2d(context_, order, World::kUsedExperts, n_tokens_, order->nb[1], 0);
    ggml_tensor * all = ggml_reshape_3d(context_, ggml_cont(context_, x), World::kWidth, 1, n_tokens_);
    ggml_tensor * up = ggml_mul_mat_id(context_, next_experts(), all, ids);
    ggml_tensor * down = ggml_mul_mat_id(context_, next_experts(), ggml_silu(context_, up), ids);
    ggml_tensor * one = ggml_view_2d(context_, down, World::kWidth, n_tokens_, down->nb[2], 0);
    ggml_tensor * other = ggml_view_2d(context_, down, World::kWidth, n_tokens_, down->nb[2], down->nb[1]);
    return ggml_add(context_, one, other);
}

ggml_tensor * RandomGraph::use_cache(std::mt19937_64 & random, const World & world, ggml_tensor * x) {
    ggml_tensor * cache = pick(random, world.caches);
    const size_t row = below(random, static_cast<size_t>(World::kCacheRows - n_tokens_ + 1));
    ggml_tensor * part = ggml_view_2d(context_, cache, World::kWidth, n_tokens_, cache->nb[1], row * cache->nb[1]);
    ggml_build_forward_expand(graph_, ggml_cpy(context_, x, part));
    ggml_tensor * read = ggml_view_2d(context_, cache, World::kWidth, n_tokens_, cache->nb[1], 0);
    return ggml_add(context_, read, x);
}

std::vector<ggml_tensor *> RandomGraph::nodes() const {
    std::vector<ggml_tensor *> nodes;
    for (int i = 0; i < ggml_graph_n_nodes(graph_); i++) {
        nodes.push_back(ggml_graph_node(graph_, i));
    }
    return nodes;
}

std::vector<std::pair<ggml_tensor *, int>> RandomGraph::wishes(int n_backends) const {
    std::mt19937_64 random(seed_ ^ 0x5bd1e995U);
    std::vector<std::pair<ggml_tensor *, int>> wishes;
    for (ggml_tensor * node : nodes()) {
        const bool may_move = node->op == GGML_OP_ADD || node->op == GGML_OP_RMS_NORM;
        if (may_move && below(random, 16) == 0) {
            wishes.emplace_back(node, static_cast<int>(below(random, static_cast<size_t>(n_backends))));
        }
    }
    return wishes;
}

void RandomGraph::set_inputs(uint64_t seed) const {
    for (size_t i = 0; i < inputs_.size(); i++) {
        if (inputs_[i]->buffer) {
            fill(inputs_[i], seed + i);
        }
    }
}

std::vector<std::vector<char>> RandomGraph::results() const {
    std::vector<std::vector<char>> results;
    for (const ggml_tensor * output : outputs_) {
        results.emplace_back(ggml_nbytes(output));
        ggml_backend_tensor_get(output, results.back().data(), 0, results.back().size());
    }
    return results;
}

} // namespace parity
