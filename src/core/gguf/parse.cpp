#include "gguf/parse.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace ggml_sched::gguf {

namespace {

constexpr uint64_t max_bytes = INT64_MAX; // of one tensor, and of all

bool parse_header(Reader & reader, gguf_context & ctx, uint64_t & n_tensors, uint64_t & n_kv) {
    char magic[4] = {};
    if (!reader.read(magic)) {
        return false;
    }
    if (std::memcmp(magic, GGUF_MAGIC, sizeof(magic)) != 0) {
        return reader.fail("not a GGUF file: it begins with '%s'", Printable({magic, sizeof(magic)}).c_str());
    }
    if (!reader.read(ctx.version)) {
        return false;
    }
    if (ctx.version != 0 && (ctx.version & 0xffff) == 0) {
        return reader.fail("version 0x%08" PRIx32 ": the file was made for the other byte order", ctx.version);
    }
    if (ctx.version < 2 || ctx.version > GGUF_VERSION) {
        return reader.fail("version %" PRIu32 ", only 2 and 3 can be read", ctx.version);
    }
    return reader.read(n_tensors) && reader.read(n_kv);
}

bool parse_strings(Reader & reader, KeyValue & kv, uint64_t n) {
    if (n > reader.remaining() / sizeof(uint64_t)) {
        return reader.fail("'%s' has %" PRIu64 " strings, but only %" PRIu64 " bytes are left",
                           Printable(kv.key).c_str(), n, reader.remaining());
    }
    for (uint64_t i = 0; i < n; i++) {
        std::string text;
        if (!reader.read_string(text, UINT64_MAX)) {
            return false;
        }
        kv.strings.push_back(std::move(text));
    }
    return true;
}

bool parse_elements(Reader & reader, KeyValue & kv, uint64_t n) {
    const size_t size = type_size(kv.type);
    if (n > reader.remaining() / size) {
        return reader.fail("'%s' has %" PRIu64 " elements of %zu bytes, but only %" PRIu64 " bytes are left",
                           Printable(kv.key).c_str(), n, size, reader.remaining());
    }
    if (!reader.read(kv.bytes, n * size)) {
        return false;
    }
    const auto is_no_bool = [](uint8_t byte) { return byte > 1; };
    if (kv.type == GGUF_TYPE_BOOL && std::any_of(kv.bytes.begin(), kv.bytes.end(), is_no_bool)) {
        return reader.fail("'%s' has a bool that is neither 0 nor 1", Printable(kv.key).c_str());
    }
    return true;
}

// The enum has room for values below 16 only, so a number is checked before it becomes a type.
bool parse_type(Reader & reader, const KeyValue & kv, gguf_type & type) {
    uint32_t number = 0;
    if (!reader.read(number)) {
        return false;
    }
    if (number >= GGUF_TYPE_COUNT) {
        return reader.fail("'%s' is of the unknown type %" PRIu32, Printable(kv.key).c_str(), number);
    }
    type = static_cast<gguf_type>(number);
    return true;
}

bool parse_kv(Reader & reader, KeyValue & kv, uint64_t index) {
    constexpr uint64_t max_key_length = 65535;
    if (!reader.read_string(kv.key, max_key_length)) {
        return false;
    }
    if (!is_valid_key(kv.key)) {
        return reader.fail("the key of kv pair %" PRIu64 " is empty or has a zero byte", index);
    }
    if (!parse_type(reader, kv, kv.type)) {
        return false;
    }
    uint64_t n = 1;
    if (kv.type == GGUF_TYPE_ARRAY) {
        kv.is_array = true;
        if (!parse_type(reader, kv, kv.type) || !reader.read(n)) {
            return false;
        }
        if (kv.type == GGUF_TYPE_ARRAY) {
            return reader.fail("'%s' is an array of arrays, which is not supported", Printable(kv.key).c_str());
        }
    }
    return kv.type == GGUF_TYPE_STRING ? parse_strings(reader, kv, n) : parse_elements(reader, kv, n);
}

bool find_alignment(Reader & reader, gguf_context & ctx) {
    for (const KeyValue & kv : ctx.kv) {
        if (kv.key != GGUF_KEY_GENERAL_ALIGNMENT) {
            continue;
        }
        uint32_t alignment = 0;
        if (kv.is_array || kv.type != GGUF_TYPE_UINT32) {
            return reader.fail("%s is not a u32", GGUF_KEY_GENERAL_ALIGNMENT);
        }
        std::memcpy(&alignment, kv.bytes.data(), sizeof(alignment));
        if (!is_valid_alignment(alignment)) {
            return reader.fail("%s is %" PRIu32 ", not a power of two", GGUF_KEY_GENERAL_ALIGNMENT, alignment);
        }
        ctx.alignment = alignment;
    }
    return true;
}

bool parse_shape(Reader & reader, ggml_tensor & tensor) {
    const Printable name(tensor.name);
    uint32_t n_dims = 0;
    if (!reader.read(n_dims)) {
        return false;
    }
    if (n_dims > GGML_MAX_DIMS) {
        return reader.fail("tensor '%s' has %" PRIu32 " dimensions, only %d are supported", name.c_str(), n_dims,
                           GGML_MAX_DIMS);
    }
    std::fill(std::begin(tensor.ne), std::end(tensor.ne), 1);
    uint64_t elements = 1; // dimensions of size 0 left out
    for (uint32_t i = 0; i < n_dims; i++) {
        if (!reader.read(tensor.ne[i])) {
            return false;
        }
        const auto ne = static_cast<uint64_t>(std::max<int64_t>(tensor.ne[i], 1));
        if (tensor.ne[i] < 0 || ne > max_bytes / elements) {
            return reader.fail("tensor '%s' has %" PRIi64 " elements in dimension %" PRIu32
                               ": negative, or more than 2^63 in all",
                               name.c_str(), tensor.ne[i], i);
        }
        elements *= ne;
    }
    return true;
}

bool parse_tensor_type(Reader & reader, ggml_tensor & tensor) {
    const Printable name(tensor.name);
    uint32_t number = 0;
    if (!reader.read(number)) {
        return false;
    }
    const auto type = number < GGML_TYPE_COUNT ? static_cast<ggml_type>(number) : GGML_TYPE_COUNT;
    const int64_t block = ggml_blck_size(type);
    if (block <= 0) {
        return reader.fail("tensor '%s' is of ggml type %" PRIu32
                           ", which this library does not have: convert it to F32, F16, BF16, Q8_0 or Q4_0",
                           name.c_str(), number);
    }
    tensor.type = type;
    if (tensor.ne[0] % block != 0) {
        return reader.fail("tensor '%s' of type %s has rows of %" PRIi64 " elements, not a multiple of %" PRIi64,
                           name.c_str(), ggml_type_name(type), tensor.ne[0], block);
    }
    uint64_t elements = 1;
    for (const int64_t ne : tensor.ne) {
        elements *= static_cast<uint64_t>(std::max<int64_t>(ne, 1));
    }
    if (elements / static_cast<uint64_t>(block) > max_bytes / ggml_type_size(type)) {
        return reader.fail("tensor '%s' has more than 2^63 bytes", name.c_str());
    }
    set_contiguous_strides(tensor);
    return true;
}

bool parse_tensor(Reader & reader, TensorInfo & info) {
    std::string name;
    if (!reader.read_string(name, GGML_MAX_NAME - 1)) {
        return false;
    }
    if (name.empty() || name.find('\0') != std::string::npos) {
        return reader.fail("the tensor name '%s' is empty or has a zero byte", Printable(name).c_str());
    }
    std::memcpy(info.tensor.name, name.c_str(), name.size() + 1);
    return parse_shape(reader, info.tensor) && parse_tensor_type(reader, info.tensor) && reader.read(info.offset);
}

// The tensors have to lie where the writer of this library would put them: in order, without gaps.
bool check_offsets(Reader & reader, gguf_context & ctx) {
    std::vector<uint64_t> offsets;
    for (const TensorInfo & info : ctx.tensors) {
        offsets.push_back(info.offset);
    }
    if (!place_tensors(ctx, 0) || data_size(ctx) > max_bytes) {
        return reader.fail("the tensor data has more than 2^63 bytes");
    }
    for (size_t i = 0; i < offsets.size(); i++) {
        const uint64_t expected = ctx.tensors[i].offset;
        if (offsets[i] == expected) {
            continue;
        }
        const char * mistake = offsets[i] % ctx.alignment != 0 ? "is not aligned"
                               : offsets[i] < expected         ? "overlaps the tensors before it"
                                                               : "leaves a gap after the tensor before it";
        return reader.fail("tensor '%s' %s: it is at offset %" PRIu64 " of the data, not at %" PRIu64,
                           Printable(ctx.tensors[i].tensor.name).c_str(), mistake, offsets[i], expected);
    }
    return true;
}

// Sorting instead of hashing: no choice of names makes it slow.
bool check_unique(Reader & reader, std::vector<std::string_view> names, const char * what) {
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    return twice == names.end() || reader.fail("there are two %s '%s'", what, Printable(*twice).c_str());
}

bool check_names(Reader & reader, const gguf_context & ctx) {
    std::vector<std::string_view> keys;
    for (const KeyValue & kv : ctx.kv) {
        keys.emplace_back(kv.key);
    }
    std::vector<std::string_view> names;
    for (const TensorInfo & info : ctx.tensors) {
        names.emplace_back(info.tensor.name);
    }
    return check_unique(reader, std::move(keys), "keys") && check_unique(reader, std::move(names), "tensors");
}

} // namespace

