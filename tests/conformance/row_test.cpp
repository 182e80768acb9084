// Blocks of rows between the host and a device. An older ggml has no such functions.

#include "conformance_test.h"

namespace conformance {

namespace {

// `matrix` is 8 rows of 8 floats: a block of 4 floats in 3 rows, one row apart, from row 2, column 1
constexpr int64_t kSide = 8;
constexpr size_t kRow = kSide * sizeof(float);
constexpr size_t kBlockOffset = 2 * kRow + sizeof(float);
constexpr size_t kBlockWidth = 4 * sizeof(float);
constexpr size_t kBlockRows = 3;

size_t index_in_matrix(size_t row, size_t column) {
    return (2 + row) * kSide + 1 + column;
}

ggml_tensor * matrix_on(World & world, ggml_backend_t backend) {
    ggml_tensor * matrix = world.place(ggml_new_tensor_2d(world.ctx(), GGML_TYPE_F32, kSide, kSide),
                                       ggml_backend_get_default_buffer_type(backend));
    const std::vector<float> data = ramp(kSide * kSide);
    ggml_backend_tensor_set(matrix, data.data(), 0, ggml_nbytes(matrix));
    return matrix;
}

// All of the matrix is the ramp except the block, which is -1, -2, ... 5 to a row of the source
void expect_block_written(const ggml_tensor * matrix) {
    std::vector<float> expected = ramp(kSide * kSide);
    for (size_t row = 0; row < kBlockRows; row++) {
        for (size_t column = 0; column < 4; column++) {
            expected[index_in_matrix(row, column)] = -1.0f - static_cast<float>(row * 5 + column);
        }
    }
    EXPECT_EQ(values_of(matrix), expected);
}

// The source of the block: rows of 5 floats, of which 4 are used
std::vector<float> block_source() {
    std::vector<float> data(kBlockRows * 5);
    for (size_t i = 0; i < data.size(); i++) {
        data[i] = -1.0f - static_cast<float>(i);
    }
    return data;
}

void expect_block_read(const std::vector<float> & block) {
    for (size_t row = 0; row < kBlockRows; row++) {
        for (size_t column = 0; column < 5; column++) {
            const float expected = column < 4 ? static_cast<float>(index_in_matrix(row, column)) : -1.0f;
            EXPECT_EQ(block[row * 5 + column], expected) << row << ", " << column;
        }
    }
}

} // namespace

class RowConformance : public ConformanceTest {};

INSTANTIATE_TEST_SUITE_P(Backends, RowConformance, testing::ValuesIn(subjects()), parameter_name);

TEST_P(RowConformance, BlocksOfRowsAreSetAndGotAsynchronously) {
    on_each_schedule([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * matrix = matrix_on(world, backend);
        const std::vector<float> source = block_source();
        std::vector<float> read(kBlockRows * 5, -1.0f);
        world.delay(backend);
        ggml_backend_tensor_get_2d_async(backend, matrix, read.data(), kBlockOffset, kBlockWidth, kBlockRows, kRow,
                                         5 * sizeof(float));
        ggml_backend_tensor_set_2d_async(backend, matrix, source.data(), kBlockOffset, kBlockWidth, kBlockRows, kRow,
                                         5 * sizeof(float));
        ggml_backend_synchronize(backend);
        expect_block_read(read);
        expect_block_written(matrix);
    });
}

TEST_P(RowConformance, BlocksOfRowsAreSetAndGot) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * matrix = matrix_on(world, backend);
        std::vector<float> read(kBlockRows * 5, -1.0f);
        ggml_backend_tensor_get_2d(matrix, read.data(), kBlockOffset, kBlockWidth, kBlockRows, kRow, 5 * sizeof(float));
        expect_block_read(read);
        ggml_backend_tensor_set_2d(matrix, block_source().data(), kBlockOffset, kBlockWidth, kBlockRows, kRow,
                                   5 * sizeof(float));
        expect_block_written(matrix);
    });
}

TEST_P(RowConformance, BlocksOfNoBytesAreIgnored) {
    once([](World & world) {
        const ggml_backend_t backend = world.backend();
        ggml_tensor * x = world.vector_on(backend, 1.0f);
        ggml_backend_tensor_set_2d_async(backend, x, nullptr, 0, 0, 3, 8, 8);
        ggml_backend_synchronize(backend);
        EXPECT_TRUE(all_are(x, 1.0f));
    });
}

} // namespace conformance
