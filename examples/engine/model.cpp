#include "model.h"

#include <set>

namespace engine {

// Declares all tensors on their devices first, so that each device gets one buffer, then fills them from the file.
class ModelLoader {
  public:
    ModelLoader(const GgufFile & file, const DeviceSet & devices, Model & model)
        : file_(file)
        , devices_(devices)
        , model_(model) {}

    Status load() {
        Status status = make_contexts();
        for (auto step : {&ModelLoader::declare_all, &ModelLoader::refuse_unknown_tensors, &ModelLoader::allocate,
                          &ModelLoader::fill}) {
            if (status.ok()) {
                status = (this->*step)();
            }
        }
        return status;
    }

  private:
    struct Declared {
        ggml_tensor * tensor;
        std::string source; // its name in the file
    };

    Status make_contexts();
    Status declare_all();
    Status declare_layer(int i);
    Status declare_output();
    Status vector(ggml_tensor *& tensor, const std::string & name, int device, int64_t n);
    Status matrix(ggml_tensor *& tensor, const std::string & name, int device, int64_t n_in, int64_t n_out);
    Status declare(ggml_tensor *& tensor, const std::string & name, int device, const ggml_tensor & info,
                   ggml_type type);
    Result<const ggml_tensor *> info(const std::string & name, int64_t ne0, int64_t ne1) const;
    Status refuse_unknown_tensors();
    Status allocate();
    Status fill();

