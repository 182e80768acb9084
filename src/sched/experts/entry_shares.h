// Entry shares - how many entries each bank of a device gets, by what they save.
//
// An entry saves the CPU one expert for each choice of it, and both cost bytes in proportion. So a byte of a bank saves
// as much as its expert is chosen. The bytes that all banks have go to the experts that were chosen most, of whatever
// layer. A layer that chooses a few experts again and again needs few entries, and leaves the rest to others.
//
// It knows numbers alone. Pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched {

// EntryDemand - what a bank would use entries for
struct EntryDemand {
    std::vector<uint32_t> n_chosen; // by expert
    size_t bytes_of_entry = 0;
    int n_entries = 0;     // that the bank has
    int least_entries = 1; // that it needs to be of use
    int most_entries = 0;  // that it may have
};

// Returns by bank how many entries it should have. Together they need no more bytes than the entries that there are.
std::vector<int> share_entries(const std::vector<EntryDemand> & demands);

// Returns which part of the chosen bytes is in entries, if each bank has so many and they hold what is chosen most.
double hits_with(const std::vector<EntryDemand> & demands, const std::vector<int> & n_entries);

} // namespace ggml_sched