uint64_t data_size(const gguf_context & ctx) {
    return ctx.tensors.empty() ? 0 : ctx.tensors.back().offset + ggml_nbytes(&ctx.tensors.back().tensor);
}

bool parse(Reader & reader, gguf_context & ctx) {
    uint64_t n_tensors = 0;
    uint64_t n_kv = 0;
    if (!parse_header(reader, ctx, n_tensors, n_kv)) {
        return false;
    }
    // The counts are not believed: each pair and tensor takes its memory when it has been read.
    for (uint64_t i = 0; i < n_kv; i++) {
        KeyValue kv;
        if (!parse_kv(reader, kv, i)) {
            return false;
        }
        ctx.kv.push_back(std::move(kv));
    }
    for (uint64_t i = 0; i < n_tensors; i++) {
        TensorInfo info;
        if (!parse_tensor(reader, info)) {
            return false;
        }
        ctx.tensors.push_back(info);
    }
    if (!check_names(reader, ctx) || !find_alignment(reader, ctx) || !check_offsets(reader, ctx)) {
        return false;
    }
    if (n_tensors > 0 && !reader.skip_padding(ctx.alignment)) {
        return false;
    }
    ctx.data_offset = static_cast<size_t>(reader.offset());
    return true;
}

} // namespace ggml_sched::gguf
