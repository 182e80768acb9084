// gguf_source.h - where the bytes of a GGUF file come from, and a reader of its elementary items.
//
// The first thing that goes wrong is kept as `problem`; after that every read fails.
//
// Threading: one thread at a time.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf.h"

namespace ggml_sched::gguf {

// Bytes begin to end of what `read` reads. The end may be a mere bound: less may be there.
struct Source {
    gguf_reader_callback_t read;
    void * userdata;
    uint64_t begin;
    uint64_t end;
    size_t max_chunk; // bytes to ask for at once
};

class Reader {
  public:
    explicit Reader(const Source & source)
        : source_(source)
        , offset_(source.begin) {}

    uint64_t offset() const { return offset_; }                   // of the source
    uint64_t position() const { return offset_ - source_.begin; } // from where the file begins
    uint64_t remaining() const { return source_.end - offset_; }
    const std::string & problem() const { return problem_; }

    // Sets the problem, unless there already is one, and returns false.
    bool fail(const char * format, ...) GGML_ATTRIBUTE_FORMAT(2, 3);

    bool read(void * dst, uint64_t size);
    template <typename T> bool read(T & value) { return read(&value, sizeof(T)); }

    // Appends as the bytes arrive, so that a size that lies takes no memory.
    bool read(std::vector<uint8_t> & bytes, uint64_t size);
    // A length and that many bytes, at most max_size.
    bool read_string(std::string & text, uint64_t max_size);

    // Moves on to a multiple of the alignment.
    bool skip_padding(uint64_t alignment);

    // Are there `size` more bytes? Tries the last one, where the end is a mere bound.
    bool has(uint64_t size);

  private:
    bool read_at(void * dst, uint64_t offset, size_t size);
    template <typename Container> bool read_into(Container & bytes, uint64_t size);

    Source source_;
    uint64_t offset_;
    std::string problem_;
};

} // namespace ggml_sched::gguf
