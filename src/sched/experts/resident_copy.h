// ResidentCopy - a tensor in the memory of a device that holds experts of a tensor in host memory: all, or some of
// them.
//
// It owns its tensor and its memory, which is a buffer of its own: types of buffers limit the size. One thread at a
// time.

#pragma once

#include <memory>

#include "host/query.h"

namespace ggml_sched {

struct ResidentCopy {
    struct Free {
        void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
    };
    const void * data = nullptr;           // the original
    ggml_backend_buffer_t host = nullptr;  // its buffer
    size_t bytes = 0;                      // of the copy, alignment included
    size_t expert_bytes = 0;               // of one expert
    std::unique_ptr<ggml_tensor> original; // what the original was, without operands
    std::unique_ptr<ggml_tensor> tensor;
    std::unique_ptr<ggml_backend_buffer, Free> buffer;
};

// Returns the dimension that counts the experts of a tensor: the last one that is not 1.
int expert_dimension(const ggml_tensor * tensor);

// Returns a copy without memory that has room for `n_experts` of the tensor's experts.
ResidentCopy describe_copy(const ggml_tensor * tensor, ggml_backend_buffer_type_t buft, int64_t n_experts);
// Gives the copy memory, without a value. Returns false if the device refuses.
bool allocate_copy(ResidentCopy & copy, ggml_backend_buffer_type_t buft);

} // namespace ggml_sched
