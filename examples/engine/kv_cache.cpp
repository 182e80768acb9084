#include "kv_cache.h"

namespace engine {

Result<KvCache> KvCache::create(const Model & model, const DeviceSet & devices, int n_ctx, ggml_type type) {
    const Hparams & h = model.hparams();
    KvCache cache;
    cache.n_rows_ = GGML_PAD(n_ctx, kPadding);
    for (int i = 0; i < devices.count(); i++) {
        ggml_init_params params = {};
        params.mem_size = ggml_tensor_overhead() * (2 * static_cast<size_t>(h.n_layer) + 1);
        params.no_alloc = true;
        cache.contexts_.emplace_back(ggml_init(params));
        if (!cache.contexts_.back()) {
            return failure("out of memory");
        }
    }
    for (int layer = 0; layer < h.n_layer; layer++) {
        ggml_context * ctx = cache.contexts_[model.placement().layers[layer]].get();
        cache.k_.push_back(ggml_new_tensor_2d(ctx, type, h.kv_dim(), cache.n_rows_));
        cache.v_.push_back(ggml_new_tensor_2d(ctx, type, h.kv_dim(), cache.n_rows_));
        if (!cache.k_.back() || !cache.v_.back()) {
            return failure("cannot describe a KV cache of " + std::to_string(cache.n_rows_) + " positions");
        }
        ggml_format_name(cache.k_.back(), "cache_k.%d", layer);
        ggml_format_name(cache.v_.back(), "cache_v.%d", layer);
    }
    for (int i = 0; i < devices.count(); i++) {
        ggml_context * ctx = cache.contexts_[i].get();
        if (!ggml_get_first_tensor(ctx)) {
            continue;
        }
        BufferHandle buffer(ggml_backend_alloc_ctx_tensors(ctx, devices.backend(i)));
        if (!buffer) {
            return failure("no memory on " + devices.name(i) + " for a KV cache of " + std::to_string(cache.n_rows_) +
                           " positions");
        }
        ggml_backend_buffer_clear(buffer.get(), 0);
        cache.buffers_.push_back(std::move(buffer));
    }
    return cache;
}

} // namespace engine
