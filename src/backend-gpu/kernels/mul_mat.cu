// MUL_MAT, MUL_MAT_ID

#include "mul_mat.cuh"

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

//
// Few columns: 8 neighbouring threads, one for each segment, multiply a row of a with some columns.
//

constexpr int kVectorThreads = 128;
constexpr int kVectorRows = kVectorThreads / kSegments; // of a block of threads
constexpr int64_t kMaxVectorColumns = 8;                // more go to the other kernel

__device__ float sum_of_segments(float mine) {
    const int first_lane = thread() % 32 / kSegments * kSegments;
    float sum = 0.0f;
#pragma unroll
    for (int s = 0; s < kSegments; ++s) {
        sum += shuffle_from(mine, first_lane + s);
    }
    return sum;
}

template <ggml_type Type, int Columns>
__device__ void multiply_row(const MulMat & m, const char * row, int64_t r, int64_t n_rows,
                             const Column (&columns)[Columns], int n) {
    const int segment = thread() % kSegments;
    const int64_t k = m.a.ne[0];
    float sums[Columns] = {};
    if (r < n_rows) {
        for (int64_t first = int64_t{segment} * kQuantBlock; first < k; first += kSegments * kQuantBlock) {
#pragma unroll
            for (int piece = 0; piece < kQuantBlock / kPiece; ++piece) {
                float x[kPiece];
                load_piece<Type>(row, first + piece * kPiece, k, m.a.nb[0], m.a_aligned, x);
#pragma unroll
                for (int c = 0; c < Columns; ++c) {
                    float y[kPiece];
                    load_column_piece(m, columns[c].b, first + piece * kPiece, y);
#pragma unroll
                    for (int i = 0; i < kPiece; ++i) {
                        sums[c] = fmaf(x[i], y[i], sums[c]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (int c = 0; c < Columns; ++c) {
        const float sum = sum_of_segments(sums[c]);
        if (segment == 0 && r < n_rows && c < n) {
            columns[c].dst[r] = sum;
        }
    }
}

template <ggml_type Type, int Columns> __global__ void multiply_vectors(MulMat m) {
    const int64_t r = blockIdx.x * int64_t{kVectorRows} + thread() / kSegments;
    const int64_t first_column = blockIdx.y * int64_t{Columns};
    const int n = static_cast<int>(m.n_columns - first_column < Columns ? m.n_columns - first_column : Columns);
    for (int64_t plane = blockIdx.z; plane < m.n_planes; plane += gridDim.z) {
        int64_t a2 = plane % m.b.ne[2] / (m.b.ne[2] / m.a.ne[2]);
        const int64_t a3 = plane / m.b.ne[2] / (m.b.ne[3] / m.a.ne[3]);
        if (m.by_expert) {
            a2 = expert_of(m, first_column); // Columns is 1
            if (a2 < 0 || a2 >= m.a.ne[2]) {
                *reinterpret_cast<volatile int32_t *>(m.fault) = kBadExpertIndex;
                continue;
            }
        }
        Column columns[Columns];
#pragma unroll
        for (int c = 0; c < Columns; ++c) { // there may be fewer: the last one again
            const int64_t column = first_column + (c < n ? c : n - 1);
            columns[c] = column_at(m, column, plane % m.b.ne[2], plane / m.b.ne[2]);
        }
        multiply_row<Type>(m, row_at(m.a, r, a2, m.by_expert ? 0 : a3), r, m.a.ne[1], columns, n);
    }
}

//
// Many columns: a block of threads makes a tile of products, 4 x 4 for each thread, from blocks of rows and columns in
// shared memory.
//

constexpr int kTile = 64; // rows, and columns
constexpr int kTileStride = kTile + 4;
constexpr int kEach = 4;
constexpr int kSides = kTile / kEach;

struct Tiles {
    float a[kQuantBlock][kTileStride];
    float b[kQuantBlock][kTileStride];
    Column columns[kTile];
};

__device__ void store_piece(float (&tile)[kQuantBlock][kTileStride], int at, int piece, const float (&x)[kPiece]) {
#pragma unroll
    for (int i = 0; i < kPiece; ++i) {
        tile[piece * kPiece + i][at] = x[i];
    }
}

__device__ void add_products(const Tiles & tiles, float (&sums)[kEach][kEach]) {
    const int r0 = thread() / kSides * kEach;
    const int c0 = thread() % kSides * kEach;
#pragma unroll 8
    for (int i = 0; i < kQuantBlock; ++i) {
        const float4 a = *reinterpret_cast<const float4 *>(&tiles.a[i][r0]);
        const float4 b = *reinterpret_cast<const float4 *>(&tiles.b[i][c0]);
        const float x[kEach] = {a.x, a.y, a.z, a.w};
        const float y[kEach] = {b.x, b.y, b.z, b.w};
#pragma unroll
        for (int r = 0; r < kEach; ++r) {
#pragma unroll
            for (int c = 0; c < kEach; ++c) {
                sums[r][c] = fmaf(x[r], y[c], sums[r][c]);
            }
        }
    }
}

// The products of rows [first_row, first_row + kTile) of the plane at `a` with the n columns in tiles.columns. All
// threads of the block take part.
template <ggml_type Type>
__device__ void multiply_tile(const MulMat & m, const char * a, int64_t first_row, int n, Tiles & tiles) {
    const int at = thread() / 4; // the row and the column that this thread loads pieces of
    const int piece = thread() % 4;
    const int64_t k = m.a.ne[0];
    const bool has_row = first_row + at < m.a.ne[1];
    const bool has_column = at < n;
    const char * row = a + (first_row + at) * m.a.nb[1];
    float totals[kEach][kEach] = {};
    for (int64_t segment = 0; segment < kSegments; ++segment) {
        float sums[kEach][kEach] = {};
        for (int64_t first = segment * kQuantBlock; first < k; first += kSegments * kQuantBlock) {
            float x[kPiece] = {};
            float y[kPiece] = {};
            if (has_row) {
                load_piece<Type>(row, first + piece * kPiece, k, m.a.nb[0], m.a_aligned, x);
            }
            if (has_column) {
                load_column_piece(m, tiles.columns[at].b, first + piece * kPiece, y);
            }
            __syncthreads(); // the tiles before have been used
            store_piece(tiles.a, at, piece, x);
            store_piece(tiles.b, at, piece, y);
            __syncthreads();
            add_products(tiles, sums);
        }
#pragma unroll
        for (int r = 0; r < kEach; ++r) {
#pragma unroll
            for (int c = 0; c < kEach; ++c) {
                totals[r][c] += sums[r][c];
            }
        }
    }
    const int r0 = thread() / kSides * kEach;
    const int c0 = thread() % kSides * kEach;
    for (int c = 0; c < kEach && c0 + c < n; ++c) {
        for (int r = 0; r < kEach && first_row + r0 + r < m.a.ne[1]; ++r) {
            tiles.columns[c0 + c].dst[first_row + r0 + r] = totals[r][c];
        }
    }
}

template <ggml_type Type> __global__ void multiply_tiles(MulMat m) {
    __shared__ Tiles tiles;
    const int64_t first_row = blockIdx.x * int64_t{kTile};
    const int64_t first_column = blockIdx.y * int64_t{kTile};
    const int n = static_cast<int>(m.n_columns - first_column < kTile ? m.n_columns - first_column : kTile);
    for (int64_t plane = blockIdx.z; plane < m.n_planes; plane += gridDim.z) {
        const int64_t i2 = plane % m.b.ne[2];
        const int64_t i3 = plane / m.b.ne[2];
        __syncthreads(); // the columns of the plane before have been used
        if (thread() < n) {
            tiles.columns[thread()] = column_at(m, first_column + thread(), i2, i3);
        }
        __syncthreads();
        const char * a = row_at<int64_t>(m.a, 0, i2 / (m.b.ne[2] / m.a.ne[2]), i3 / (m.b.ne[3] / m.a.ne[3]));
        multiply_tile<Type>(m, a, first_row, n, tiles);
    }
}

// The pairs of one expert, collected until there are enough for a tile
struct Pairs {
    int32_t list[kTile + kThreads];
    int count;
};

// A block of threads for some rows of each expert
template <ggml_type Type> __global__ void multiply_experts(MulMat m) {
    __shared__ Tiles tiles;
    __shared__ Pairs pairs;
    const int64_t first_row = blockIdx.x * int64_t{kTile};
    const int32_t expert = static_cast<int32_t>(blockIdx.y);
    const char * a = row_at<int64_t>(m.a, 0, expert, 0);
    if (thread() == 0) {
        pairs.count = 0;
    }
    for (int64_t first = 0; first < m.n_columns; first += kThreads) {
        __syncthreads();
        const int64_t pair = first + thread();
        if (pair < m.n_columns) {
            const int32_t id = expert_of(m, pair);
            if (id == expert) { // where in the list does not matter: columns are independent
                pairs.list[atomicAdd(&pairs.count, 1)] = static_cast<int32_t>(pair);
            } else if (id < 0 || id >= m.a.ne[2]) {
                *reinterpret_cast<volatile int32_t *>(m.fault) = kBadExpertIndex;
            }
        }
        __syncthreads();
        const bool is_last = first + kThreads >= m.n_columns;
        while (pairs.count >= kTile || (is_last && pairs.count > 0)) {
            const int n = pairs.count < kTile ? pairs.count : kTile;
            const int rest = pairs.count - n;
            if (thread() < n) {
                tiles.columns[thread()] = column_at(m, pairs.list[rest + thread()], 0, 0);
            }
            __syncthreads();
            if (thread() == 0) {
                pairs.count = rest;
            }
            multiply_tile<Type>(m, a, first_row, n, tiles);
            __syncthreads();
        }
    }
}

//
// Launches
//

unsigned grid_size(int64_t n, int64_t limit) {
    return static_cast<unsigned>(n < limit ? n : limit);
}

template <ggml_type Type, int Columns> void enqueue_vectors(const Launch & launch, const MulMat & m) {
    const dim3 grid(static_cast<unsigned>((m.a.ne[1] + kVectorRows - 1) / kVectorRows),
                    static_cast<unsigned>((m.n_columns + Columns - 1) / Columns), grid_size(m.n_planes, 65535));
    multiply_vectors<Type, Columns><<<grid, kVectorThreads, 0, launch.stream>>>(m);
}

template <ggml_type Type> void enqueue(const Launch & launch, const MulMat & m) {
    const unsigned row_tiles = static_cast<unsigned>((m.a.ne[1] + kTile - 1) / kTile);
    if (m.n_columns > kMaxVectorColumns && m.by_expert) {
        multiply_experts<Type><<<dim3(row_tiles, static_cast<unsigned>(m.a.ne[2])), kThreads, 0, launch.stream>>>(m);
    } else if (m.n_columns > kMaxVectorColumns) {
        const dim3 grid(row_tiles, static_cast<unsigned>((m.n_columns + kTile - 1) / kTile),
                        grid_size(m.n_planes, 65535));
        multiply_tiles<Type><<<grid, kThreads, 0, launch.stream>>>(m);
    } else if (m.n_columns == 1 || m.by_expert) {
        enqueue_vectors<Type, 1>(launch, m);
    } else if (m.n_columns == 2) {
        enqueue_vectors<Type, 2>(launch, m);
    } else {
        enqueue_vectors<Type, 4>(launch, m);
    }
}

bool is_aligned(const Tensor & t, int64_t element_size) {
    bool aligned = t.nb[0] == element_size && reinterpret_cast<uintptr_t>(t.data) % 16 == 0;
    for (int i = 1; i < 4; ++i) {
        aligned = aligned && t.nb[i] % 16 == 0;
    }
    return aligned;
}

int64_t element_size(ggml_type type) {
    return type == GGML_TYPE_F32 ? 4 : 2;
}

Error enqueue_by_type(const Launch & launch, MulMat & m) {
    m.a_aligned = is_aligned(m.a, element_size(m.a.type));
    m.b_aligned = is_aligned(m.b, element_size(m.b.type));
    m.fault = launch.fault;
    switch (m.a.type) {
    case GGML_TYPE_F16: enqueue<GGML_TYPE_F16>(launch, m); break;
    case GGML_TYPE_BF16: enqueue<GGML_TYPE_BF16>(launch, m); break;
    case GGML_TYPE_Q8_0: enqueue<GGML_TYPE_Q8_0>(launch, m); break;
    case GGML_TYPE_Q4_0: enqueue<GGML_TYPE_Q4_0>(launch, m); break;
    default: enqueue<GGML_TYPE_F32>(launch, m); break;
    }
    return launched();
}

} // namespace

Error launch_mul_mat(const Launch & launch, const Tensor & a, const Tensor & b, const Tensor & dst) {
    MulMat m = {a, b, dst, a, false, false, false, b.ne[1], b.ne[2] * b.ne[3], nullptr};
    return enqueue_by_type(launch, m);
}

Error launch_mul_mat_id(const Launch & launch, const Tensor & a, const Tensor & b, const Tensor & ids,
                        const Tensor & dst) {
    MulMat m = {a, b, dst, ids, true, false, false, ids.ne[0] * ids.ne[1], 1, nullptr};
    return enqueue_by_type(launch, m);
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
