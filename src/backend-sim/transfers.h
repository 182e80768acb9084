// The asynchronous transfers of ggml_backend_i.

#pragma once

#include "ggml-backend-impl.h"

namespace ggml_sched::sim {

void set_tensor_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size);
void get_tensor_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size);
void set_tensor_2d_async(ggml_backend_t backend, ggml_tensor * tensor, const void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data);
void get_tensor_2d_async(ggml_backend_t backend, const ggml_tensor * tensor, void * data, size_t offset, size_t size,
                         size_t n_copies, size_t stride_tensor, size_t stride_data);
bool cpy_tensor_async(ggml_backend_t backend_src, ggml_backend_t backend_dst, const ggml_tensor * src,
                      ggml_tensor * dst);

} // namespace ggml_sched::sim
