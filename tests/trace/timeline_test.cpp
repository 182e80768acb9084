// sched-run --trace and --timeline as a user meets them.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host_system.h"

namespace ggml_sched::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path & path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A directory of its own for each test
class Timeline : public testing::Test {
  protected:
    void SetUp() override {
        const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        folder_ = fs::path(testing::TempDir()) /
                  ("ggml-sched-timeline-" + std::to_string(platform::process_id()) + "-" + name);
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    int shell(const std::string & command) {
        const int code = platform::run_shell(command + " >" + at("out") + " 2>" + at("err"));
        out_ = read(at("out"));
        err_ = read(at("err"));
        fs::remove(at("out"));
        fs::remove(at("err"));
        return code;
    }
    int sched_run(const std::string & arguments) {
        return shell(std::string(GGML_SCHED_RUN) + " --prompt Anna --generate 4 --threads 1 " + arguments);
    }
    int check_page(const std::string & path) {
        return shell(std::string(GGML_SCHED_PYTHON) + " " + GGML_SCHED_CHECK_PAGE + " " + path);
    }

    std::string at(const std::string & name) const { return (folder_ / name).string(); }
    size_t n_files() const {
        return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
    }

    fs::path folder_;
    std::string out_;
    std::string err_;
};

TEST_F(Timeline, IsOnePageThatNeedsNothingElse) {
    for (const char * devices : {"cpu", "'sim*4' --parallel", "'sim:vulkan,sim:no-events,sim:uma,sim:no-async'"}) {
        SCOPED_TRACE(devices);
        ASSERT_EQ(sched_run("--ubatch 2 --timeline " + at("page.html") + " --devices " + devices), 0) << err_;
        EXPECT_EQ(err_, "");
        EXPECT_EQ(check_page(at("page.html")), 0) << out_ << err_;
        EXPECT_EQ(n_files(), 1U) << "something was left behind";
    }
}

TEST_F(Timeline, AndTraceHoldTheSameEvents) {
    ASSERT_EQ(sched_run("--devices 'sim*2' --timeline " + at("page.html") + " --trace " + at("trace.json")), 0) << err_;
    EXPECT_EQ(n_files(), 2U);
    const std::string trace = read(at("trace.json"));
    EXPECT_TRUE(nlohmann::json::parse(trace, nullptr, false).is_object());
    EXPECT_NE(read(at("page.html")).find(trace), std::string::npos);
}

TEST_F(Timeline, ChangesNothingElse) {
    ASSERT_EQ(sched_run("--devices 'sim*2' --json"), 0) << err_;
    const auto without = nlohmann::json::parse(out_);
    ASSERT_EQ(sched_run("--devices 'sim*2' --json --trace " + at("trace.json")), 0) << err_;
    const auto with = nlohmann::json::parse(out_);
    for (const char * key : {"logits_hash", "virtual_us", "stats", "pattern"}) {
        EXPECT_EQ(with[key], without[key]) << key;
    }
}

TEST_F(Timeline, ThatCannotBeWrittenIsOneLineAndCode1) {
    for (const char * option : {"--timeline", "--trace"}) {
        EXPECT_EQ(sched_run(std::string(option) + " " + at("none/file")), 1) << option;
        EXPECT_EQ(out_, "") << option;
        EXPECT_NE(err_.find(at("none/file")), std::string::npos) << err_;
        EXPECT_EQ(err_.find('\n'), err_.size() - 1) << err_;
    }
    EXPECT_EQ(n_files(), 0U);
}

} // namespace
} // namespace ggml_sched::test
