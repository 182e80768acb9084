#include "hparams.h"

#include <cmath>
#include <cstdint>

namespace engine {
namespace {

constexpr int kMaxLayers = 4096;
constexpr int kMaxDim = 1 << 20; // keeps every product of two dimensions far from overflow

// Reads values one after the other and keeps the first error.
class Reader {
  public:
    explicit Reader(const GgufFile & file)
        : file_(file) {}

    int count(const char * key, int max) {
        const Result<uint32_t> value = file_.uint(key);
        return in_range(key, value, max);
    }
    int count_or(const char * key, int otherwise, int max) {
        const Result<uint32_t> value = file_.uint_or(key, static_cast<uint32_t>(otherwise));
        return in_range(key, value, max);
    }
    float positive(const char * key) { return checked(key, file_.real(key)); }
    float positive_or(const char * key, float otherwise) { return checked(key, file_.real_or(key, otherwise)); }
    void require(bool condition, const std::string & otherwise) {
        if (!condition) {
            keep(failure(file_.path() + ": " + otherwise));
        }
    }
    const Status & status() const { return status_; }

  private:
    void keep(Status status) {
        if (status_.ok()) {
            status_ = std::move(status);
        }
    }
    int in_range(const char * key, const Result<uint32_t> & value, int max) {
        if (!value.ok()) {
            keep(value.status());
            return 1;
        }
        const uint32_t v = value.value();
        require(v >= 1 && v <= static_cast<uint32_t>(max),
                "value '" + std::string(key) + "' is out of range: " + std::to_string(v));
        return status_.ok() ? static_cast<int>(v) : 1;
    }
    float checked(const char * key, const Result<float> & value) {
        if (!value.ok()) {
            keep(value.status());
            return 1;
        }
        require(std::isfinite(value.value()) && value.value() > 0, "value '" + std::string(key) + "' is not positive");
        return value.value();
    }

    const GgufFile & file_;
    Status status_;
};

// What would change the computation and is not implemented must be refused, not ignored.
void refuse_variants(const GgufFile & file, Reader & read) {
    const Result<uint32_t> experts = file.uint_or("llama.expert_count", 0);
    read.require(experts.ok() && experts.value() == 0, "a mixture of experts is not supported");
    if (file.has("llama.rope.scaling.type")) {
        const Result<std::string> scaling = file.text("llama.rope.scaling.type");
        read.require(scaling.ok() && (scaling.value() == "none" || scaling.value() == "linear"),
                     "this kind of 'llama.rope.scaling.type' is not supported");
    }
}

} // namespace

Result<Hparams> load_hparams(const GgufFile & file) {
    const Result<std::string> architecture = file.text("general.architecture");
    if (!architecture.ok()) {
        return architecture.status();
    }
    if (architecture.value() != "llama") {
        return failure(file.path() + ": unsupported architecture '" + architecture.value() +
                       "': this engine runs llama");
    }
    Reader read(file);
    Hparams h;
    h.n_layer = read.count("llama.block_count", kMaxLayers);
    h.n_ctx = read.count("llama.context_length", 1 << 30);
    h.n_embd = read.count("llama.embedding_length", kMaxDim);
    h.n_ff = read.count("llama.feed_forward_length", kMaxDim);
    h.n_head = read.count("llama.attention.head_count", h.n_embd);
    h.n_head_kv = read.count_or("llama.attention.head_count_kv", h.n_head, h.n_head);
    const bool divides = h.n_embd % h.n_head == 0;
    h.head_dim = read.count_or("llama.attention.key_length", divides ? h.n_embd / h.n_head : 0, h.n_embd);
    const int value_length = read.count_or("llama.attention.value_length", h.head_dim, h.n_embd);
    h.n_rot = read.count_or("llama.rope.dimension_count", h.head_dim, h.head_dim);
    h.rms_eps = read.positive("llama.attention.layer_norm_rms_epsilon");
    h.rope_base = read.positive_or("llama.rope.freq_base", 10000.0F);
    h.rope_scale = 1.0F / read.positive_or("llama.rope.scaling.factor", 1.0F);
    read.require(h.n_head % h.n_head_kv == 0,
                 "'llama.attention.head_count' is no multiple of 'llama.attention.head_count_kv'");
    read.require(h.head_dim == value_length, "keys and values of different length are not supported");
    read.require(h.n_rot % 2 == 0, "'llama.rope.dimension_count' is odd");
    refuse_variants(file, read);
    if (!read.status().ok()) {
        return read.status();
    }
    return h;
}

} // namespace engine
