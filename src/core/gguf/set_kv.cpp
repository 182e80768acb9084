#include <cstring>
#include <exception>
#include <utility>

#include "enumerator.h"
#include "ggml-impl.h"
#include "gguf/context.h"

using namespace ggml_sched;
using gguf::KeyValue;

namespace {

// Changes the alignment and moves the tensors, or does nothing and returns false.
bool realign(gguf_context & ctx, size_t alignment) {
    const size_t before = std::exchange(ctx.alignment, alignment);
    if (gguf::place_tensors(ctx, 0)) {
        return true;
    }
    ctx.alignment = before;
    gguf::place_tensors(ctx, 0);
    return false;
}

// The alignment that this pair asks for; 0 if it is not a valid one.
size_t alignment_of(const KeyValue & kv) {
    uint32_t alignment = 0;
    if (kv.type == GGUF_TYPE_UINT32 && !kv.is_array) {
        std::memcpy(&alignment, kv.bytes.data(), sizeof(alignment));
    }
    return gguf::is_valid_alignment(alignment) ? alignment : 0;
}

// Puts the pair into the context, in place of one with the same key.
void set_kv(gguf_context * ctx, KeyValue && kv, const char * function) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", function);
        return;
    }
    if (!gguf::is_valid_key(kv.key)) {
        GGML_LOG_ERROR("%s: a key must have 1 to 65535 bytes, this one has %zu\n", function, kv.key.size());
        return;
    }
    const bool is_alignment = kv.key == GGUF_KEY_GENERAL_ALIGNMENT;
    const size_t alignment = is_alignment ? alignment_of(kv) : 0;
    if (is_alignment && alignment == 0) {
        GGML_LOG_ERROR("%s: %s must be a u32 that is a power of two\n", function, GGUF_KEY_GENERAL_ALIGNMENT);
        return;
    }
    ctx->kv.reserve(ctx->kv.size() + 1); // nothing below throws
    if (is_alignment && !realign(*ctx, alignment)) {
        GGML_LOG_ERROR("%s: with %s %zu the tensor data exceeds 2^63 bytes\n", function, GGUF_KEY_GENERAL_ALIGNMENT,
                       alignment);
        return;
    }
    const int64_t old_id = gguf_find_key(ctx, kv.key.c_str());
    if (old_id >= 0) {
        ctx->kv.erase(ctx->kv.begin() + old_id);
    }
    ctx->kv.push_back(std::move(kv));
}

KeyValue make_kv(const char * key, gguf_type type, bool is_array) {
    KeyValue kv;
    kv.key = key ? key : "";
    kv.type = type;
    kv.is_array = is_array;
    return kv;
}

template <typename T>
void set_value(gguf_context * ctx, const char * key, gguf_type type, T value, const char * function) noexcept {
    try {
        KeyValue kv = make_kv(key, type, false);
        kv.bytes.resize(sizeof(T));
        std::memcpy(kv.bytes.data(), &value, sizeof(T));
        set_kv(ctx, std::move(kv), function);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", function, e.what());
    }
}

} // namespace

extern "C" {

int64_t gguf_remove_key(gguf_context * ctx, const char * key) {
    const int64_t id = gguf_find_key(ctx, key);
    if (id < 0) {
        return -1;
    }
    if (std::strcmp(key, GGUF_KEY_GENERAL_ALIGNMENT) == 0 && !realign(*ctx, GGUF_DEFAULT_ALIGNMENT)) {
        GGML_LOG_ERROR("%s: without %s the tensor data exceeds 2^63 bytes\n", __func__, GGUF_KEY_GENERAL_ALIGNMENT);
        return -1;
    }
    ctx->kv.erase(ctx->kv.begin() + id);
    return id;
}

// Defines the setter of one type.
#define GGUF_SET_VAL(suffix, T, type)                                                                                  \
    void gguf_set_val_##suffix(gguf_context * ctx, const char * key, T val) {                                          \
        set_value(ctx, key, type, val, __func__);                                                                      \
    }
