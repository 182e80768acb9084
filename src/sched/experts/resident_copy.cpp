#include "experts/resident_copy.h"

#include <algorithm>

#include "host/execute.h"

namespace ggml_sched {

int expert_dimension(const ggml_tensor * tensor) {
    int dimension = GGML_MAX_DIMS - 1;
    while (dimension > 0 && tensor->ne[dimension] == 1) {
        dimension--;
    }
    return dimension;
}

ResidentCopy describe_copy(const ggml_tensor * tensor, ggml_backend_buffer_type_t buft, int64_t n_experts) {
    ResidentCopy copy;
    copy.data = tensor->data;
    copy.host = tensor->buffer;
    copy.original = std::make_unique<ggml_tensor>(*tensor);
    std::fill_n(copy.original->src, GGML_MAX_SRC, nullptr);
    copy.tensor = std::make_unique<ggml_tensor>();
    ggml_tensor & own = *copy.tensor;
    own.type = tensor->type;
    std::copy_n(tensor->ne, GGML_MAX_DIMS, own.ne);
    std::copy_n(tensor->nb, GGML_MAX_DIMS, own.nb);
    std::copy_n(tensor->name, GGML_MAX_NAME, own.name);
    const int dimension = expert_dimension(tensor);
    copy.expert_bytes = tensor->nb[dimension];
    if (n_experts < tensor->ne[dimension]) {
        own.ne[dimension] = n_experts;
        for (int i = dimension + 1; i < GGML_MAX_DIMS; i++) {
            own.nb[i] = copy.expert_bytes * static_cast<size_t>(n_experts);
        }
    }
    const size_t alignment = std::max<size_t>(ggml_backend_buft_get_alignment(buft), 1);
    copy.bytes = (ggml_backend_buft_get_alloc_size(buft, &own) + alignment - 1) / alignment * alignment;
    return copy;
}

bool allocate_copy(ResidentCopy & copy, ggml_backend_buffer_type_t buft) {
    copy.buffer.reset(ggml_backend_buft_alloc_buffer(buft, copy.bytes));
    if (!copy.buffer) {
        return false;
    }
    ggml_backend_buffer_set_usage(copy.buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    void * const base = ggml_backend_buffer_get_base(copy.buffer.get());
    return host::place(copy.tensor.get(), copy.buffer.get(), base) == GGML_STATUS_SUCCESS;
}

} // namespace ggml_sched
