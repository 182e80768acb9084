// Files whose positions need more than 31 and more than 32 bits. Models are that large.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "files.h"
#include "host_system.h"
#include "sparse_file.h"

namespace ggml_sched::core {
namespace {

constexpr uint64_t kGiB = uint64_t(1) << 30;

struct FreeFile {
    void operator()(std::FILE * file) const { std::fclose(file); }
};

class LargeFile : public testing::TestWithParam<uint64_t> {
  protected:
    std::string name_ = testing::TempDir() + "ggml-sched-large-" + std::to_string(platform::process_id()) + "-" +
                        std::to_string(GetParam());
    platform::SparseFile file_{name_};
};

TEST_P(LargeFile, IsReadAtTheRightPlaces) {
    const std::array<uint64_t, 4> places = {0, GetParam() - 8, GetParam(), GetParam() + kGiB};
    for (const uint64_t place : places) {
        ASSERT_TRUE(file_.write(place, &place, sizeof(place)));
    }
    const std::unique_ptr<std::FILE, FreeFile> file(open_file(name_.c_str(), "rb"));
    ASSERT_NE(file, nullptr);
    for (const size_t i : {3, 0, 2, 1}) {
        ASSERT_TRUE(seek_file(file.get(), places[i]));
        uint64_t found = 1;
        ASSERT_EQ(std::fread(&found, sizeof(found), 1, file.get()), 1u);
        EXPECT_EQ(found, places[i]);
        EXPECT_EQ(position_of(file.get()), static_cast<int64_t>(places[i] + sizeof(found)));
    }
    ASSERT_TRUE(seek_end(file.get()));
    EXPECT_EQ(position_of(file.get()), static_cast<int64_t>(places[3] + sizeof(uint64_t)));
}

INSTANTIATE_TEST_SUITE_P(Beyond, LargeFile, testing::Values(2 * kGiB, 4 * kGiB),
                         [](const auto & info) { return std::to_string(info.param / kGiB) + "GiB"; });

} // namespace
} // namespace ggml_sched::core
