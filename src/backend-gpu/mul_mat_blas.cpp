#include "mul_mat_blas.h"

#include <algorithm>
#include <climits>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

namespace {

constexpr int64_t kPanel = 64;                    // columns
constexpr int64_t kMinWeights = int64_t{1} << 22; // elements of a matrix; smaller ones are not worth it
constexpr size_t kBlasBytes = size_t{32} << 20;

bool is_blas_type(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16;
}

bool is_large_matrix(const ggml_tensor * a) {
    return is_blas_type(a->type) && a->ne[2] == 1 && a->ne[3] == 1 && a->ne[0] * a->ne[1] >= kMinWeights &&
           a->ne[0] <= INT_MAX && a->ne[1] <= INT_MAX && a->ne[0] % 8 == 0 && a->ne[1] % 8 == 0 &&
           ggml_is_contiguous(a) && reinterpret_cast<uintptr_t>(a->data) % 16 == 0;
}

bool is_for_blas(const ggml_tensor * node) {
    return node->op == GGML_OP_MUL_MAT && ggml_get_op_params_i32(node, 0) == GGML_PREC_DEFAULT &&
           is_large_matrix(node->src[0]) && node->src[1]->ne[2] == 1 && node->src[1]->ne[3] == 1 &&
           ggml_is_contiguous(node);
}

size_t packed_bytes_of(const ggml_tensor * a) {
    return static_cast<size_t>(a->ne[0] * kPanel) * ggml_type_size(a->type);
}
size_t product_bytes_of(const ggml_tensor * a) {
    return static_cast<size_t>(a->ne[1] * kPanel) * sizeof(float);
}

} // namespace

void BlasMultiplier::close() {
    blas_.close();
    if (memory_ != nullptr) {
        (void) free_device(memory_);
        memory_ = nullptr;
    }
    packed_bytes_ = 0;
    product_bytes_ = 0;
    state_ = State::Closed;
}

Error BlasMultiplier::reserve(Stream stream, const std::vector<ggml_tensor *> & nodes, bool & grew) {
    grew = false;
    size_t packed = packed_bytes_;
    size_t product = product_bytes_;
    for (const ggml_tensor * node : nodes) {
        if (is_for_blas(node)) {
            packed = std::max(packed, packed_bytes_of(node->src[0]));
            product = std::max(product, product_bytes_of(node->src[0]));
        }
    }
    if (state_ == State::Unavailable || (packed == packed_bytes_ && product == product_bytes_)) {
        return kSuccess;
    }
    grew = state_ == State::Open;
    close(); // waits for work in flight
    void * memory = nullptr;
    const Error error = allocate_device(&memory, kBlasBytes + packed + product);
    if (error != kSuccess) {
        return error;
    }
    memory_ = static_cast<char *>(memory);
    if (!blas_.open(stream, memory_, kBlasBytes)) {
        GGML_LOG_WARN("%s: no BLAS can be loaded; large matrices are multiplied by kernels that are slower\n",
                      kVendorName);
        close();
        state_ = State::Unavailable;
        return kSuccess;
    }
    packed_bytes_ = packed;
    product_bytes_ = product;
    state_ = State::Open;
    return kSuccess;
}

bool BlasMultiplier::takes(const ggml_tensor * node) const {
    return state_ == State::Open && is_for_blas(node);
}

bool BlasMultiplier::multiply(const Launch & launch, const ggml_tensor * node) const {
    const ggml_tensor * a = node->src[0];
    const Tensor b = tensor_of(node->src[1]);
    char * const packed = memory_ + kBlasBytes;
    auto * const product = reinterpret_cast<float *>(packed + packed_bytes_);
    const BlasType type = a->type == GGML_TYPE_F32   ? BlasType::F32
                          : a->type == GGML_TYPE_F16 ? BlasType::F16
                                                     : BlasType::BF16;
    const int64_t m = a->ne[1];
    for (int64_t first = 0; first < b.ne[1]; first += kPanel) {
        const int64_t n = std::min(kPanel, b.ne[1] - first);
        float * const result = static_cast<float *>(node->data) + first * m;
        const BlasProduct panel = {a->data,
                                   packed,
                                   n == kPanel ? result : product,
                                   type,
                                   static_cast<int>(m),
                                   static_cast<int>(kPanel),
                                   static_cast<int>(a->ne[0])};
        Error error = launch_pack_columns(launch, b, first, n, kPanel, a->type, packed);
        const char * text = error_text(error);
        bool done = error == kSuccess && blas_.multiply(panel, &text);
        if (done && n < kPanel) {
            error = copy_within_device(result, product, static_cast<size_t>(n * m) * sizeof(float), launch.stream);
            text = error_text(error);
            done = error == kSuccess;
        }
        if (!done) {
            (void) take_last_error();
            GGML_LOG_ERROR("%s: multiplying with '%s' failed: %s\n", kVendorName, a->name, text);
            return false;
        }
    }
    return true;
}

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
