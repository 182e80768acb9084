// The engine computes what a llama is, whatever the weights' type, the heads and the micro-batch.

#include "reference_llama.h"
#include "runner.h"
#include "tiny_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace tests {
namespace {

const std::vector<engine::Token> kTokens = {256, 'A', ' ', 'l', 'i', 't', 't', 'l', 'e', ' ', 't', 'e',
                                            'x', 't', '.', 256, 0,   1,   255, 128, 10,  13,  'z', 'z',
                                            'z', 'z', '9', '8', '7', '6', 'l', 'a', 's', 't'};

struct Variant {
    TinyConfig config;
    std::string name;
};

std::vector<Variant> variants() {
    std::vector<Variant> all;
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0}) {
        for (const int n_head_kv : {1, 2, 4}) {
            for (const bool tied : {false, true}) {
                Variant v;
                v.config.type = type;
                v.config.n_head_kv = n_head_kv;
                v.config.tied = tied;
                v.name = std::string(ggml_type_name(type)) + "_" + std::to_string(n_head_kv) + "KvHeads" +
                         (tied ? "_Tied" : "_Own");
                all.push_back(v);
            }
        }
    }
    return all;
}

std::vector<float> logits_of(const Loaded & loaded, const engine::SessionConfig & config) {
    std::vector<float> logits(kTokens.size() * kTinyVocab);
    const auto session = engine::Session::create(*loaded.model, *loaded.devices, config);
    EXPECT_TRUE(session.ok()) << session.status().error;
    if (session.ok()) {
        EXPECT_EQ(session.value()->enqueue(kTokens, 0, engine::Outputs::All, logits.data()).error, "");
        session.value()->synchronize();
    }
    return logits;
}

double greatest_difference(const std::vector<float> & a, const std::vector<std::vector<double>> & b) {
    double greatest = 0;
    for (size_t i = 0; i < a.size(); i++) {
        const double difference = std::fabs(a[i] - b[i / kTinyVocab][i % kTinyVocab]);
        greatest = std::isfinite(difference) ? std::max(greatest, difference) : INFINITY;
    }
    return greatest;
}

class ModelVariants : public testing::TestWithParam<Variant> {
  protected:
    void SetUp() override { path_ = temp_path("model.gguf"); }
    void TearDown() override { std::remove(path_.c_str()); }
    std::string path_;
};

TEST_P(ModelVariants, LogitsAreThoseOfALlamaInDoublePrecision) {
    const TinyModel model = write_tiny_model(path_, GetParam().config);
    const Loaded loaded = load(path_, "cpu");
    ASSERT_EQ(loaded.error, "");
    const double difference = greatest_difference(logits_of(loaded, {}), reference_logits(model, kTokens));
    RecordProperty("difference", std::to_string(difference));
    EXPECT_LT(difference, 1e-4);
}

TEST_P(ModelVariants, GiveTheSameBitsForAnyBatchAndThreads) {
    write_tiny_model(path_, GetParam().config);
    const Loaded one_thread = load(path_, "cpu");
    ASSERT_EQ(one_thread.error, "");
    const std::vector<float> expected = logits_of(one_thread, {});
    for (const int n_ubatch : {1, 2, 7, 32, 33, 512}) {
        engine::SessionConfig config;
        config.n_ubatch = n_ubatch;
        config.n_ctx = n_ubatch % 2 == 0 ? 128 : static_cast<int>(kTokens.size());
        EXPECT_EQ(logits_of(one_thread, config), expected) << n_ubatch;
    }
    EXPECT_EQ(logits_of(load(path_, "cpu", kAllLayers, 3), {}), expected);
}

INSTANTIATE_TEST_SUITE_P(Tiny, ModelVariants, testing::ValuesIn(variants()),
                         [](const auto & info) { return info.param.name; });

TEST(Model, AHalfPrecisionCacheChangesLogitsLittle) {
    const std::string path = temp_path("model.gguf");
    const TinyModel model = write_tiny_model(path, {});
    const Loaded loaded = load(path, "cpu");
    ASSERT_EQ(loaded.error, "");
    engine::SessionConfig config;
    config.kv_type = GGML_TYPE_F16;
    const double difference = greatest_difference(logits_of(loaded, config), reference_logits(model, kTokens));
    EXPECT_LT(difference, 2e-2);
    EXPECT_GT(difference, 1e-5); // so it is in use
    std::remove(path.c_str());
}

TEST(Model, TheTrainedModelHasThePerplexityThatTrainingMeasured) {
    const Loaded loaded = load(own_model_path(), "cpu");
    ASSERT_EQ(loaded.error, "");
#ifdef GGML_SCHED_TEST_THIN
    const Outcome outcome = run(loaded, {}, {held_out_text().substr(0, 512), "", 0});
    ASSERT_EQ(outcome.error, "");
    EXPECT_LT(outcome.perplexity, 1.3);
#else
    const Outcome outcome = run(loaded, {}, {held_out_text(), "", 0});
    ASSERT_EQ(outcome.error, "");
    EXPECT_NEAR(outcome.perplexity, 1.1412, 1e-4); // models/README.md
#endif
}

TEST(Model, TheTrainedModelCanCountAndRemembersNames) {
    const Loaded loaded = load(own_model_path(), "cpu");
    ASSERT_EQ(loaded.error, "");
    const auto next = [&](const std::string & prompt, int n) { return run(loaded, {}, {"", prompt, n}).generated; };
    EXPECT_EQ(next("Two plus nine is", 7), " eleven");
    EXPECT_EQ(
        next("Paul found a red key. He took the red key to the barn at noon. There he met Zoe. Paul gave the red key "
             "to Zoe. Zoe was happy and thanked him. Who has the red key now?",
             12),
        " Zoe has it.");
}

} // namespace
} // namespace tests
