// ExpertBank - device memory with entries for some of the experts of a block: one tensor for each expert tensor, and
// the same entry in all of them.
//
// A node on the device reads the bank with entries in place of ids. The residency says which experts get an entry, and
// tasks of the program copy them there (see lower/bank_copies.h).
//
// It owns the memory. One thread at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "experts/expert_residency.h"
#include "experts/miss_share.h"
#include "experts/resident_copy.h"
#include "graph/backend_id.h"

namespace ggml_sched {

// ExpertCounts - what runs did with the experts of one bank, or of all
struct ExpertCounts {
    uint64_t pairs = 0;
    uint64_t missed = 0;   // pairs that the CPU computed
    uint64_t uploaded = 0; // experts that got an entry after the bank was first filled
};

class ExpertBank {
  public:
    // Returns a bank with the first experts; NULL if the device refuses memory. `experts` are the tensors in host
    // memory. A token needs `least_entries`. It copies, waits, and measures that for the share, which must stay.
    static std::unique_ptr<ExpertBank> make(const std::vector<const ggml_tensor *> & experts,
                                            const std::vector<host::Backend> & backends, BackendId backend,
                                            int n_entries, int least_entries, MissShare & share);
    // Gives the memory back. Only copies() may be used afterwards.
    void free_memory() noexcept;

    // True if a device keeps single experts of the tensor as they are. Some devices rearrange the bytes of a tensor,
    // and can only take all of it. It writes to the device, and waits. False also if the device refuses memory.
    static bool can_hold(const ggml_tensor * experts, ggml_backend_buffer_type_t buft);

    BackendId backend() const { return backend_; }
    int least_entries() const { return least_entries_; }
    ExpertResidency & residency() { return residency_; }
    const ExpertResidency & residency() const { return residency_; }
    const std::vector<ResidentCopy> & copies() const { return copies_; }
    size_t bytes() const;
    size_t bytes_of_entry() const { return bytes() / static_cast<size_t>(residency_.n_entries()); }
    // Returns the bytes that the upload of one expert copies.
    size_t bytes_of_expert() const;
    // Returns the tensor with the entries for a tensor in host memory; NULL if there is none.
    ggml_tensor * find(const ggml_tensor * experts) const;

    // Returns how many of the missing experts are uploaded where they are shared.
    int n_uploaded(int n_missing) const { return share_.n_uploaded(backend_, n_missing); }
    // Notes how many experts have been promoted in the current run.
    void note_promoted(size_t n_experts) { n_promoted_ = n_experts; }
    // Returns the number that was noted; 0 if it was taken already, since two patterns of a graph may use this bank.
    uint64_t take_promoted() { return std::exchange(n_promoted_, 0); }
    // The counts since the bank was made, or since somebody has set them to zero.
    ExpertCounts & counts() { return counts_; }
    const ExpertCounts & counts() const { return counts_; }
    // Returns the name of a tensor with an entry whose bytes are not those in host memory; NULL if there is none. Each
    // call looks at another entry. Nothing may write the bank meanwhile.
    const char * find_changed();

  private:
    ExpertBank(BackendId backend, int n_experts, int n_entries, int least_entries, const MissShare & share)
        : backend_(backend)
        , least_entries_(least_entries)
        , share_(share)
        , residency_(n_experts, n_entries) {}
    void measure_link(const host::Backend & device, MissShare & share) const;

    const BackendId backend_;
    const int least_entries_;
    const MissShare & share_;
    ExpertResidency residency_;
    std::vector<ResidentCopy> copies_;
    ExpertCounts counts_;
    size_t n_promoted_ = 0;
    int n_checked_ = 0;
};

// BanksInUse - the banks that a program uses. A graph parts the pairs of some blocks, and these form two halves.
struct BanksInUse {
    // Filled - a bank that gets promoted experts
    struct Filled {
        ExpertBank * bank;
        bool on_stream_lane; // The copies go on the lane that streams weights, if the device has one.
    };
    // Parted - a node that parts pairs, and the bank to which missing experts are copied at once
    struct Parted {
        const ggml_tensor * pairs;
        ExpertBank * bank;
    };
    std::vector<Filled> at_begin;        // filled while the device computes the first half
    std::vector<Filled> at_middle;       // filled while it computes the second half; blocks of the first half alone
                                         // read them
    std::vector<Parted> parted;          // in the order of the graph
    size_t middle = 0;                   // the element of `parted` with which the second half begins
    std::vector<ExpertBank *> read = {}; // the others: in place of sending an expert again, its entry is copied
};

} // namespace ggml_sched
