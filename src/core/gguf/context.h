// gguf_context.h - what a GGUF file holds, in memory.
//
// Invariants: keys are unique, and so are tensor names; neither holds a zero byte. Tensors are contiguous, and each
// offset is the end of the tensor before, padded to the alignment, which is a power of two.
//
// Threading: as gguf.h says.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gguf.h"

namespace ggml_sched::gguf {

struct KeyValue {
    std::string key;
    gguf_type type = GGUF_TYPE_COUNT; // of the value, or of each element of an array; never GGUF_TYPE_ARRAY
    bool is_array = false;
    std::vector<uint8_t> bytes;       // the elements as they are in the file, unless they are strings
    std::vector<std::string> strings; // one for a string that is no array
};

struct TensorInfo {
    ggml_tensor tensor = {}; // type, shape, strides, name; data and buffer say where the data is to be read from
    uint64_t offset = 0;     // in the tensor data
};

// Bytes of one value; 0 for strings, arrays, and outside.
size_t type_size(const gguf_type & type);

// The strides of a contiguous tensor of this type and shape.
void set_contiguous_strides(ggml_tensor & tensor);

// Places all tensors from `first` on. False if the offsets do not fit into 63 bits: those from `first` on are then
// undefined.
bool place_tensors(gguf_context & ctx, size_t first);

bool is_valid_key(std::string_view key);
bool is_valid_alignment(uint64_t alignment);

// A name for messages: at most 80 characters of it, control characters replaced.
class Printable {
  public:
    explicit Printable(std::string_view text) noexcept;
    const char * c_str() const { return text_; }

  private:
    char text_[84];
};

} // namespace ggml_sched::gguf

struct gguf_context {
    uint32_t version = GGUF_VERSION;
    size_t alignment = GGUF_DEFAULT_ALIGNMENT;
    size_t data_offset = 0;
    std::vector<ggml_sched::gguf::KeyValue> kv;
    std::vector<ggml_sched::gguf::TensorInfo> tensors;
};
