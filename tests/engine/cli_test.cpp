// The tool sched-run as a user meets it: arguments, exit codes, output.

#include "host_system.h"
#include "tiny_model.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace tests {
namespace {

#ifdef GGML_SCHED_TEST_THIN
constexpr bool kThin = true;
#else
constexpr bool kThin = false;
#endif

using Json = nlohmann::json;

struct Ended {
    int code = -1;
    std::string out;
    std::string err;
};

std::string read(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Ended shell(const std::string & command) {
    const std::string out = temp_path("out");
    const std::string err = temp_path("err");
    Ended ended;
    ended.code = platform::run_shell(command + " >" + out + " 2>" + err);
    ended.out = read(out);
    ended.err = read(err);
    std::remove(out.c_str());
    std::remove(err.c_str());
    return ended;
}

Ended sched_run(const std::string & arguments) {
    return shell(std::string(GGML_SCHED_RUN) + " " + arguments);
}

// Runs the tool with a variable in its environment.
Ended sched_run_with(const char * variable, const char * value, const std::string & arguments) {
    EXPECT_TRUE(platform::set_env(variable, value));
    const Ended ended = sched_run(arguments);
    EXPECT_TRUE(platform::unset_env(variable));
    return ended;
}

const std::string kShort = "--prompt 'Anna' --generate 3 --threads 1 ";

Json json_of(const std::string & arguments) {
    const Ended ended = sched_run(arguments + " --json");
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.out.find('\n'), ended.out.size() - 1) << "more than one line";
    Json json = Json::parse(ended.out, nullptr, false);
    EXPECT_TRUE(json.is_object()) << ended.out;
    return json;
}

void expect_failure(const std::string & arguments, int code, const std::string & part) {
    const Ended ended = sched_run(arguments);
    EXPECT_EQ(ended.code, code) << arguments;
    EXPECT_EQ(ended.out, "") << arguments;
    EXPECT_NE(ended.err.find(part), std::string::npos) << arguments << ": " << ended.err;
    EXPECT_EQ(ended.err.rfind("sched-run: ", 0), 0U) << arguments << ": " << ended.err;
    EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1) << arguments << ": " << ended.err;
}

TEST(SchedRun, WrongUsageIsOneClearLineAndCode2) {
    expect_failure("--bogus", 2, "--bogus");
    expect_failure("extra", 2, "extra");
    expect_failure("--devices gpu", 2, "'gpu'");
    expect_failure("--devices cuda", 2, "'cuda'");
    expect_failure("--devices sim:metal", 2, "no-events");
    expect_failure("--devices 'sim*0'", 2, "'sim*0'");
    expect_failure("--devices cpu,sim", 2, "cpu comes last");
    expect_failure("--devices", 2, "--devices");
    expect_failure("--ubatch 0", 2, "'0'");
    expect_failure("--ubatch 1.5", 2, "'1.5'");
    expect_failure("--ngl many", 2, "'many'");
    expect_failure("--ngl -1", 2, "'-1'");
    expect_failure("--repeat 0", 2, "'0'");
    expect_failure("--threads 1000000", 2, "512");
    expect_failure("--ctx 99999999999999", 2, "99999999999999");
    expect_failure("--seed -x", 2, "--seed");
    expect_failure("--sync sometimes", 2, "sometimes");
    expect_failure("--stream much", 2, "'much'");
    expect_failure("--stream -1", 2, "'-1'");
    expect_failure("--stream 1.5", 2, "nor auto");
    expect_failure("--stream 99999999999999999999", 2, "99999999999999999999");
    expect_failure("--generate 5", 2, "--prompt");
    expect_failure("--seed -1", 2, "'-1'");
    expect_failure("--trace ''", 2, "empty");
    expect_failure("--timeline ''", 2, "empty");
    expect_failure("--timeline same --trace same", 2, "same file");
}

TEST(SchedRun, RefusesAnUnknownWordInTheEnvironment) {
    const Ended mode = sched_run_with("GGML_SCHED_SYNC", "bogus", kShort);
    EXPECT_EQ(mode.code, 2) << mode.err;
    const Ended size = sched_run_with("GGML_SCHED_STREAM", "much", kShort);
    EXPECT_EQ(size.code, 2) << size.err;
}

TEST(SchedRun, ComparesWordsWithoutRegardToCase) {
    const Json json = json_of(kShort + "--devices sim --sync BARRIER --stream Off");
    EXPECT_EQ(json["sync"], "barrier");
    EXPECT_NE(json["streaming"].get<std::string>().find("streaming is off"), std::string::npos) << json["streaming"];
}

TEST(SchedRun, FilesThatCannotBeUsedAreOneClearLineAndCode1) {
    expect_failure("--model /no/such/model", 1, "/no/such/model");
    expect_failure("--perplexity /no/such/text", 1, "/no/such/text");
    expect_failure("--perplexity /tmp", 1, "directory");
    expect_failure("--perplexity /dev/null", 1, "no text");
    expect_failure("--model " + std::string(GGML_SCHED_MODELS) + "/grammar-held-out.txt", 1, "GGUF");
    expect_failure("--prompt x --generate 600", 1, "context of 512");
}

