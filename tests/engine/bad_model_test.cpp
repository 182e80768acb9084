// Files that are no usable model are refused with a text that names what is wrong.

#include "runner.h"
#include "tiny_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace tests {
namespace {

class BadModel : public testing::Test {
  protected:
    void SetUp() override { path_ = temp_path("model.gguf"); }
    void TearDown() override { std::remove(path_.c_str()); }

    std::string error_of(const GgufEdit & edit, const std::vector<std::string> & skip = {},
                         const TinyConfig & config = {}) {
        write_tiny_model(path_, config, edit, skip);
        return load(path_, "cpu").error;
    }

    std::string path_;
};

bool contains(const std::string & text, const std::string & part) {
    return text.find(part) != std::string::npos;
}

TEST_F(BadModel, ErrorNamesTheTensorThatIsMissing) {
    for (const std::string name :
         {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
          "blk.1.attn_k.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.1.ffn_norm.weight",
          "blk.0.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"}) {
        EXPECT_TRUE(contains(error_of({}, {name}), "'" + name + "'")) << name << ": " << load(path_, "cpu").error;
    }
}

TEST_F(BadModel, AMissingOutputMatrixMeansThatItIsTied) {
    EXPECT_EQ(error_of({}, {"output.weight"}), "");
}

TEST_F(BadModel, ErrorNamesTheKeyThatIsMissing) {
    for (const std::string key :
         {"general.architecture", "llama.block_count", "llama.context_length", "llama.embedding_length",
          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon",
          "tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.bos_token_id"}) {
        const std::string error = error_of([&](gguf_context * g) { gguf_remove_key(g, key.c_str()); });
        EXPECT_TRUE(contains(error, "'" + key + "'")) << key << ": " << error;
    }
}

TEST_F(BadModel, ErrorNamesTheKeyOfTheWrongType) {
    for (const std::string key : {"general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.tokens"}) {
        const std::string error = error_of([&](gguf_context * g) { gguf_set_val_u32(g, key.c_str(), 3); });
        EXPECT_TRUE(contains(error, "'" + key + "'")) << key << ": " << error;
    }
    for (const std::string key : {"llama.block_count", "llama.attention.head_count", "tokenizer.ggml.bos_token_id",
                                  "llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base"}) {
        const std::string error = error_of([&](gguf_context * g) { gguf_set_val_str(g, key.c_str(), "many"); });
        EXPECT_TRUE(contains(error, "'" + key + "'")) << key << ": " << error;
    }
}

TEST_F(BadModel, NumbersOutOfRangeAreRefused) {
    for (const std::string key :
         {"llama.block_count", "llama.context_length", "llama.embedding_length", "llama.feed_forward_length",
          "llama.attention.head_count", "llama.attention.head_count_kv", "llama.rope.dimension_count"}) {
        for (const uint64_t value : {uint64_t{0}, uint64_t{0xffffffff}, uint64_t{1} << 63, ~uint64_t{0}}) {
            const std::string error = error_of([&](gguf_context * g) { gguf_set_val_u64(g, key.c_str(), value); });
            EXPECT_TRUE(contains(error, "'" + key + "'")) << key << " " << value << ": " << error;
        }
    }
    for (const float value : {0.0F, -1.0F, INFINITY, NAN}) {
        EXPECT_NE(error_of([&](gguf_context * g) { gguf_set_val_f32(g, "llama.rope.freq_base", value); }), "");
        EXPECT_NE(
            error_of([&](gguf_context * g) { gguf_set_val_f32(g, "llama.attention.layer_norm_rms_epsilon", value); }),
            "");
    }
    EXPECT_NE(error_of([](gguf_context * g) { gguf_set_val_u32(g, "tokenizer.ggml.bos_token_id", kTinyVocab); }), "");
}

TEST_F(BadModel, ShapesThatDoNotFitAreRefusedByName) {
    EXPECT_TRUE(
        contains(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.feed_forward_length", 95); }), "ffn_gate"));
    EXPECT_TRUE(contains(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.attention.head_count_kv", 1); }),
                         "attn_k"));
    EXPECT_TRUE(
        contains(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.embedding_length", 32); }), "token_embd"));
    EXPECT_TRUE(contains(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.block_count", 3); }), "blk.2."));
    EXPECT_NE(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.attention.head_count_kv", 3); }), "");
    EXPECT_NE(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.attention.head_count", 3); }), "");
    EXPECT_NE(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.rope.dimension_count", 3); }), "");
}

TEST_F(BadModel, UnknownFeaturesAreRefused) {
    // One layer fewer than the file has leaves tensors over, as biases or experts would.
    EXPECT_TRUE(contains(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.block_count", 1); }), "'blk.1."));
    EXPECT_TRUE(
        contains(error_of([](gguf_context * g) { gguf_set_val_str(g, "general.architecture", "gpt2"); }), "'gpt2'"));
    EXPECT_NE(error_of([](gguf_context * g) { gguf_set_val_u32(g, "llama.expert_count", 8); }), "");
    EXPECT_NE(error_of([](gguf_context * g) { gguf_set_val_str(g, "llama.rope.scaling.type", "yarn"); }), "");
    EXPECT_TRUE(
        contains(error_of([](gguf_context * g) { gguf_set_val_str(g, "tokenizer.ggml.model", "bert"); }), "'bert'"));
    const char * merge = "a b";
    EXPECT_NE(error_of([&](gguf_context * g) { gguf_set_arr_str(g, "tokenizer.ggml.merges", &merge, 1); }), "");
}

TEST_F(BadModel, FilesThatAreNoModelAreRefused) {
    EXPECT_TRUE(contains(load("/no/such/file.gguf", "cpu").error, "/no/such/file.gguf"));
    EXPECT_NE(load(testing::TempDir(), "cpu").error, "");
    std::ofstream(path_) << "no model at all";
    EXPECT_NE(load(path_, "cpu").error, "");
    std::ofstream(path_, std::ios::trunc).close();
    EXPECT_NE(load(path_, "cpu").error, "");
}

TEST_F(BadModel, ATruncatedFileIsRefusedWhereverItEnds) {
    write_tiny_model(path_, {});
    const auto size = std::filesystem::file_size(path_);
    for (auto keep = size - 1; keep > 0; keep = keep * 7 / 8) {
        std::filesystem::resize_file(path_, keep);
        EXPECT_NE(load(path_, "sim,cpu").error, "") << keep << " of " << size << " bytes";
    }
}

TEST_F(BadModel, ChangedBytesGiveAnErrorOrAModelThatRuns) {
    TinyConfig config;
    config.n_layer = 1;
    config.n_embd = 32;
    config.n_ff = 32;
    write_tiny_model(path_, config);
    std::ifstream file(path_, std::ios::binary);
    const std::string original((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::mt19937 rng(5);
    int refused = 0;
    for (int i = 0; i < 150; i++) {
        std::string changed = original;
        const size_t meta = std::min<size_t>(original.size(), 5500);
        changed[rng() % meta] = static_cast<char>(rng());
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << changed;
        const Loaded loaded = load(path_, "cpu");
        refused += loaded.error.empty() ? 0 : 1;
        if (loaded.error.empty()) {
            engine::SessionConfig session;
            session.n_ctx = 32;
            (void) run(loaded, session, {"text", "", 0});
        }
    }
    EXPECT_GT(refused, 20);
}

} // namespace
} // namespace tests
