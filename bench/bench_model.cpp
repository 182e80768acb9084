#include "bench_model.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "gguf.h"

namespace ggml_sched::bench {

namespace {

constexpr int kVocab = 257; // the bytes and <s>

std::string utf8(uint32_t code) {
    if (code < 0x80) {
        return {static_cast<char>(code)};
    }
    return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
}

void set_tokens(gguf_context * gguf) {
    std::vector<std::string> tokens;
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; b++) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        tokens.push_back(utf8(printable ? b : next++));
    }
    tokens.emplace_back("<s>");
    std::vector<const char *> pointers;
    for (const std::string & token : tokens) {
        pointers.push_back(token.c_str());
    }
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "gpt2");
    gguf_set_arr_str(gguf, "tokenizer.ggml.tokens", pointers.data(), pointers.size());
    gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", 256);
}

void set_shape(gguf_context * gguf, const ModelShape & shape) {
    gguf_set_val_str(gguf, "general.architecture", "llama");
    gguf_set_val_u32(gguf, "llama.block_count", static_cast<uint32_t>(shape.n_layer));
    gguf_set_val_u32(gguf, "llama.context_length", static_cast<uint32_t>(shape.n_ctx));
    gguf_set_val_u32(gguf, "llama.embedding_length", static_cast<uint32_t>(shape.n_embd));
    gguf_set_val_u32(gguf, "llama.feed_forward_length", static_cast<uint32_t>(shape.n_ff));
    gguf_set_val_u32(gguf, "llama.attention.head_count", static_cast<uint32_t>(shape.n_head));
    gguf_set_val_u32(gguf, "llama.attention.head_count_kv", static_cast<uint32_t>(shape.n_head_kv));
    gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
}

// Makes tensors and their bytes: norms are 1, matrices hold one random row again and again, each row begun elsewhere.
class Weights {
  public:
    Weights(gguf_context * gguf, ggml_context * ctx, ggml_type type)
        : gguf_(gguf)
        , ctx_(ctx)
        , type_(type) {}

    void add_norm(const std::string & name, int64_t n) {
        ggml_tensor * tensor = ggml_new_tensor_1d(ctx_, GGML_TYPE_F32, n);
        std::vector<uint8_t> & bytes = add(tensor, name);
        const std::vector<float> ones(static_cast<size_t>(n), 1.0f);
        std::memcpy(bytes.data(), ones.data(), bytes.size());
    }

    void add_matrix(const std::string & name, int64_t n_in, int64_t n_out) {
        ggml_tensor * tensor = ggml_new_tensor_2d(ctx_, type_, n_in, n_out);
        std::vector<uint8_t> & bytes = add(tensor, name);
        constexpr int64_t n_different = 61; // rows
        const size_t row_size = ggml_row_size(type_, n_in);
        std::vector<float> values(static_cast<size_t>(n_in));
        for (int64_t row = 0; row < n_out; row++) {
            uint8_t * place = bytes.data() + static_cast<size_t>(row) * row_size;
            if (row >= n_different) {
                std::memcpy(place, place - static_cast<size_t>(n_different) * row_size, row_size);
                continue;
            }
            for (float & value : values) {
                state_ = state_ * 1664525u + 1013904223u;
                value = (static_cast<float>(state_ >> 8) / static_cast<float>(1u << 23) - 1.0f) *
                        std::sqrt(3.0f / static_cast<float>(n_in));
            }
            ggml_quantize_chunk(type_, values.data(), place, 0, 1, n_in, nullptr);
        }
    }

  private:
    std::vector<uint8_t> & add(ggml_tensor * tensor, const std::string & name) {
        ggml_set_name(tensor, name.c_str());
        gguf_add_tensor(gguf_, tensor);
        stored_.push_back(std::make_unique<std::vector<uint8_t>>(ggml_nbytes(tensor)));
        gguf_set_tensor_data(gguf_, name.c_str(), stored_.back()->data());
        return *stored_.back();
    }

    gguf_context * gguf_;
    ggml_context * ctx_;
    ggml_type type_;
    uint32_t state_ = 1;
    std::vector<std::unique_ptr<std::vector<uint8_t>>> stored_; // until the file is written
};

} // namespace

bool write_bench_model(const std::string & path, const ModelShape & shape) {
    const size_t n_tensors = static_cast<size_t>(shape.n_layer) * 9 + 3;
    const std::unique_ptr<ggml_context, decltype(&ggml_free)> ctx(
        ggml_init({ggml_tensor_overhead() * n_tensors, nullptr, true}), ggml_free);
    const std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf(gguf_init_empty(), gguf_free);
    set_shape(gguf.get(), shape);
    set_tokens(gguf.get());
    Weights weights(gguf.get(), ctx.get(), shape.type);
    const int64_t kv_dim = int64_t{shape.n_embd} / shape.n_head * shape.n_head_kv;
    weights.add_matrix("token_embd.weight", shape.n_embd, kVocab);
    weights.add_norm("output_norm.weight", shape.n_embd);
    weights.add_matrix("output.weight", shape.n_embd, kVocab);
    for (int i = 0; i < shape.n_layer; i++) {
        const std::string blk = "blk." + std::to_string(i) + ".";
        weights.add_norm(blk + "attn_norm.weight", shape.n_embd);
        weights.add_matrix(blk + "attn_q.weight", shape.n_embd, shape.n_embd);
        weights.add_matrix(blk + "attn_k.weight", shape.n_embd, kv_dim);
        weights.add_matrix(blk + "attn_v.weight", shape.n_embd, kv_dim);
        weights.add_matrix(blk + "attn_output.weight", shape.n_embd, shape.n_embd);
        weights.add_norm(blk + "ffn_norm.weight", shape.n_embd);
        weights.add_matrix(blk + "ffn_gate.weight", shape.n_embd, shape.n_ff);
        weights.add_matrix(blk + "ffn_up.weight", shape.n_embd, shape.n_ff);
        weights.add_matrix(blk + "ffn_down.weight", shape.n_ff, shape.n_embd);
    }
    return gguf_write_to_file(gguf.get(), path.c_str(), false);
}

} // namespace ggml_sched::bench
