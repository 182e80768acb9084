// The engine's small parts: device lists, placement, tokenizers, the hash.

#include "device_set.h"
#include "logits_hash.h"
#include "placement.h"
#include "tiny_model.h"
#include "tokenizer.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace tests {
namespace {

std::string names(const engine::DeviceSet & devices) {
    std::string all;
    for (int i = 0; i < devices.count(); i++) {
        all += (i ? " " : "") + devices.name(i);
    }
    return all;
}

std::string opened(const std::string & list) {
    const auto devices = engine::DeviceSet::open(list, 1);
    return devices.ok() ? names(devices.value()) : "error";
}

TEST(DeviceList, TheCpuIsLastAndAddedIfNotNamed) {
    EXPECT_EQ(opened("cpu"), "CPU");
    EXPECT_EQ(opened("sim"), "SIM0 CPU");
    EXPECT_EQ(opened("sim,cpu"), "SIM0 CPU");
    EXPECT_EQ(opened("sim*3"), "SIM0 SIM1 SIM2 CPU");
    EXPECT_EQ(opened("sim:vulkan*2,sim,cpu"), "SIM0 SIM1 SIM2 CPU");
}

TEST(DeviceList, MalformedListIsRefused) {
    for (const char * list :
         {"",           ",",      "sim,",   ",cpu",   "cpu,cpu",         "cpu,sim", "gpu",       "sim*",
          "sim*0",      "sim*-1", "sim*65", "sim*2x", "sim*99999999999", "sim:",    "sim:metal", "sim*2:cuda",
          "sim*64,sim", "SIM",    "cpu*2",  " sim"}) {
        const auto devices = engine::DeviceSet::open(list, 1);
        ASSERT_FALSE(devices.ok()) << list;
        EXPECT_FALSE(devices.error().empty()) << list;
        EXPECT_EQ(devices.error().find('\n'), std::string::npos) << list;
    }
}

std::string placed(int n_layer, int ngl, int n_accelerators) {
    const engine::Placement p = engine::place_layers(n_layer, ngl, n_accelerators);
    std::string text;
    for (const int device : p.layers) {
        text += std::to_string(device);
    }
    return text + "|" + std::to_string(p.output);
}

TEST(Placement, OutputLeavesTheCpuAfterTheLastLayers) {
    EXPECT_EQ(placed(4, 0, 1), "1111|1");
    EXPECT_EQ(placed(4, 1, 1), "1110|1");
    EXPECT_EQ(placed(4, 3, 1), "1000|1");
    EXPECT_EQ(placed(4, 4, 1), "0000|1");
    EXPECT_EQ(placed(4, 5, 1), "0000|0");
    EXPECT_EQ(placed(4, 1000, 1), "0000|0");
    EXPECT_EQ(placed(4, -1, 1), "1111|1");
    EXPECT_EQ(placed(4, 5, 0), "0000|0");
}

TEST(Placement, LayersAreSpreadEvenlyAndInOrder) {
    EXPECT_EQ(placed(8, 9, 2), "00001111|1");
    EXPECT_EQ(placed(8, 9, 4), "00112233|3");
    EXPECT_EQ(placed(8, 9, 3), "00011122|2");
    EXPECT_EQ(placed(8, 4, 2), "22220011|2");
    EXPECT_EQ(placed(2, 3, 4), "02|3");
}

TEST(LogitsHash, IsFnv1aOverTheBytesInOrder) {
    engine::LogitsHash none;
    EXPECT_EQ(none.hex(), "cbf29ce484222325");
    const float values[2] = {1.0F, -2.5F};
    engine::LogitsHash hash;
    hash.add(values, 2);
    uint64_t expected = 0xcbf29ce484222325;
    for (const uint8_t byte : {0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x20, 0xc0}) {
        expected = (expected ^ byte) * 0x100000001b3;
    }
    EXPECT_EQ(hash.value(), expected);
    engine::LogitsHash other_order;
    other_order.add(values + 1, 1);
    other_order.add(values, 1);
    EXPECT_NE(other_order.value(), expected);
}

class TokenizerTest : public testing::Test {
  protected:
    void SetUp() override { path_ = temp_path("tokens.gguf"); }
    void TearDown() override { std::remove(path_.c_str()); }

    engine::Result<engine::Tokenizer> tokenizer(const GgufEdit & edit) {
        const std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf(gguf_init_empty(), gguf_free);
        edit(gguf.get());
        EXPECT_TRUE(gguf_write_to_file(gguf.get(), path_.c_str(), false));
        const auto file = engine::GgufFile::open(path_);
        return file.ok() ? engine::Tokenizer::load(file.value()) : file.status();
    }

