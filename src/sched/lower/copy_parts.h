// CopyParts - the bytes that a copy sends, as its CopyForm says: all, the experts that ids name, those that have been
// given an entry of a bank, or the rows that a node has written. The values of the ids are known by then. Weights that
// the device's ring holds are left out, and so are experts that are taken out of a bank.
//
// A Piece is one range of these bytes in host memory, an Entry one in a bank. CopyParts owns both, but not the memory.
// One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "host/status.h"
#include "lower/bindings.h"
#include "stream/kept_weights.h"

namespace ggml_sched {

// Piece - a range of host memory, and its offset in the tensor that it goes to.
struct Piece {
    size_t offset;
    const char * data;
    size_t bytes;
};

// Entry - a range of a bank, and its offset in the tensor that it goes to.
struct Entry {
    size_t offset;
    size_t offset_in_bank;
    size_t bytes;
};

// Returns how many bytes of its source a whole copy has in this run: a view cannot have more than the tensor that it is
// a view of. The tensors with results of missing pairs have fewer rows in some runs.
size_t bytes_now(const CopyBinding & copy);

// Marks in `used`, which has one bit for each expert, the experts that the ids name. `ids` are I32, and `data` holds
// their bytes. Returns the first id that names no expert, if there is one; `used` is then invalid.
std::optional<int32_t> find_named_experts(const ggml_tensor * ids, const char * data, std::vector<bool> & used);

// Finds the rows that the node, a SET_ROWS, writes. `ids` are I32 or I64, and `data` holds their bytes. The pieces are
// parts of the node, in order, and do not touch each other. Fails if an id names no row.
Status find_written_rows(const ggml_tensor * node, const ggml_tensor * ids, const char * data,
                         std::vector<Piece> & rows);

// CopyParts - the pieces of one copy.
class CopyParts {
  public:
    // Finds the pieces of a copy out of host memory, or its entries. `source` holds its bytes. `ids` and `data` are the
    // ids of the copy and their bytes; NULL if it has none. `kept` says what the ring holds, and learns of the copy;
    // NULL: nothing is kept. Fails, and names the node, if an id names no expert or no row.
    Status find(const CopyBinding & copy, const char * source, const ggml_tensor * ids, const char * data,
                KeptWeights * kept);

    const std::vector<Piece> & pieces() const { return pieces_; }
    const std::vector<Entry> & entries() const { return entries_; }
    // Lets all entries from this one on be pieces, since the device does not copy them.
    void send_entries(size_t first, const CopyBinding & copy);
    // Returns how many bytes were left out because the ring holds them.
    size_t kept_bytes() const { return kept_bytes_; }

  private:
    // Each of these five finds the pieces, or entries, for a CopyForm.
    void find_whole(const CopyBinding & copy, const char * source, KeptWeights * kept);
    Status find_experts(const CopyBinding & copy, const ggml_tensor * ids, const char * data, KeptWeights * kept);
    void find_new_entries(const CopyBinding & copy, const std::vector<ExpertResidency::NewEntry> & entries);
    void find_entries(const CopyBinding & copy, KeptWeights * kept);
    Status find_rows(const CopyBinding & copy, const ggml_tensor * ids, const char * data);

    // Returns true if a FromBank copies this expert.
    static bool has_entry(const CopyBinding & copy, size_t expert);
    void leave_out_entries(const CopyBinding & copy);
    void take_experts(const CopyBinding & copy, bool is_kept);

    std::vector<Piece> pieces_;
    std::vector<Entry> entries_;
    std::vector<bool> named_; // by expert of a weight: it is needed
    std::vector<bool> parts_; // by expert of a weight: it is to be sent
    size_t kept_bytes_ = 0;
};

} // namespace ggml_sched
