// Ring - host memory in as many equal parts as runs may be in flight. A run uses the part of its number, so no part is
// written before the run that used it last is done.
//
// Ring owns this memory. One thread at a time uses it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ggml-backend.h"

namespace ggml_sched {

class Ring {
  public:
    Ring(ggml_backend_buffer_type_t buft, uint64_t n_parts)
        : buft_(buft)
        , n_parts_(n_parts) {}
    ~Ring();

    Ring(const Ring &) = delete;
    Ring & operator=(const Ring &) = delete;

    // Makes the parts at least this large, for run `run` and later ones. Earlier runs keep the memory that they have.
    // Returns false if there is no memory; nothing has changed then.
    bool fit(size_t part_bytes, uint64_t run);

    // Frees the memory that only runs before `run` may still use.
    void forget_before(uint64_t run);

    // Returns the address of an offset in the part of a run.
    char * at(uint64_t run, size_t offset) const { return base_ + (run % n_parts_) * part_bytes_ + offset; }

  private:
    // Retired - memory that was too small, and that earlier runs may still use
    struct Retired {
        ggml_backend_buffer_t buffer;
        uint64_t run; // first run that does not use it
    };

    ggml_backend_buffer_type_t buft_;
    uint64_t n_parts_;
    ggml_backend_buffer_t buffer_ = nullptr;
    char * base_ = nullptr;
    size_t part_bytes_ = 0;
    std::vector<Retired> retired_;
};

} // namespace ggml_sched
