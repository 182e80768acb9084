#include "gguf/context.h"
#include "enumerator.h"

#include <cstring>
#include <new>

#include "ggml-impl.h"

namespace ggml_sched::gguf {

namespace {

struct TypeInfo {
    const char * name;
    size_t size;
};

const TypeInfo type_infos[GGUF_TYPE_COUNT] = {
    {"u8", 1},   {"i8", 1},  {"u16", 2}, {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
    {"bool", 1}, {"str", 0}, {"arr", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8},
};

constexpr size_t max_key_length = 65535; // of the specification

const TypeInfo * find_type(const gguf_type & type) {
    return core::is_below(type, GGUF_TYPE_COUNT) ? &type_infos[type] : nullptr;
}

} // namespace

size_t type_size(const gguf_type & type) {
    const TypeInfo * info = find_type(type);
    return info ? info->size : 0;
}

void set_contiguous_strides(ggml_tensor & tensor) {
    tensor.nb[0] = ggml_type_size(tensor.type);
    tensor.nb[1] = tensor.nb[0] * static_cast<size_t>(tensor.ne[0] / ggml_blck_size(tensor.type));
    for (int i = 2; i < GGML_MAX_DIMS; i++) {
        tensor.nb[i] = tensor.nb[i - 1] * static_cast<size_t>(tensor.ne[i - 1]);
    }
}

bool place_tensors(gguf_context & ctx, size_t first) {
    constexpr uint64_t limit = INT64_MAX;
    for (size_t i = first; i < ctx.tensors.size(); i++) {
        uint64_t end = 0;
        if (i > 0) {
            const TensorInfo & before = ctx.tensors[i - 1];
            const uint64_t size = ggml_nbytes(&before.tensor);
            if (size > limit - ctx.alignment || before.offset > limit - ctx.alignment - size) {
                return false;
            }
            end = before.offset + size;
        }
        ctx.tensors[i].offset = GGML_PAD(end, ctx.alignment);
    }
    return true;
}

bool is_valid_key(std::string_view key) {
    return !key.empty() && key.size() <= max_key_length && key.find('\0') == std::string_view::npos;
}

bool is_valid_alignment(uint64_t alignment) {
    return alignment != 0 && (alignment & (alignment - 1)) == 0;
}

Printable::Printable(std::string_view text) noexcept {
    constexpr size_t limit = sizeof(text_) - 4;
    size_t n = 0;
    for (; n < text.size() && n < limit; n++) {
        const auto byte = static_cast<unsigned char>(text[n]);
        text_[n] = byte < 0x20 || byte == 0x7f ? '?' : text[n];
    }
    const char * end = text.size() > limit ? "..." : "";
    std::memcpy(text_ + n, end, std::strlen(end) + 1);
}

} // namespace ggml_sched::gguf

using namespace ggml_sched;

extern "C" {

gguf_context * gguf_init_empty(void) {
    gguf_context * ctx = new (std::nothrow) gguf_context;
    if (!ctx) {
        GGML_LOG_ERROR("%s: out of memory\n", __func__);
    }
    return ctx;
}

void gguf_free(gguf_context * ctx) {
    delete ctx;
}

const char * gguf_type_name(gguf_type type) {
    const gguf::TypeInfo * info = gguf::find_type(type);
    return info ? info->name : nullptr;
}

uint32_t gguf_get_version(const gguf_context * ctx) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", __func__);
        return 0;
    }
    return ctx->version;
}

size_t gguf_get_alignment(const gguf_context * ctx) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", __func__);
        return 0;
    }
    return ctx->alignment;
}

size_t gguf_get_data_offset(const gguf_context * ctx) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", __func__);
        return 0;
    }
    return ctx->data_offset;
}

} // extern "C"
