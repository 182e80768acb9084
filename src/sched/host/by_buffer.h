// ByBuffer - a value for each buffer that comes up, found out when the buffer comes up for the first time.
//
// Neighbouring tensors often share a buffer, so the buffer that came up last is tried first. ByBuffer owns the values,
// but not the buffers. One thread at a time.

#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "ggml-backend.h"

namespace ggml_sched::host {

// ByBuffer - the buffers so far, with their values.
template <class T> class ByBuffer {
  public:
    // Returns the value of the buffer. make(buffer) gives it for a new one. The reference is good until the next call.
    template <class Make> T & of(ggml_backend_buffer_t buffer, const Make & make) {
        if (last_ >= entries_.size() || entries_[last_].first != buffer) {
            find(buffer, make);
        }
        return entries_[last_].second;
    }
    // Returns all buffers with their values, in the order in which they came up.
    const std::vector<std::pair<ggml_backend_buffer_t, T>> & entries() const { return entries_; }
    void clear() { entries_.clear(); }

  private:
    // Makes last_ the index of the buffer, which may be new.
    template <class Make> void find(ggml_backend_buffer_t buffer, const Make & make) {
        last_ = 0;
        while (last_ < entries_.size() && entries_[last_].first != buffer) {
            last_++;
        }
        if (last_ == entries_.size()) {
            entries_.emplace_back(buffer, make(buffer));
        }
    }

    std::vector<std::pair<ggml_backend_buffer_t, T>> entries_;
    size_t last_ = 0; // index of the buffer that came up last
};

} // namespace ggml_sched::host
