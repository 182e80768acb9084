// Fields - reads and writes a field of a struct of ggml, at an offset that the layout tells.
//
// The functions own nothing. The caller says which type the field has. Any thread.

#pragma once

#include <cstddef>
#include <cstring>

namespace ggml_sched::attach {

template <typename T> T read_field(const void * object, size_t offset) {
    T value;
    std::memcpy(&value, static_cast<const char *>(object) + offset, sizeof(value));
    return value;
}

template <typename T> void write_field(void * object, size_t offset, T value) {
    std::memcpy(static_cast<char *>(object) + offset, &value, sizeof(value));
}

// True if the field, which is a pointer, is not NULL.
inline bool has_field(const void * object, size_t offset) {
    return read_field<const void *>(object, offset) != nullptr;
}

} // namespace ggml_sched::attach