TEST(SchedRun, HelpNamesEveryOptionAndEndsWell) {
    const Ended ended = sched_run("--help");
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
    for (const char * option :
         {"--model", "--devices", "--ngl", "--ubatch", "--sync", "--stream", "--parallel", "--perplexity", "--prompt",
          "--generate", "--repeat", "--verify", "--plan", "--json", "--seed", "--threads", "--ctx"}) {
        EXPECT_NE(ended.out.find(option), std::string::npos) << option;
    }
}

TEST(SchedRun, ExplainsThePatternInHelpAndTable) {
    for (const Ended & ended : {sched_run("--help"), sched_run(kShort + "--devices sim")}) {
        EXPECT_NE(ended.out.find("c blocking copy"), std::string::npos) << ended.out;
        EXPECT_NE(ended.out.find("ag*2"), std::string::npos) << ended.out;
    }
}

TEST(SchedRun, FailsIfTheTraceOfTheEnvironmentCannotBeWritten) {
    const Ended ended = sched_run_with("GGML_SCHED_TRACE", "/nonexistent/t", kShort);
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(ended.err.find("/nonexistent/t"), std::string::npos) << ended.err;
    EXPECT_NE(ended.err.find("GGML_SCHED_TRACE"), std::string::npos) << ended.err;
    const Ended by_option = sched_run(kShort + "--trace /nonexistent/t");
    EXPECT_EQ(by_option.code, 1);
    const size_t first = by_option.err.find("cannot write");
    EXPECT_EQ(first, by_option.err.rfind("cannot write")) << "told once: " << by_option.err;
}

TEST(SchedRun, ShowsWarningsOfTheLibrary) {
    const Ended ended = sched_run("--devices sim:no-events --ngl 0 --ubatch 64 --stream 8 --threads 1");
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_NE(ended.err.find("weights are not streamed to SIM0: it has no events"), std::string::npos) << ended.err;
}

TEST(SchedRun, JsonIsOneObjectWithEverythingInIt) {
    const Json json = json_of(kShort + "--devices 'sim*2,cpu' --ngl 4 --ubatch 2 --verify --repeat 2");
    EXPECT_EQ(json["devices"], Json({"SIM0", "SIM1", "CPU"}));
    EXPECT_EQ(json["layers_on"], Json({"CPU", "CPU", "CPU", "CPU", "SIM0", "SIM0", "SIM1", "SIM1", "CPU"}));
    EXPECT_EQ(json["sync"], "auto");
    EXPECT_EQ(json["n_copies"], 1);
    EXPECT_TRUE(json["perplexity"].is_null());
    EXPECT_TRUE(json["text"].is_string());
    EXPECT_EQ(json["text"].get<std::string>().size(), 3U);
    EXPECT_EQ(json["logits_hash"].get<std::string>().size(), 16U);
    EXPECT_GT(json["tokens_per_second"].get<double>(), 0);
    EXPECT_GT(json["virtual_us"].get<double>(), 0);
    EXPECT_EQ(json["pattern"].size(), json["n_splits"].get<size_t>());
    for (const Json & pattern : json["pattern"]) {
        const std::string letters = pattern;
        EXPECT_EQ(letters.find_first_not_of("swacg"), std::string::npos) << letters;
        EXPECT_EQ(letters.find('g'), letters.size() - 1) << letters;
    }
    for (const char * key :
         {"host_waits", "device_waits", "async_copies", "blocking_copies", "bytes_copied", "launches", "snapshots"}) {
        EXPECT_TRUE(json["stats"][key].is_number_unsigned()) << key;
    }
    // The prompt's 5 tokens in micro-batches of 2, then two of the three new tokens; of the last repetition only
    EXPECT_EQ(json["stats"]["runs"], 3 + 2);
}

TEST(SchedRun, DevicesModesAndSeedsGiveTheSameJsonHash) {
    const std::string expected = json_of(kShort)["logits_hash"];
    for (const char * arguments :
         {"--devices sim", "--devices 'sim:vulkan*2' --parallel --seed 11", "--devices sim --sync serial",
          "--devices 'sim:uma,sim' --sync barrier --ubatch 1 --seed 3", "--devices sim --ngl 0 --ctx 64"}) {
        EXPECT_EQ(json_of(kShort + arguments)["logits_hash"], expected) << arguments;
    }
    EXPECT_NE(json_of("--prompt Anne --generate 3")["logits_hash"], expected);
}

TEST(SchedRun, StreamingGivesTheSameJsonHash) {
    const std::string arguments = "--devices 'sim*2,cpu' --ngl 0 --ubatch 64 --threads 1 --verify --seed 3 --stream ";
    const Json off = json_of(arguments + "0");
    EXPECT_EQ(off["stats"]["streamed_bytes"], 0);
    for (const std::string & stream : kThin ? std::vector<std::string>{"1"} : std::vector<std::string>{"64", "1"}) {
        const Json on = json_of(arguments + stream);
        EXPECT_EQ(on["logits_hash"], off["logits_hash"]) << stream;
        EXPECT_GT(on["stats"]["streamed_bytes"], 0) << stream;
        const auto bytes = [&](const char * name) { return on["stats"][name].get<uint64_t>(); };
        EXPECT_GE(bytes("staged_bytes"), bytes("streamed_bytes") + bytes("cache_bytes")) << "all of it is pageable";
    }
}

