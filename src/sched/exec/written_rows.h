// Which bytes SET_ROWS writes, as its ids say.

#pragma once

#include <vector>

#include "ggml.h"
#include "host/status.h"

namespace ggml_sched {

// The bytes [begin, end)
struct ByteRange {
    const char * begin;
    const char * end;
};

class WrittenRows {
  public:
    // `node` is a SET_ROWS; `data` holds the bytes of its ids, which are I32 or I64. Fails if there is no such row.
    Status find(const ggml_tensor * node, const ggml_tensor * ids, const char * data);

    // For any other operation: the bytes of the node
    void take_all(const ggml_tensor * node);

    // In order, not touching each other
    const std::vector<ByteRange> & ranges() const { return ranges_; }

  private:
    std::vector<ByteRange> ranges_;
};

} // namespace ggml_sched
