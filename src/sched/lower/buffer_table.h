// BufferTable - what lowering must know about each buffer (KnownBuffer), found out once for each graph.
//
// A table serves one graph. The Spaces must outlive it. One thread at a time.

#pragma once

#include "host/by_buffer.h"
#include "host/query.h"
#include "lower/spaces.h"

namespace ggml_sched {

// KnownBuffer - a buffer with its address space and its facts.
struct KnownBuffer {
    ggml_backend_buffer_t buffer;
    plan::Space space;
    host::BufferFacts facts;
};

// BufferTable - the known buffers of a graph.
class BufferTable {
  public:
    explicit BufferTable(Spaces & spaces)
        : spaces_(spaces) {}

    // Returns what is known about the buffer. The reference is good until the next call.
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
