#include <cstring>
#include <exception>

#include "enumerator.h"
#include "ggml-impl.h"
#include "gguf/context.h"

using namespace ggml_sched;
using gguf::Printable;
using gguf::TensorInfo;

namespace {

const TensorInfo * find_info(const gguf_context * ctx, int64_t tensor_id, const char * function) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", function);
        return nullptr;
    }
    if (tensor_id < 0 || static_cast<uint64_t>(tensor_id) >= ctx->tensors.size()) {
        GGML_LOG_ERROR("%s: there is no tensor %lld, only %zu of them\n", function, static_cast<long long>(tensor_id),
                       ctx->tensors.size());
        return nullptr;
    }
    return &ctx->tensors[static_cast<size_t>(tensor_id)];
}

TensorInfo * find_info_by_name(gguf_context * ctx, const char * name, const char * function) {
    const int64_t id = gguf_find_tensor(ctx, name);
    if (id >= 0) {
        return &ctx->tensors[static_cast<size_t>(id)];
    }
    if (ctx && name) {
        GGML_LOG_ERROR("%s: there is no tensor '%s'\n", function, Printable(name).c_str());
    }
    return nullptr;
}

} // namespace

extern "C" {

int64_t gguf_get_n_tensors(const gguf_context * ctx) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", __func__);
        return 0;
    }
    return static_cast<int64_t>(ctx->tensors.size());
}

int64_t gguf_find_tensor(const gguf_context * ctx, const char * name) {
    if (!ctx || !name) {
        GGML_LOG_ERROR("%s: the context or the name is NULL\n", __func__);
        return -1;
    }
    for (size_t i = 0; i < ctx->tensors.size(); i++) {
        if (std::strcmp(ctx->tensors[i].tensor.name, name) == 0) {
            return static_cast<int64_t>(i);
        }
    }
    return -1;
}

size_t gguf_get_tensor_offset(const gguf_context * ctx, int64_t tensor_id) {
    const TensorInfo * info = find_info(ctx, tensor_id, __func__);
    return info ? static_cast<size_t>(info->offset) : 0;
}

const char * gguf_get_tensor_name(const gguf_context * ctx, int64_t tensor_id) {
    const TensorInfo * info = find_info(ctx, tensor_id, __func__);
    return info ? info->tensor.name : "";
}

const int64_t * gguf_get_tensor_ne(const gguf_context * ctx, int64_t tensor_id) {
    const TensorInfo * info = find_info(ctx, tensor_id, __func__);
    return info ? info->tensor.ne : nullptr;
}

ggml_type gguf_get_tensor_type(const gguf_context * ctx, int64_t tensor_id) {
    const TensorInfo * info = find_info(ctx, tensor_id, __func__);
    return info ? info->tensor.type : GGML_TYPE_COUNT;
}

size_t gguf_get_tensor_size(const gguf_context * ctx, int64_t tensor_id) {
    const TensorInfo * info = find_info(ctx, tensor_id, __func__);
    return info ? ggml_nbytes(&info->tensor) : 0;
}

void gguf_add_tensor(gguf_context * ctx, const ggml_tensor * tensor) {
    if (!ctx || !tensor) {
        GGML_LOG_ERROR("%s: the context or the tensor is NULL\n", __func__);
        return;
    }
    const Printable name(tensor->name);
    if (tensor->name[0] == '\0') {
        GGML_LOG_ERROR("%s: the tensor has no name: call ggml_set_name\n", __func__);
        return;
    }
    if (gguf_find_tensor(ctx, tensor->name) >= 0) {
        GGML_LOG_ERROR("%s: there already is a tensor '%s'\n", __func__, name.c_str());
        return;
    }
    if (!ggml_is_contiguous(tensor)) {
        GGML_LOG_ERROR("%s: tensor '%s' is not contiguous: write a ggml_cont of it\n", __func__, name.c_str());
        return;
    }
    try {
        TensorInfo info;
        info.tensor = *tensor;
        if (tensor->view_src) {
            info.tensor.buffer = tensor->view_src->buffer;
        }
        // The operands may be gone when the file is written.
        info.tensor.view_src = nullptr;
        info.tensor.op = GGML_OP_NONE;
        std::memset(info.tensor.src, 0, sizeof(info.tensor.src));
        ctx->tensors.push_back(info);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", __func__, e.what());
        return;
    }
    if (!gguf::place_tensors(*ctx, ctx->tensors.size() - 1)) {
        ctx->tensors.pop_back();
        GGML_LOG_ERROR("%s: with tensor '%s' the tensor data exceeds 2^63 bytes\n", __func__, name.c_str());
    }
}

void gguf_set_tensor_type(gguf_context * ctx, const char * name, ggml_type type) {
    TensorInfo * info = find_info_by_name(ctx, name, __func__);
    if (!info) {
        return;
    }
    const ggml_type known = ggml_sched::core::known_or_count(type, GGML_TYPE_COUNT);
    const int64_t block = ggml_blck_size(known);
    if (block == 0 || info->tensor.ne[0] % block != 0) {
        GGML_LOG_ERROR("%s: tensor '%s' with rows of %lld elements cannot be of type %d (%s)\n", __func__, name,
                       static_cast<long long>(info->tensor.ne[0]), ggml_sched::core::number_of(type),
                       ggml_type_name(known));
        return;
    }
    const ggml_tensor before = info->tensor;
    const auto next = static_cast<size_t>(info - ctx->tensors.data()) + 1;
    info->tensor.type = type;
    info->tensor.data = nullptr;
    info->tensor.buffer = nullptr;
    gguf::set_contiguous_strides(info->tensor);
    if (!gguf::place_tensors(*ctx, next)) {
        info->tensor = before;
        gguf::place_tensors(*ctx, next);
        GGML_LOG_ERROR("%s: with type %s the tensor data exceeds 2^63 bytes\n", __func__, ggml_type_name(type));
    }
}

void gguf_set_tensor_data(gguf_context * ctx, const char * name, const void * data) {
    TensorInfo * info = find_info_by_name(ctx, name, __func__);
    if (info) {
        info->tensor.data = const_cast<void *>(data); // only read from
        info->tensor.buffer = nullptr;
    }
}

} // extern "C"
