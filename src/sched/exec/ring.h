// Ring - host memory in as many equal parts as runs may be in flight. A run uses the part of its number, so no part is
// written before the run that used it last is done.

#pragma once

#include <cstddef>
#include <cstdint>

#include "ggml-backend.h"

namespace ggml_sched {

class Ring {
  public:
    Ring(ggml_backend_buffer_type_t buft, uint64_t n_parts) : buft_(buft), n_parts_(n_parts) {}
    ~Ring() { ggml_backend_buffer_free(buffer_); }

    Ring(const Ring &) = delete;
    Ring & operator=(const Ring &) = delete;

    bool fits(size_t part_bytes) const { return part_bytes <= part_bytes_; }
    // Frees the old memory. False when there is no memory; the ring is empty then.
    bool grow(size_t part_bytes);

    char * at(uint64_t part, size_t offset) const { return base_ + part * part_bytes_ + offset; }
    size_t bytes() const { return part_bytes_ * n_parts_; }

  private:
    ggml_backend_buffer_type_t buft_;
    uint64_t n_parts_;
    ggml_backend_buffer_t buffer_ = nullptr;
    char * base_ = nullptr;
    size_t part_bytes_ = 0;
};

} // namespace ggml_sched
