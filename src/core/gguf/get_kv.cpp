#include <cstring>

#include "ggml-impl.h"
#include "gguf/context.h"

using namespace ggml_sched;
using gguf::KeyValue;
using gguf::Printable;

namespace {

// The pair, or NULL and a message in the name of `function`.
const KeyValue * find_kv(const gguf_context * ctx, int64_t key_id, const char * function) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", function);
        return nullptr;
    }
    if (key_id < 0 || static_cast<uint64_t>(key_id) >= ctx->kv.size()) {
        GGML_LOG_ERROR("%s: there is no kv pair %lld, only %zu of them\n", function, static_cast<long long>(key_id),
                       ctx->kv.size());
        return nullptr;
    }
    return &ctx->kv[static_cast<size_t>(key_id)];
}

const char * kind_name(const KeyValue & kv) {
    return gguf_type_name(kv.is_array ? GGUF_TYPE_ARRAY : kv.type);
}

// The pair if it holds a single value of this type, or NULL and a message.
const KeyValue * find_value(const gguf_context * ctx, int64_t key_id, gguf_type type, const char * function) {
    const KeyValue * kv = find_kv(ctx, key_id, function);
    if (kv && (kv->is_array || kv->type != type)) {
        GGML_LOG_ERROR("%s: '%s' is of type %s, not %s\n", function, Printable(kv->key).c_str(), kind_name(*kv),
                       gguf_type_name(type));
        return nullptr;
    }
    return kv;
}

template <typename T> T get_value(const gguf_context * ctx, int64_t key_id, gguf_type type, const char * function) {
    T value = 0;
    if (const KeyValue * kv = find_value(ctx, key_id, type, function)) {
        std::memcpy(&value, kv->bytes.data(), sizeof(T));
    }
    return value;
}

const KeyValue * find_array(const gguf_context * ctx, int64_t key_id, const char * function) {
    const KeyValue * kv = find_kv(ctx, key_id, function);
    if (kv && !kv->is_array) {
        GGML_LOG_ERROR("%s: '%s' is of type %s, not an array\n", function, Printable(kv->key).c_str(), kind_name(*kv));
        return nullptr;
    }
    return kv;
}

} // namespace

extern "C" {

int64_t gguf_get_n_kv(const gguf_context * ctx) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", __func__);
        return 0;
    }
    return static_cast<int64_t>(ctx->kv.size());
}

int64_t gguf_find_key(const gguf_context * ctx, const char * key) {
    if (!ctx || !key) {
        GGML_LOG_ERROR("%s: the context or the key is NULL\n", __func__);
        return -1;
    }
    for (size_t i = 0; i < ctx->kv.size(); i++) {
        if (ctx->kv[i].key == key) {
            return static_cast<int64_t>(i);
        }
    }
    return -1;
}

const char * gguf_get_key(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_kv(ctx, key_id, __func__);
    return kv ? kv->key.c_str() : "";
}

gguf_type gguf_get_kv_type(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_kv(ctx, key_id, __func__);
    if (!kv) {
        return GGUF_TYPE_COUNT;
    }
    return kv->is_array ? GGUF_TYPE_ARRAY : kv->type;
}

gguf_type gguf_get_arr_type(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_array(ctx, key_id, __func__);
    return kv ? kv->type : GGUF_TYPE_COUNT;
}

// Defines the getter of one type.
#define GGUF_GET_VAL(suffix, T, type)                                                                                  \
    T gguf_get_val_##suffix(const gguf_context * ctx, int64_t key_id) {                                                \
        return get_value<T>(ctx, key_id, type, __func__);                                                              \
    }
GGUF_GET_VAL(u8, uint8_t, GGUF_TYPE_UINT8)
GGUF_GET_VAL(i8, int8_t, GGUF_TYPE_INT8)
GGUF_GET_VAL(u16, uint16_t, GGUF_TYPE_UINT16)
GGUF_GET_VAL(i16, int16_t, GGUF_TYPE_INT16)
GGUF_GET_VAL(u32, uint32_t, GGUF_TYPE_UINT32)
GGUF_GET_VAL(i32, int32_t, GGUF_TYPE_INT32)
GGUF_GET_VAL(f32, float, GGUF_TYPE_FLOAT32)
GGUF_GET_VAL(u64, uint64_t, GGUF_TYPE_UINT64)
GGUF_GET_VAL(i64, int64_t, GGUF_TYPE_INT64)
GGUF_GET_VAL(f64, double, GGUF_TYPE_FLOAT64)
#undef GGUF_GET_VAL

bool gguf_get_val_bool(const gguf_context * ctx, int64_t key_id) {
    return get_value<uint8_t>(ctx, key_id, GGUF_TYPE_BOOL, __func__) != 0;
}

const char * gguf_get_val_str(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_value(ctx, key_id, GGUF_TYPE_STRING, __func__);
    return kv ? kv->strings[0].c_str() : "";
}

const void * gguf_get_val_data(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_kv(ctx, key_id, __func__);
    if (kv && (kv->is_array || kv->type == GGUF_TYPE_STRING)) {
        GGML_LOG_ERROR("%s: '%s' is of type %s; this is for single numbers and bools\n", __func__,
                       Printable(kv->key).c_str(), kind_name(*kv));
        return nullptr;
    }
    return kv ? kv->bytes.data() : nullptr;
}

size_t gguf_get_arr_n(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_array(ctx, key_id, __func__);
    if (!kv) {
        return 0;
    }
    if (kv->type == GGUF_TYPE_STRING) {
        return kv->strings.size();
    }
    const size_t size = gguf::type_size(kv->type);
    return size > 0 ? kv->bytes.size() / size : 0;
}

const void * gguf_get_arr_data(const gguf_context * ctx, int64_t key_id) {
    const KeyValue * kv = find_array(ctx, key_id, __func__);
    if (kv && kv->type == GGUF_TYPE_STRING) {
        GGML_LOG_ERROR("%s: '%s' is an array of strings: use gguf_get_arr_str\n", __func__, Printable(kv->key).c_str());
        return nullptr;
    }
    return kv ? kv->bytes.data() : nullptr;
}

const char * gguf_get_arr_str(const gguf_context * ctx, int64_t key_id, size_t i) {
    const KeyValue * kv = find_array(ctx, key_id, __func__);
    if (!kv) {
        return "";
    }
    if (kv->type != GGUF_TYPE_STRING) {
        GGML_LOG_ERROR("%s: '%s' is an array of %s, not of strings\n", __func__, Printable(kv->key).c_str(),
                       gguf_type_name(kv->type));
        return "";
    }
    if (i >= kv->strings.size()) {
        GGML_LOG_ERROR("%s: '%s' has no string %zu, only %zu of them\n", __func__, Printable(kv->key).c_str(), i,
                       kv->strings.size());
        return "";
    }
    return kv->strings[i].c_str();
}

} // extern "C"