TEST(SchedRun, StreamsNoSmallWeightsByItself) {
    const Json json = json_of("--devices sim,cpu --ngl 0 --ubatch 64 --threads 1 --prompt Anne --stream auto");
    EXPECT_EQ(json["stats"]["streamed_bytes"], 0) << "weights of 100 KiB are not worth it";
}

TEST(SchedRun, SaysWhyItStreamsNothing) {
    const std::string arguments = "--devices sim --ngl 0 --ubatch 64 --threads 1 ";
    const Ended by_itself = sched_run(arguments);
    EXPECT_NE(by_itself.out.find("auto leaves such weights alone; give a number of MiB to stream them"),
              std::string::npos)
        << by_itself.out;
    const Ended on = sched_run(arguments + "--stream 8");
    EXPECT_NE(on.out.find("streaming   weights are copied ahead of their use"), std::string::npos) << on.out;
    const std::string off = json_of(arguments + "--stream 0")["streaming"];
    EXPECT_NE(off.find("streaming is off"), std::string::npos) << off;
}

TEST(SchedRun, TheSyncModeComesFromTheOptionElseFromTheEnvironment) {
    EXPECT_EQ(json_of(kShort + "--sync serial --devices sim")["sync"], "serial");
    const Ended by_environment = sched_run_with("GGML_SCHED_SYNC", "barrier", kShort + "--json");
    EXPECT_EQ(Json::parse(by_environment.out)["sync"], "barrier");
}

TEST(SchedRun, WithoutATaskItMeasuresThePerplexityOfOurText) {
    const Json json = json_of("");
    EXPECT_EQ(json["model"], "grammar-1m.gguf");
    EXPECT_EQ(json["n_tokens"], 2048);
    EXPECT_LT(json["perplexity"].get<double>(), 1.2);
    EXPECT_TRUE(json["text"].is_null());
}

TEST(SchedRun, BytesThatAreNoUtf8StayValidJson) {
    const std::string model = temp_path("model.gguf");
    write_tiny_model(model, {}); // random weights write random bytes
    const Json json = json_of("--model " + model + " --prompt x --generate 60");
    EXPECT_TRUE(json["text"].is_string());
    std::remove(model.c_str());
}

TEST(SchedRun, ThePlanIsShownOnRequest) {
    const std::string arguments = kShort + "--devices 'sim*2'";
    EXPECT_FALSE(json_of(arguments).contains("plan"));
    EXPECT_NE(json_of(arguments + " --plan")["plan"].get<std::string>().find("SIM1"), std::string::npos);
    const Ended table = sched_run(arguments + " --plan");
    EXPECT_NE(table.out.find("SIM0: 0-3   SIM1: 4-7, output"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("split 0"), std::string::npos) << table.out;
    EXPECT_EQ(table.err, ""); // no progress bar in a pipe
}

TEST(SchedRun, AnInstalledToolFindsItsModelBesideIt) {
    const fs::path prefix = temp_path("prefix");
    fs::create_directories(prefix / "bin");
    fs::create_directories(prefix / "share/ggml-sched");
    const fs::path tool = prefix / "bin" / fs::path(GGML_SCHED_RUN).filename();
    fs::copy_file(GGML_SCHED_RUN, tool);
    TinyConfig config;
    config.n_layer = 3;
    write_tiny_model((prefix / "share/ggml-sched/grammar-1m.gguf").string(), config);
    const Ended ended = shell(fs::path(tool).make_preferred().string() + " " + kShort + "--json");
    ASSERT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(Json::parse(ended.out)["layers_on"].size(), 4U);
    fs::remove_all(prefix);
}

TEST(SchedRun, TakesNamesWithSpacesAndLettersOfAllLanguages) {
    const std::string name = temp_path("two words \xc3\xbc \xe6\x97\xa5");
    const fs::path dir = fs::u8path(name);
    fs::create_directories(dir);
    const std::string made = temp_path("model.gguf");
    TinyConfig config;
    config.n_layer = 2;
    write_tiny_model(made, config);
    fs::rename(made, dir / "m.gguf");
    const Ended ended = sched_run(kShort + "--json --model '" + name + "/m.gguf' --trace '" + name +
                                  "/t.json' --timeline '" + name + "/t.html'");
    ASSERT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(Json::parse(ended.out)["layers_on"].size(), 3U);
    EXPECT_GT(fs::file_size(dir / "t.json"), 100U);
    EXPECT_GT(fs::file_size(dir / "t.html"), 100U);
    const std::string other = name + "/by variable.json";
    EXPECT_EQ(sched_run_with("GGML_SCHED_TRACE", other.c_str(), kShort).code, 0);
    EXPECT_GT(fs::file_size(fs::u8path(other)), 100U);
    fs::remove_all(dir);
}

} // namespace
} // namespace tests