    const GgufFile & file_;
    const DeviceSet & devices_;
    Model & model_;
    std::vector<Declared> declared_;
};

Status ModelLoader::make_contexts() {
    const size_t per_layer = 9;
    const size_t others = 4;
    for (int i = 0; i < devices_.count(); i++) {
        ggml_init_params params = {};
        params.mem_size = ggml_tensor_overhead() * (model_.hparams_.n_layer * per_layer + others);
        params.no_alloc = true;
        model_.contexts_.emplace_back(ggml_init(params));
        if (!model_.contexts_.back()) {
            return failure("out of memory");
        }
    }
    return {};
}

Result<const ggml_tensor *> ModelLoader::info(const std::string & name, int64_t ne0, int64_t ne1) const {
    const ggml_tensor * found = file_.find(name);
    if (!found) {
        return failure(file_.path() + ": no tensor '" + name + "'");
    }
    if (found->ne[0] != ne0 || found->ne[1] != ne1 || found->ne[2] != 1 || found->ne[3] != 1) {
        const auto shape = [](const int64_t * ne) { return std::to_string(ne[0]) + " x " + std::to_string(ne[1]); };
        const int64_t expected[2] = {ne0, ne1};
        const bool plain = found->ne[2] == 1 && found->ne[3] == 1;
        return failure(file_.path() + ": tensor '" + name + "' is " +
                       (plain ? shape(found->ne) : "of too many dimensions") + " instead of " + shape(expected));
    }
    return found;
}

Status ModelLoader::declare(ggml_tensor *& tensor, const std::string & name, int device, const ggml_tensor & info,
                            ggml_type type) {
    tensor = ggml_new_tensor(model_.contexts_[device].get(), type, 2, info.ne);
    if (!tensor) {
        return failure(file_.path() + ": cannot create tensor '" + name + "'");
    }
    ggml_set_name(tensor, name.c_str());
    declared_.push_back({tensor, name});
    return {};
}

Status ModelLoader::vector(ggml_tensor *& tensor, const std::string & name, int device, int64_t n) {
    const Result<const ggml_tensor *> found = info(name, n, 1);
    if (!found.ok()) {
        return found.status();
    }
    const ggml_type_traits * traits = ggml_get_type_traits(found.value()->type);
    if (!traits || !traits->to_float) {
        return failure(file_.path() + ": tensor '" + name + "' has the unsupported type " +
                       ggml_type_name(found.value()->type));
    }
    return declare(tensor, name, device, *found.value(), GGML_TYPE_F32);
}

Status ModelLoader::matrix(ggml_tensor *& tensor, const std::string & name, int device, int64_t n_in, int64_t n_out) {
    const Result<const ggml_tensor *> found = info(name, n_in, n_out);
    if (!found.ok()) {
        return found.status();
    }
    switch (found.value()->type) {
    case GGML_TYPE_F32:
    case GGML_TYPE_F16:
    case GGML_TYPE_BF16:
    case GGML_TYPE_Q8_0:
    case GGML_TYPE_Q4_0: return declare(tensor, name, device, *found.value(), found.value()->type);
    default:
        return failure(file_.path() + ": tensor '" + name + "' has the unsupported type " +
                       ggml_type_name(found.value()->type));
    }
}

Status ModelLoader::declare_all() {
    const Hparams & h = model_.hparams_;
    Status status = matrix(model_.token_embd_, "token_embd.weight", devices_.cpu(), h.n_embd, model_.n_vocab());
    model_.layers_.resize(h.n_layer);
    for (int i = 0; i < h.n_layer && status.ok(); i++) {
        status = declare_layer(i);
    }
    return status.ok() ? declare_output() : status;
}

Status ModelLoader::declare_layer(int i) {
    const Hparams & h = model_.hparams_;
    LayerWeights & w = model_.layers_[i];
    const int device = model_.placement_.layers[i];
    const std::string prefix = "blk." + std::to_string(i) + ".";
    Status status = vector(w.attn_norm, prefix + "attn_norm.weight", device, h.n_embd);
    const auto next = [&](ggml_tensor *& tensor, const char * name, int64_t n_in, int64_t n_out) {
        if (status.ok()) {
            status = matrix(tensor, prefix + name + ".weight", device, n_in, n_out);
        }
    };
    next(w.q, "attn_q", h.n_embd, h.q_dim());
    next(w.k, "attn_k", h.n_embd, h.kv_dim());
    next(w.v, "attn_v", h.n_embd, h.kv_dim());
    next(w.attn_output, "attn_output", h.q_dim(), h.n_embd);
    next(w.gate, "ffn_gate", h.n_embd, h.n_ff);
    next(w.up, "ffn_up", h.n_embd, h.n_ff);
    next(w.down, "ffn_down", h.n_ff, h.n_embd);
    return status.ok() ? vector(w.ffn_norm, prefix + "ffn_norm.weight", device, h.n_embd) : status;
}

Status ModelLoader::declare_output() {
    const Hparams & h = model_.hparams_;
    const int device = model_.placement_.output;
    Status status = vector(model_.output_norm_, "output_norm.weight", device, h.n_embd);
    if (!status.ok()) {
        return status;
    }
    if (file_.find("output.weight")) {
        return matrix(model_.output_, "output.weight", device, h.n_embd, model_.n_vocab());
    }
    if (device == devices_.cpu()) {
        model_.output_ = model_.token_embd_;
        return {};
    }
    status = matrix(model_.output_, "token_embd.weight", device, h.n_embd, model_.n_vocab());
    if (status.ok()) {
        ggml_set_name(model_.output_, "output.weight");
    }
    return status;
}

// Biases and the like would change the results: better to refuse the file than to ignore them.
Status ModelLoader::refuse_unknown_tensors() {
    std::set<std::string> known;
    for (const Declared & d : declared_) {
        known.insert(d.source);
    }
    for (const std::string & name : file_.tensor_names()) {
        if (known.count(name) == 0) {
            return failure(file_.path() + ": tensor '" + name + "' is not part of a llama as this engine knows it");
        }
    }
    return {};
}

Status ModelLoader::allocate() {
    for (int i = 0; i < devices_.count(); i++) {
        ggml_context * ctx = model_.contexts_[i].get();
        if (!ggml_get_first_tensor(ctx)) {
            continue;
        }
        BufferHandle buffer(ggml_backend_alloc_ctx_tensors(ctx, devices_.backend(i)));
        if (!buffer) {
            return failure("no memory on " + devices_.name(i) + " for the weights of " + file_.path());
        }
        ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        model_.buffers_.push_back(std::move(buffer));
    }
    return {};
}

Status ModelLoader::fill() {
    for (const Declared & d : declared_) {
        Result<std::vector<uint8_t>> bytes = file_.read(d.source);
        if (!bytes.ok()) {
            return bytes.status();
        }
        const ggml_type stored = file_.find(d.source)->type;
        if (stored == d.tensor->type) {
            ggml_backend_tensor_set(d.tensor, bytes.value().data(), 0, bytes.value().size());
            continue;
        }
        std::vector<float> converted(ggml_nelements(d.tensor));
        ggml_get_type_traits(stored)->to_float(bytes.value().data(), converted.data(), ggml_nelements(d.tensor));
        ggml_backend_tensor_set(d.tensor, converted.data(), 0, ggml_nbytes(d.tensor));
    }
    return {};
}

Result<std::unique_ptr<Model>> Model::load(const std::string & path, const DeviceSet & devices, int ngl) {
    const Result<GgufFile> file = GgufFile::open(path);
    if (!file.ok()) {
        return file.status();
    }
    const Result<Hparams> hparams = load_hparams(file.value());
    if (!hparams.ok()) {
        return hparams.status();
    }
    Result<Tokenizer> tokenizer = Tokenizer::load(file.value());
    if (!tokenizer.ok()) {
        return tokenizer.status();
    }
    auto model = std::make_unique<Model>();
    model->hparams_ = hparams.value();
    model->tokenizer_ = std::move(tokenizer.value());
    model->placement_ = place_layers(hparams.value().n_layer, ngl, devices.accelerators());
    const Status status = ModelLoader(file.value(), devices, *model).load();
    if (!status.ok()) {
        return status;
    }
    return model;
}

} // namespace engine
