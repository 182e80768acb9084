#include "gguf_exercise.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gguf.h"

namespace gguf_test {

namespace {

// Somewhere to put what has been read, so that reading it is not optimized away
volatile uint64_t sink;

void touch(const void * data, size_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += static_cast<const uint8_t *>(data)[i];
    }
    sink = sum;
}

size_t size_of(gguf_type type) {
    switch (type) {
    case GGUF_TYPE_UINT8:
    case GGUF_TYPE_INT8:
    case GGUF_TYPE_BOOL: return 1;
    case GGUF_TYPE_UINT16:
    case GGUF_TYPE_INT16: return 2;
    case GGUF_TYPE_UINT32:
    case GGUF_TYPE_INT32:
    case GGUF_TYPE_FLOAT32: return 4;
    default: return 8;
    }
}

void use_pair(const gguf_context * ctx, int64_t id) {
    const char * key = gguf_get_key(ctx, id);
    GGML_ASSERT(gguf_find_key(ctx, key) == id);
    const gguf_type type = gguf_get_kv_type(ctx, id);
    if (type == GGUF_TYPE_STRING) {
        touch(gguf_get_val_str(ctx, id), std::strlen(gguf_get_val_str(ctx, id)));
    } else if (type != GGUF_TYPE_ARRAY) {
        touch(gguf_get_val_data(ctx, id), size_of(type));
    } else if (gguf_get_arr_type(ctx, id) == GGUF_TYPE_STRING) {
        for (size_t i = 0; i < gguf_get_arr_n(ctx, id); i++) {
            touch(gguf_get_arr_str(ctx, id, i), std::strlen(gguf_get_arr_str(ctx, id, i)));
        }
    } else {
        touch(gguf_get_arr_data(ctx, id), gguf_get_arr_n(ctx, id) * size_of(gguf_get_arr_type(ctx, id)));
    }
}

void use_tensor(gguf_context * ctx, int64_t id, ggml_context * tensors, bool no_alloc) {
    const char * name = gguf_get_tensor_name(ctx, id);
    GGML_ASSERT(gguf_find_tensor(ctx, name) == id);
    const ggml_tensor * tensor = ggml_get_tensor(tensors, name);
    GGML_ASSERT(tensor && tensor->type == gguf_get_tensor_type(ctx, id));
    GGML_ASSERT(ggml_nbytes(tensor) == gguf_get_tensor_size(ctx, id));
    GGML_ASSERT(std::memcmp(tensor->ne, gguf_get_tensor_ne(ctx, id), sizeof(tensor->ne)) == 0);
    GGML_ASSERT(gguf_get_tensor_offset(ctx, id) % gguf_get_alignment(ctx) == 0);
    if (!no_alloc) {
        touch(tensor->data, ggml_nbytes(tensor));
    }
}

// What has been accepted once is accepted again, and described by the same bytes.
void check_description(const gguf_context * ctx) {
    const size_t size = gguf_get_meta_size(ctx);
    if (size > 1 << 20) {
        return; // a large alignment
    }
    std::vector<uint8_t> first(size);
    gguf_get_meta_data(ctx, first.data());
    ggml_context * tensors = nullptr;
    gguf_context * again = gguf_init_from_buffer(first.data(), size, {true, &tensors});
    GGML_ASSERT(again && gguf_get_meta_size(again) == size);
    std::vector<uint8_t> second(size);
    gguf_get_meta_data(again, second.data());
    GGML_ASSERT(first == second);
    gguf_free(again);
    ggml_free(tensors);
}

} // namespace

bool exercise(const void * data, size_t size, bool no_alloc) {
    ggml_context * tensors = nullptr;
    gguf_context * ctx = gguf_init_from_buffer(data, size, {no_alloc, &tensors});
    GGML_ASSERT((ctx != nullptr) == (tensors != nullptr));
    if (!ctx) {
        return false;
    }
    for (int64_t i = 0; i < gguf_get_n_kv(ctx); i++) {
        use_pair(ctx, i);
    }
    for (int64_t i = 0; i < gguf_get_n_tensors(ctx); i++) {
        use_tensor(ctx, i, tensors, no_alloc);
    }
    check_description(ctx);
    gguf_free(ctx);
    ggml_free(tensors);
    return true;
}

} // namespace gguf_test