GGUF_SET_VAL(u8, uint8_t, GGUF_TYPE_UINT8)
GGUF_SET_VAL(i8, int8_t, GGUF_TYPE_INT8)
GGUF_SET_VAL(u16, uint16_t, GGUF_TYPE_UINT16)
GGUF_SET_VAL(i16, int16_t, GGUF_TYPE_INT16)
GGUF_SET_VAL(u32, uint32_t, GGUF_TYPE_UINT32)
GGUF_SET_VAL(i32, int32_t, GGUF_TYPE_INT32)
GGUF_SET_VAL(f32, float, GGUF_TYPE_FLOAT32)
GGUF_SET_VAL(u64, uint64_t, GGUF_TYPE_UINT64)
GGUF_SET_VAL(i64, int64_t, GGUF_TYPE_INT64)
GGUF_SET_VAL(f64, double, GGUF_TYPE_FLOAT64)
#undef GGUF_SET_VAL

void gguf_set_val_bool(gguf_context * ctx, const char * key, bool val) {
    set_value(ctx, key, GGUF_TYPE_BOOL, static_cast<uint8_t>(val ? 1 : 0), __func__);
}

void gguf_set_val_str(gguf_context * ctx, const char * key, const char * val) {
    if (!val) {
        GGML_LOG_ERROR("%s: the string is NULL\n", __func__);
        return;
    }
    try {
        KeyValue kv = make_kv(key, GGUF_TYPE_STRING, false);
        kv.strings.emplace_back(val);
        set_kv(ctx, std::move(kv), __func__);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", __func__, e.what());
    }
}

void gguf_set_arr_data(gguf_context * ctx, const char * key, gguf_type type, const void * data, size_t n) {
    const size_t size = gguf::type_size(type);
    if (size == 0) {
        GGML_LOG_ERROR("%s: an array of type %d cannot be given as data%s\n", __func__,
                       ggml_sched::core::number_of(type),
                       ggml_sched::core::number_of(type) == GGUF_TYPE_STRING ? ": use gguf_set_arr_str" : "");
        return;
    }
    if ((!data && n > 0) || n > SIZE_MAX / size) {
        GGML_LOG_ERROR("%s: the data is NULL, or %zu elements are too many\n", __func__, n);
        return;
    }
    try {
        KeyValue kv = make_kv(key, type, true);
        if (n > 0) {
            const auto * begin = static_cast<const uint8_t *>(data);
            kv.bytes.assign(begin, begin + n * size);
        }
        if (type == GGUF_TYPE_BOOL) {
            for (uint8_t & byte : kv.bytes) {
                byte = byte != 0 ? 1 : 0;
            }
        }
        set_kv(ctx, std::move(kv), __func__);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", __func__, e.what());
    }
}

void gguf_set_arr_str(gguf_context * ctx, const char * key, const char ** data, size_t n) {
    if (!data && n > 0) {
        GGML_LOG_ERROR("%s: the data is NULL\n", __func__);
        return;
    }
    try {
        KeyValue kv = make_kv(key, GGUF_TYPE_STRING, true);
        kv.strings.reserve(n);
        for (size_t i = 0; i < n; i++) {
            if (!data[i]) {
                GGML_LOG_ERROR("%s: string %zu is NULL\n", __func__, i);
                return;
            }
            kv.strings.emplace_back(data[i]);
        }
        set_kv(ctx, std::move(kv), __func__);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", __func__, e.what());
    }
}

void gguf_set_kv(gguf_context * ctx, const gguf_context * src) {
    if (!ctx || !src) {
        GGML_LOG_ERROR("%s: a context is NULL\n", __func__);
        return;
    }
    if (ctx == src) {
        return;
    }
    try {
        for (const KeyValue & kv : src->kv) {
            set_kv(ctx, KeyValue(kv), __func__);
        }
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", __func__, e.what());
    }
}

} // extern "C"
