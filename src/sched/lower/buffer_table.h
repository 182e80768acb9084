// BufferTable - what lowering has to know of each buffer, asked once per graph.

#pragma once

#include "host/by_buffer.h"
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
        return known_.of(buffer, [this](ggml_backend_buffer_t added) {
            return KnownBuffer{added, spaces_.of(added), host::facts_of(added)};
        });
    }

  private:
    Spaces & spaces_;
    host::ByBuffer<KnownBuffer> known_;
};

} // namespace ggml_sched
