// CopyParts - the bytes that a copy sends, as its form says: all of them, the experts that ids name, or the rows that a
// node has written. The values of the ids are known by now. What a ring holds already is left out.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "host/status.h"
#include "lower/bindings.h"
#include "stream/kept_weights.h"

namespace ggml_sched {

// Host memory, and where in a tensor it goes
struct Piece {
    size_t offset;
    const char * data;
    size_t bytes;
};

// Marks in `used` the experts that ids name; `used` has one for each expert. `data` holds the bytes of `ids`, which is
// I32. Returns the first id that names no expert, if there is one; `used` then means nothing.
std::optional<int32_t> find_named_experts(const ggml_tensor * ids, const char * data, std::vector<bool> & used);

// Finds the rows that the node, a SET_ROWS, writes. `data` holds the bytes of its ids, which are I32 or I64. The pieces
// are parts of the node, in order, and do not touch each other. Fails if there is no such row.
Status find_written_rows(const ggml_tensor * node, const ggml_tensor * ids, const char * data,
                         std::vector<Piece> & rows);

class CopyParts {
  public:
    // Finds the parts of a copy out of host memory. `source` has its bytes, `ids` are those that it names, and `data`
    // their bytes; NULL if it names none. `kept`: what the ring holds that the copy goes to; NULL: nothing counts as
    // kept. Fails, naming the node, if an id names no expert or no row.
    Status find(const CopyBinding & copy, const char * source, const ggml_tensor * ids, const char * data,
                KeptWeights * kept);

    const std::vector<Piece> & pieces() const { return pieces_; }
    size_t kept_bytes() const { return kept_bytes_; } // that were left out

  private:
    void find_whole(const CopyBinding & copy, const char * source, KeptWeights * kept);
    Status find_experts(const CopyBinding & copy, const ggml_tensor * ids, const char * data, KeptWeights * kept);
    Status find_rows(const CopyBinding & copy, const ggml_tensor * ids, const char * data);

    std::vector<Piece> pieces_;
    std::vector<bool> parts_; // of a weight, to be sent
    size_t kept_bytes_ = 0;
};

} // namespace ggml_sched
