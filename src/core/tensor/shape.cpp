// Questions about shapes and strides. Counts of NULL are 0; the comparisons need tensors.

#include "ggml-impl.h"
#include "tensor/context.h"

#include <cstring>

static_assert(GGML_MAX_DIMS == 4, "the functions here name each dimension");

namespace {

// Whether dimension 0 and those above `free` follow each other without gaps; those up to `free` may have any stride.
bool contiguous_above(const ggml_tensor * tensor, int free) {
    const int64_t block = ggml_blck_size(tensor->type);
    size_t expected = ggml_type_size(tensor->type);
    if (block == 0 || (tensor->ne[0] != block && tensor->nb[0] != expected)) {
        return false; // The type is unknown, or there is a gap.
    }
    expected *= static_cast<size_t>(tensor->ne[0] / block);
    for (int i = 1; i < GGML_MAX_DIMS; i++) {
        if (i <= free) {
            expected = tensor->nb[i];
        } else if (tensor->ne[i] != 1 && tensor->nb[i] != expected) {
            return false;
        }
        expected *= static_cast<size_t>(tensor->ne[i]);
    }
    return true;
}

// The bytes of a contiguous layout, which most tensors have; such layouts were checked when the tensor was made. 0 for
// any other.
size_t contiguous_bytes(const ggml_tensor & tensor) {
    const ggml_type_traits * traits = ggml_get_type_traits(tensor.type);
    const int64_t * ne = tensor.ne;
    const size_t * nb = tensor.nb;
    if (!traits || ne[0] <= 0 || ne[1] <= 0 || ne[2] <= 0 || ne[3] <= 0) {
        return 0;
    }
    const int64_t n_blocks = traits->blck_size == 1 ? ne[0] : ne[0] / traits->blck_size;
    const bool contiguous = nb[0] == traits->type_size && nb[1] == nb[0] * static_cast<size_t>(n_blocks) &&
                            nb[2] == nb[1] * static_cast<size_t>(ne[1]) && nb[3] == nb[2] * static_cast<size_t>(ne[2]);
    return contiguous ? nb[3] * static_cast<size_t>(ne[3]) : 0;
}

} // namespace

extern "C" {

int64_t ggml_nelements(const struct ggml_tensor * tensor) {
    return tensor ? tensor->ne[0] * tensor->ne[1] * tensor->ne[2] * tensor->ne[3] : 0;
}

int64_t ggml_nrows(const struct ggml_tensor * tensor) {
    return tensor ? tensor->ne[1] * tensor->ne[2] * tensor->ne[3] : 0;
}

size_t ggml_nbytes(const struct ggml_tensor * tensor) {
    size_t extent = tensor ? contiguous_bytes(*tensor) : 0;
    if (extent > 0) {
        return extent;
    }
    return tensor && ggml_sched::core::byte_extent(ggml_sched::core::layout_of(tensor), extent) ? extent : 0;
}

size_t ggml_nbytes_pad(const struct ggml_tensor * tensor) {
    return GGML_PAD(ggml_nbytes(tensor), static_cast<size_t>(GGML_MEM_ALIGN));
}

size_t ggml_element_size(const struct ggml_tensor * tensor) {
    return tensor ? ggml_type_size(tensor->type) : 0;
}

int ggml_n_dims(const struct ggml_tensor * tensor) {
    int n_dims = tensor ? GGML_MAX_DIMS : 0;
    while (n_dims > 1 && tensor->ne[n_dims - 1] == 1) {
        n_dims--;
    }
    return n_dims;
}

bool ggml_is_transposed(const struct ggml_tensor * tensor) {
    return tensor->nb[0] > tensor->nb[1];
}

bool ggml_is_permuted(const struct ggml_tensor * tensor) {
    const size_t * nb = tensor->nb;
    return nb[0] > nb[1] || nb[1] > nb[2] || nb[2] > nb[3];
}

bool ggml_is_empty(const struct ggml_tensor * tensor) {
    const int64_t * ne = tensor->ne;
    return ne[0] == 0 || ne[1] == 0 || ne[2] == 0 || ne[3] == 0;
}

bool ggml_is_view(const struct ggml_tensor * tensor) {
    return tensor->view_src != nullptr;
}

bool ggml_is_scalar(const struct ggml_tensor * tensor) {
    return tensor->ne[0] == 1 && ggml_is_vector(tensor);
}

bool ggml_is_vector(const struct ggml_tensor * tensor) {
    return tensor->ne[1] == 1 && ggml_is_matrix(tensor);
}

bool ggml_is_matrix(const struct ggml_tensor * tensor) {
    return tensor->ne[2] == 1 && ggml_is_3d(tensor);
}

bool ggml_is_3d(const struct ggml_tensor * tensor) {
    return tensor->ne[3] == 1;
}

bool ggml_is_contiguous(const struct ggml_tensor * tensor) {
    return contiguous_above(tensor, 0);
}

bool ggml_is_contiguous_0(const struct ggml_tensor * tensor) {
    return contiguous_above(tensor, 0);
}

bool ggml_is_contiguous_1(const struct ggml_tensor * tensor) {
    return contiguous_above(tensor, 1);
}

bool ggml_is_contiguous_2(const struct ggml_tensor * tensor) {
    return contiguous_above(tensor, 2);
}

bool ggml_is_contiguous_rows(const struct ggml_tensor * tensor) {
    return tensor->ne[0] == ggml_blck_size(tensor->type) || tensor->nb[0] == ggml_type_size(tensor->type);
}

bool ggml_is_contiguously_allocated(const struct ggml_tensor * tensor) {
    const int64_t block = ggml_blck_size(tensor->type);
    const int64_t blocks = block == 0 ? 0 : ggml_nelements(tensor) / block;
    return block != 0 && ggml_nbytes(tensor) == static_cast<size_t>(blocks) * ggml_type_size(tensor->type);
}

bool ggml_are_same_shape(const struct ggml_tensor * t0, const struct ggml_tensor * t1) {
    return std::memcmp(t0->ne, t1->ne, sizeof(t0->ne)) == 0;
}

bool ggml_are_same_stride(const struct ggml_tensor * t0, const struct ggml_tensor * t1) {
    return std::memcmp(t0->nb, t1->nb, sizeof(t0->nb)) == 0;
}

bool ggml_can_repeat(const struct ggml_tensor * t0, const struct ggml_tensor * t1) {
    if (ggml_is_empty(t0)) {
        return ggml_is_empty(t1);
    }
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        if (t1->ne[i] % t0->ne[i] != 0) {
            return false;
        }
    }
    return true;
}

} // extern "C"
