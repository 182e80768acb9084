// A model whose last tensor lies behind 4 GiB, in a file with a hole.

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "gguf_file.h"
#include "host_system.h"
#include "sparse_file.h"

namespace engine {
namespace {

// Describes a model with a tensor of `n_skipped` bytes before one of 64. Returns where the data of the last one begins.
size_t write_description(const std::string & name, int64_t n_skipped) {
    const ContextHandle tensors(ggml_init({size_t(1) << 20, nullptr, true}));
    const GgufHandle gguf(gguf_init_empty());
    for (const auto & [tensor_name, n] : {std::pair{"skipped", n_skipped}, std::pair{"last", int64_t(64)}}) {
        ggml_tensor * const tensor = ggml_new_tensor_1d(tensors.get(), GGML_TYPE_I8, n);
        ggml_set_name(tensor, tensor_name);
        gguf_add_tensor(gguf.get(), tensor);
    }
    EXPECT_TRUE(gguf_write_to_file(gguf.get(), name.c_str(), true));
    return gguf_get_meta_size(gguf.get()) + gguf_get_tensor_offset(gguf.get(), 1);
}

class LargeModel : public testing::TestWithParam<int64_t> {};

TEST_P(LargeModel, IsReadBehindTheHole) {
    const std::string name =
        testing::TempDir() + "ggml-sched-large-" + std::to_string(platform::process_id()) + ".gguf";
    const size_t place = write_description(name, GetParam());
    ASSERT_GT(place, static_cast<size_t>(GetParam()));
    std::vector<uint8_t> bytes(64);
    std::iota(bytes.begin(), bytes.end(), uint8_t(1));
    platform::SparseFile sparse(name);
    ASSERT_TRUE(sparse.write(place, bytes.data(), bytes.size()));

    const Result<GgufFile> file = GgufFile::open(name);
    ASSERT_TRUE(file.ok()) << file.error();
    const Result<std::vector<uint8_t>> read = file.value().read("last");
    ASSERT_TRUE(read.ok()) << read.error();
    EXPECT_EQ(read.value(), bytes);
}

INSTANTIATE_TEST_SUITE_P(Beyond, LargeModel, testing::Values(int64_t(2) << 30, int64_t(4) << 30),
                         [](const auto & info) { return std::to_string(info.param >> 30) + "GiB"; });

} // namespace
} // namespace engine
