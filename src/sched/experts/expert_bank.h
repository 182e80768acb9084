// ExpertBank - device memory with entries for some of the experts of a block: one tensor for each expert tensor, and
// the same entry in all of them.
//
// A node on the device reads the bank with entries in place of ids. Experts that the residency has promoted are copied
// to their entries by tasks of the next program (see lower/bank_copies.h). Only upload() makes copies of its own, for a
// node that the CPU computes: they go on the queue of the device, as do all launches that read the bank.
//
// It owns the memory. One thread at a time.

#pragma once

#include <memory>
#include <vector>

#include "experts/expert_residency.h"
#include "experts/miss_share.h"
#include "experts/resident_copy.h"
#include "graph/backend_id.h"

namespace ggml_sched {

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
    // Returns the tensor with the entries for a tensor in host memory; NULL if there is none.
    ggml_tensor * find(const ggml_tensor * experts) const;

    // Returns how many of the missing experts are uploaded where they are shared.
    int n_uploaded(int n_missing) const { return share_.n_uploaded(backend_, n_missing); }
    // Enqueues the upload of an expert to an entry, behind all launches that read the bank. The tensors in host memory
    // must exist until it is done.
    void upload(int expert, int entry);
    // Returns the name of a tensor with an entry whose bytes are not those in host memory; NULL if there is none. Each
    // call looks at another entry. It waits for the device.
    const char * find_changed();

  private:
    ExpertBank(const host::Backend & device, BackendId backend, int n_experts, int n_entries, int least_entries,
               const MissShare & share)
        : device_(device)
        , backend_(backend)
        , least_entries_(least_entries)
        , share_(share)
        , residency_(n_experts, n_entries) {}

    const host::Backend & device_;
    const BackendId backend_;
    const int least_entries_;
    const MissShare & share_;
    ExpertResidency residency_;
    std::vector<ResidentCopy> copies_;
    int n_checked_ = 0;
};

// BanksInUse - the banks that a program uses
struct BanksInUse {
    std::vector<ExpertBank *> filled;      // experts are copied to their entries before the first launch
    bool are_filled_while_running = false; // a node of the CPU enqueues uploads to `filled`, too
    std::vector<ExpertBank *> read;        // the others: in place of sending an expert again, its entry is copied
};

} // namespace ggml_sched