    std::string path_;
};

TEST_F(TokenizerTest, EveryByteIsATokenAndComesBack) {
    write_tiny_model(path_, {});
    const auto file = engine::GgufFile::open(path_);
    ASSERT_TRUE(file.ok());
    const auto t = engine::Tokenizer::load(file.value());
    ASSERT_TRUE(t.ok()) << t.error();
    std::string text;
    for (int byte = 0; byte < 256; byte++) {
        text += static_cast<char>(byte);
    }
    const std::vector<engine::Token> tokens = t.value().encode(text);
    ASSERT_EQ(tokens.size(), 256U);
    for (int byte = 0; byte < 256; byte++) {
        EXPECT_EQ(tokens[byte], byte);
    }
    EXPECT_EQ(t.value().decode(tokens), text);
    EXPECT_EQ(t.value().decode({256, 'a', 256}), "a");
    EXPECT_TRUE(t.value().is_end(256));
    EXPECT_FALSE(t.value().is_end('a'));
}

// <unk> <s> </s>, the 256 bytes, then pieces with scores
GgufEdit pieces(std::vector<std::pair<std::string, float>> extra) {
    return [extra = std::move(extra)](gguf_context * g) {
        std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
        std::vector<float> scores(3 + 256, 0.0F);
        for (int byte = 0; byte < 256; byte++) {
            char name[8];
            std::snprintf(name, sizeof(name), "<0x%02X>", byte);
            tokens.emplace_back(name);
        }
        for (const auto & [piece, score] : extra) {
            tokens.push_back(piece);
            scores.push_back(score);
        }
        std::vector<const char *> pointers;
        pointers.reserve(tokens.size());
        for (const std::string & t : tokens) {
            pointers.push_back(t.c_str());
        }
        gguf_set_val_str(g, "tokenizer.ggml.model", "llama");
        gguf_set_arr_str(g, "tokenizer.ggml.tokens", pointers.data(), pointers.size());
        gguf_set_arr_data(g, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
        gguf_set_val_u32(g, "tokenizer.ggml.bos_token_id", 1);
        gguf_set_val_u32(g, "tokenizer.ggml.eos_token_id", 2);
    };
}

constexpr engine::Token kFirstPiece = 259;
const std::string kSpace = "\xe2\x96\x81";

TEST_F(TokenizerTest, PiecesAreJoinedBestScoreFirst) {
    //                        0           1          2          3            4            5
    const auto t =
        tokenizer(pieces({{kSpace, -10}, {"a", -10}, {"b", -10}, {"ab", -2}, {"ba", -1}, {kSpace + "a", -5}}));
    ASSERT_TRUE(t.ok()) << t.error();
    const auto encode = [&](const char * text) {
        std::vector<engine::Token> tokens = t.value().encode(text);
        for (engine::Token & token : tokens) {
            token -= kFirstPiece;
        }
        return tokens;
    };
    using Tokens = std::vector<engine::Token>;
    EXPECT_EQ(encode(""), Tokens{});
    EXPECT_EQ(encode("ab"), (Tokens{0, 3}));
    EXPECT_EQ(encode("aba"), (Tokens{5, 4})); // "ba" beats "ab"; then the space takes the a
    EXPECT_EQ(encode("baba"), (Tokens{0, 4, 4}));
    EXPECT_EQ(encode("b a"), (Tokens{0, 2, 5}));
    EXPECT_EQ(t.value().decode(t.value().encode("ab ba  a")), "ab ba  a");
}

TEST_F(TokenizerTest, TextWithoutAPieceBecomesBytes) {
    const auto t = tokenizer(pieces({{kSpace, 0}, {"a", 0}, {"\xc3\xa9", 0}}));
    ASSERT_TRUE(t.ok()) << t.error();
    const std::vector<engine::Token> expected = {kFirstPiece, kFirstPiece + 1, kFirstPiece + 2,
                                                 3 + 0xc3,    3 + 0xa8,        3 + '\n'};
    EXPECT_EQ(t.value().encode("a\xc3\xa9\xc3\xa8\n"), expected);
    EXPECT_EQ(t.value().decode(expected), "a\xc3\xa9\xc3\xa8\n");
    // Not UTF-8: a character that is cut off by the end of the text
    EXPECT_EQ(t.value().decode(t.value().encode("a\xe2\x96")), "a\xe2\x96");
}

TEST_F(TokenizerTest, LongTextsAreJoinedInReasonableTime) {
    const auto t = tokenizer(pieces({{kSpace, 0}, {"a", 0}, {"aa", 1}, {"aaaa", 2}, {"aaaaaaaa", 3}}));
    ASSERT_TRUE(t.ok()) << t.error();
    EXPECT_EQ(t.value().encode(std::string(80000, 'a')).size(), 10001U);
}

TEST_F(TokenizerTest, ScoresMustMatchTokens) {
    const GgufEdit good = pieces({{kSpace, 0}});
    const auto t = tokenizer([&](gguf_context * g) {
        good(g);
        const float score = 0;
        gguf_set_arr_data(g, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, &score, 1);
    });
    ASSERT_FALSE(t.ok());
    EXPECT_NE(t.error().find("tokenizer.ggml.scores"), std::string::npos);
}

} // namespace
} // namespace tests
