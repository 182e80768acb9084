// BufferTable - what lowering has to know of each buffer, asked once per graph.

#pragma once

#include <vector>

#include "host/query.h"
#include "lower/spaces.h"

namespace ggml_sched {

struct KnownBuffer {
    ggml_backend_buffer_t buffer;
    plan::Space space;
    host::BufferFacts facts;
};

class BufferTable {
  public:
    explicit BufferTable(Spaces & spaces)
        : spaces_(spaces) {}

    // The reference is good until the next call.
    const KnownBuffer & of(ggml_backend_buffer_t buffer) {
        if (last_ < known_.size() && known_[last_].buffer == buffer) { // neighbouring tensors share a buffer
            return known_[last_];
        }
        return find(buffer);
    }

  private:
    const KnownBuffer & find(ggml_backend_buffer_t buffer);

    Spaces & spaces_;
    std::vector<KnownBuffer> known_;
    size_t last_ = 0;
};

} // namespace ggml_sched
