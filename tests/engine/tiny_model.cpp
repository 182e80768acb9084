#include "tiny_model.h"

#include "host_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

namespace tests {
namespace {

std::string utf8(uint32_t code) {
    if (code < 0x80) {
        return {static_cast<char>(code)};
    }
    return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
}

void set_tokens(gguf_context * gguf) {
    std::vector<std::string> tokens;
    tokens.reserve(kTinyVocab);
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; b++) {
        const bool printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        tokens.push_back(utf8(printable ? b : next++));
    }
    tokens.emplace_back("<s>");
    std::vector<const char *> pointers;
    pointers.reserve(kTinyVocab);
    for (const std::string & t : tokens) {
        pointers.push_back(t.c_str());
    }
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "gpt2");
    gguf_set_arr_str(gguf, "tokenizer.ggml.tokens", pointers.data(), pointers.size());
    gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", 256);
}

void set_hparams(gguf_context * gguf, const TinyConfig & c) {
    gguf_set_val_str(gguf, "general.architecture", "llama");
    gguf_set_val_u32(gguf, "llama.block_count", c.n_layer);
    gguf_set_val_u32(gguf, "llama.context_length", c.n_ctx);
    gguf_set_val_u32(gguf, "llama.embedding_length", c.n_embd);
    gguf_set_val_u32(gguf, "llama.feed_forward_length", c.n_ff);
    gguf_set_val_u32(gguf, "llama.attention.head_count", c.n_head);
    gguf_set_val_u32(gguf, "llama.attention.head_count_kv", c.n_head_kv);
    gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5F);
}

struct Shape {
    std::string name;
    int64_t n_in;
    int64_t n_out; // 1: a norm
};

std::vector<Shape> shapes(const TinyConfig & c) {
    const int64_t kv_dim = static_cast<int64_t>(c.n_embd) / c.n_head * c.n_head_kv;
    std::vector<Shape> all = {{"token_embd.weight", c.n_embd, kTinyVocab}, {"output_norm.weight", c.n_embd, 1}};
    if (!c.tied) {
        all.push_back({"output.weight", c.n_embd, kTinyVocab});
    }
    for (int i = 0; i < c.n_layer; i++) {
        const std::string blk = "blk." + std::to_string(i) + ".";
        all.push_back({blk + "attn_norm.weight", c.n_embd, 1});
        all.push_back({blk + "attn_q.weight", c.n_embd, c.n_embd});
        all.push_back({blk + "attn_k.weight", c.n_embd, kv_dim});
        all.push_back({blk + "attn_v.weight", c.n_embd, kv_dim});
        all.push_back({blk + "attn_output.weight", c.n_embd, c.n_embd});
        all.push_back({blk + "ffn_norm.weight", c.n_embd, 1});
        all.push_back({blk + "ffn_gate.weight", c.n_embd, c.n_ff});
        all.push_back({blk + "ffn_up.weight", c.n_embd, c.n_ff});
        all.push_back({blk + "ffn_down.weight", c.n_ff, c.n_embd});
    }
    return all;
}

// Around zero, of a size that keeps activations near one; norms around one
std::vector<float> random_weights(const Shape & shape, std::mt19937 & rng) {
    const float scale = shape.n_out == 1 ? 0.3F : std::sqrt(3.0F / static_cast<float>(shape.n_in));
    const float middle = shape.n_out == 1 ? 1.0F : 0.0F;
    std::vector<float> values(shape.n_in * shape.n_out);
    for (float & v : values) {
        v = middle + scale * (static_cast<float>(rng() >> 8) / static_cast<float>(1U << 23) - 1.0F);
    }
    return values;
}

} // namespace

TinyModel write_tiny_model(const std::string & path, const TinyConfig & config, const GgufEdit & edit,
                           const std::vector<std::string> & skip) {
    TinyModel model;
    model.config = config;
    const std::vector<Shape> all = shapes(config);
    ggml_init_params params = {};
    params.mem_size = ggml_tensor_overhead() * all.size();
    params.no_alloc = true;
    const std::unique_ptr<ggml_context, decltype(&ggml_free)> ctx(ggml_init(params), ggml_free);
    const std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf(gguf_init_empty(), gguf_free);
    set_hparams(gguf.get(), config);
    set_tokens(gguf.get());
    std::mt19937 rng(config.seed);
    std::vector<std::vector<uint8_t>> stored;
    for (const Shape & shape : all) {
        std::vector<float> values = random_weights(shape, rng);
        const ggml_type type = shape.n_out == 1 ? GGML_TYPE_F32 : config.type;
        std::vector<uint8_t> bytes(ggml_row_size(type, shape.n_in) * shape.n_out);
        EXPECT_EQ(ggml_quantize_chunk(type, values.data(), bytes.data(), 0, shape.n_out, shape.n_in, nullptr),
                  bytes.size());
        ggml_get_type_traits(type)->to_float(bytes.data(), values.data(), static_cast<int64_t>(values.size()));
        model.weights[shape.name] = std::move(values);
        if (std::find(skip.begin(), skip.end(), shape.name) != skip.end()) {
            continue;
        }
        ggml_tensor * t = shape.n_out == 1 ? ggml_new_tensor_1d(ctx.get(), type, shape.n_in)
                                           : ggml_new_tensor_2d(ctx.get(), type, shape.n_in, shape.n_out);
        ggml_set_name(t, shape.name.c_str());
        gguf_add_tensor(gguf.get(), t);
        stored.push_back(std::move(bytes));
        gguf_set_tensor_data(gguf.get(), shape.name.c_str(), stored.back().data());
    }
    if (edit) {
        edit(gguf.get());
    }
    EXPECT_TRUE(gguf_write_to_file(gguf.get(), path.c_str(), false));
    return model;
}

std::string temp_path(const std::string & name) {
    const testing::TestInfo * test = testing::UnitTest::GetInstance()->current_test_info();
    std::string unique = test ? std::string(test->test_suite_name()) + "." + test->name() : "suite";
    std::replace(unique.begin(), unique.end(), '/', '_');
    return testing::TempDir() + "ggml-sched-" + std::to_string(platform::process_id()) + "-" + unique + "-" + name;
}

} // namespace tests
