#include "gguf/source.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>

namespace ggml_sched::gguf {

bool Reader::fail(const char * format, ...) {
    if (problem_.empty()) {
        char text[512];
        va_list args;
        va_start(args, format);
        std::vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        problem_ = text;
    }
    return false;
}

bool Reader::read_at(void * dst, uint64_t offset, size_t size) {
    auto * bytes = static_cast<uint8_t *>(dst);
    while (size > 0) {
        const size_t chunk = std::min(size, source_.max_chunk);
        if (source_.read(source_.userdata, bytes, offset, chunk) != chunk) {
            return false;
        }
        bytes += chunk;
        offset += chunk;
        size -= chunk;
    }
    return true;
}

bool Reader::read(void * dst, uint64_t size) {
    if (!problem_.empty()) {
        return false;
    }
    if (size > remaining() || size > SIZE_MAX || !read_at(dst, offset_, static_cast<size_t>(size))) {
        return fail("the file is cut off: %" PRIu64 " bytes at byte %" PRIu64 " are missing or cannot be read", size,
                    position());
    }
    offset_ += size;
    return true;
}

template <typename Container> bool Reader::read_into(Container & bytes, uint64_t size) {
    constexpr uint64_t step = 1 << 20;
    while (size > 0) {
        const uint64_t chunk = std::min(size, step);
        const size_t before = bytes.size();
        bytes.resize(before + static_cast<size_t>(chunk));
        if (!read(&bytes[before], chunk)) {
            return false;
        }
        size -= chunk;
    }
    return true;
}

bool Reader::read(std::vector<uint8_t> & bytes, uint64_t size) {
    if (problem_.empty() && size > remaining()) {
        return fail("the file is cut off: %" PRIu64 " bytes at byte %" PRIu64 ", but only %" PRIu64 " are left", size,
                    position(), remaining());
    }
    return read_into(bytes, size);
}

bool Reader::read_string(std::string & text, uint64_t max_size) {
    uint64_t size = 0;
    if (!read(size)) {
        return false;
    }
    if (size > remaining()) {
        return fail("a string of %" PRIu64 " bytes at byte %" PRIu64 ", but only %" PRIu64 " are left", size,
                    position(), remaining());
    }
    if (size > max_size) {
        return fail("a name of %" PRIu64 " bytes at byte %" PRIu64 ", where at most %" PRIu64 " are allowed", size,
                    position(), max_size);
    }
    return read_into(text, size);
}

bool Reader::skip_padding(uint64_t alignment) {
    const uint64_t padding = (alignment - position() % alignment) % alignment;
    if (!has(padding)) {
        return fail("the file is cut off: it ends before the tensor data, which is to begin at byte %" PRIu64,
                    position() + padding);
    }
    offset_ += padding;
    return true;
}

bool Reader::has(uint64_t size) {
    uint8_t last = 0;
    return problem_.empty() && size <= remaining() && (size == 0 || read_at(&last, offset_ + size - 1, 1));
}

} // namespace ggml_sched::gguf
