// Sessions: errors leave them usable, and nothing is lost between micro-batches.

#include "runner.h"
#include "tiny_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace tests {
namespace {

using engine::Outputs;
using engine::Session;
using engine::Token;

class SessionTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = temp_path("model.gguf");
        write_tiny_model(path_, {});
        ggml_backend_sim_set_seed(0);
    }
    void TearDown() override { std::remove(path_.c_str()); }

    static std::unique_ptr<Session> session(const Loaded & loaded, const engine::SessionConfig & config = {}) {
        auto made = Session::create(*loaded.model, *loaded.devices, config);
        EXPECT_TRUE(made.ok()) << made.status().error;
        return made.ok() ? std::move(made.value()) : nullptr;
    }

    std::string path_;
};

const std::vector<Token> kHello = {256, 'H', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'};

std::vector<float> all_logits(Session & session, const std::vector<Token> & tokens) {
    std::vector<float> logits(tokens.size() * kTinyVocab);
    EXPECT_EQ(session.enqueue(tokens, 0, Outputs::All, logits.data()).error, "");
    session.synchronize();
    return logits;
}

TEST_F(SessionTest, TheLastLogitsAreTheLastOfAllLogits) {
    const Loaded loaded = load(path_, "sim*2,cpu");
    const auto s = session(loaded);
    const std::vector<float> all = all_logits(*s, kHello);
    for (const int n_ubatch : {1, 5, 512}) {
        engine::SessionConfig config;
        config.n_ubatch = n_ubatch;
        std::vector<float> last(kTinyVocab);
        const auto other = session(loaded, config);
        ASSERT_EQ(other->enqueue(kHello, 0, Outputs::Last, last.data()).error, "");
        other->synchronize();
        EXPECT_EQ(last, std::vector<float>(all.end() - kTinyVocab, all.end())) << n_ubatch;
    }
}

TEST_F(SessionTest, TokensOneByOneGiveTheLogitsOfAllAtOnce) {
    const Loaded loaded = load(path_, "sim:vulkan,cpu");
    const auto s = session(loaded);
    const std::vector<float> expected = all_logits(*s, kHello);
    std::vector<float> one_by_one(expected.size());
    for (size_t i = 0; i < kHello.size(); i++) {
        ASSERT_EQ(s->enqueue({kHello[i]}, static_cast<int>(i), Outputs::All, one_by_one.data() + i * kTinyVocab).error,
                  "");
    }
    s->synchronize();
    EXPECT_EQ(one_by_one, expected);
}

TEST_F(SessionTest, AnEarlierPositionForgetsTheLaterOnes) {
    const Loaded loaded = load(path_, "sim,cpu");
    const auto fresh = session(loaded);
    const auto used = session(loaded);
    const std::vector<Token> other = {256, 'X', 'y', 'z', 'X', 'y', 'z', 'X', 'y', 'z', 'X', 'y', 'z', '!'};
    (void) all_logits(*used, other);
    EXPECT_EQ(all_logits(*used, kHello), all_logits(*fresh, kHello));
}

TEST_F(SessionTest, RefusesWhatDoesNotFitAndStaysUsable) {
    const Loaded loaded = load(path_, "sim,cpu");
    engine::SessionConfig config;
    config.n_ctx = 12;
    const auto s = session(loaded, config);
    const std::vector<float> expected = all_logits(*s, kHello);
    std::vector<float> logits(expected.size() + kTinyVocab);
    EXPECT_NE(s->enqueue(kHello, 1, Outputs::All, logits.data()).error, "");
    EXPECT_NE(s->enqueue(kHello, -1, Outputs::All, logits.data()).error, "");
    EXPECT_NE(s->enqueue({kTinyVocab}, 0, Outputs::All, logits.data()).error, "");
    EXPECT_NE(s->enqueue({-1}, 0, Outputs::All, logits.data()).error, "");
    EXPECT_EQ(s->enqueue({}, 0, Outputs::All, logits.data()).error, "");
    EXPECT_EQ(all_logits(*s, kHello), expected);
}

TEST_F(SessionTest, SurvivesADeviceThatFails) {
    for (const char * devices : {"sim*2,cpu", "sim:no-events*2,cpu", "sim:no-async*2,cpu"}) {
        const Loaded loaded = load(path_, devices);
        engine::SessionConfig config;
        config.n_ubatch = 3;
        config.parallel = true;
        const auto s = session(loaded, config);
        const std::vector<float> expected = all_logits(*s, kHello);
        for (const int n : {1, 2, 3}) {
            for (const int device : {0, 1}) {
                std::vector<float> logits(expected.size());
                ASSERT_TRUE(ggml_backend_sim_fail_launch(device, n));
                EXPECT_NE(s->enqueue(kHello, 0, Outputs::All, logits.data()).error, "") << devices << " " << n;
                ASSERT_TRUE(ggml_backend_sim_fail_launch(device, 0));
                EXPECT_EQ(all_logits(*s, kHello), expected) << devices << " " << n;
            }
        }
    }
}

TEST_F(SessionTest, ACacheThatDoesNotFitOnTheDeviceIsAnError) {
    const Loaded loaded = load(path_, "sim,cpu");
    const size_t memory = ggml_sim_config_default(GGML_SIM_PROFILE_CUDA).memory_bytes;
    engine::SessionConfig config;
    const size_t bytes_per_position = sizeof(float) * 2 * 2 * 32; // layers, K and V, kv_dim
    const size_t n_ctx = memory / bytes_per_position + 32;
    ASSERT_LT(n_ctx, size_t{1} << 30);
    config.n_ctx = static_cast<int>(n_ctx);
    const auto refused = Session::create(*loaded.model, *loaded.devices, config);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().find("SIM0"), std::string::npos) << refused.error();
}

TEST_F(SessionTest, AMicroBatchNeedsATokenAtLeast) {
    const Loaded loaded = load(path_, "cpu");
    for (const int n_ubatch : {0, -1}) {
        engine::SessionConfig config;
        config.n_ubatch = n_ubatch;
        EXPECT_FALSE(Session::create(*loaded.model, *loaded.devices, config).ok());
    }
}

TEST_F(SessionTest, GenerationUsesTheSameGraphWhileOnlyValuesChange) {
    const Loaded loaded = load(path_, "sim,cpu");
    const Outcome outcome = run(loaded, {}, {"", "abc", 20});
    ASSERT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.stats.runs, 20U);
    EXPECT_LE(outcome.stats.plans, 5U); // the prompt, the first tokens until runs repeat
}

TEST_F(SessionTest, ATextOfSeveralContextsIsPredictedPieceByPiece) {
    const Loaded loaded = load(path_, "cpu");
    const std::string text = "0123456789abcdefghij";
    engine::SessionConfig config;
    config.n_ctx = 8;
    const Outcome whole = run(loaded, config, {text, "", 0});
    ASSERT_EQ(whole.error, "");
    double sum = 0;
    for (const std::string & piece : {text.substr(0, 8), text.substr(8, 8), text.substr(16)}) {
        sum += std::log(run(loaded, config, {piece, "", 0}).perplexity) * static_cast<double>(piece.size());
    }
    EXPECT_NEAR(whole.perplexity, std::exp(sum / 20), 1e-9 * whole.perplexity);
}

} // namespace
} // namespace tests
