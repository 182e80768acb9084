// Parting - which pairs of a block the device computes in a run, and which ones the CPU.
//
// It is a node of the graph, on the CPU: it reads the ids that the router has chosen, and writes rows of integers that
// the nodes behind it read. It gives entries to missing experts that are to be uploaded. It also sets how many pairs
// the nodes of the CPU compute: their tensors have room for all pairs, and in a run they have as many rows as pairs are
// missing on the device.
//
// The numbers of the last run stay until the next one. The thread that computes the graph uses it, and needs no memory
// there: begin() has got it.

#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "experts/expert_bank.h"

namespace ggml_sched {

// Misses - who computes a pair whose expert has no entry. The values are those of ggml_sched_expert_misses.
enum class Misses {
    None = 0,   // nobody: experts are resident only as whole blocks
    Shared = 1, // the CPU; or the device, after the expert has been uploaded (see MissShare)
    Upload = 2, // the device, after the expert has been uploaded
};

// The rows of integers that the node writes, each with one number for each pair
enum class PartedRow {
    Entry,  // where the device finds the expert of the pair
    Expert, // of missing pairs, in order: the expert
    Token,  // of missing pairs, in order: the token
    Pair,   // of missing pairs, in order: the pair
    Result, // the row of the result among those of the device, with those of the CPU behind them
    Count,
};

class Parting {
  public:
    // Makes `node` the node that parts the pairs of `ids`, which it reads first. The bank must stay, and have an entry
    // for each pair of a token; where missing experts are uploaded, for each pair.
    void begin(ExpertBank & bank, Misses misses, ggml_tensor * node, const ggml_tensor * ids);
    // Notes a tensor that has an element of this dimension for each missing pair.
    void add_tensor_of_misses(ggml_tensor * tensor, int dimension) { of_misses_.emplace_back(tensor, dimension); }
    // Lets a function be called before pairs are parted.
    void call_before(std::function<void()> function) { before_ = std::move(function); }
    // Lets these tensors have room for all pairs again.
    void restore_shapes();

    ExpertBank & bank() const { return *bank_; }
    const ggml_tensor * node() const { return node_; }
    int64_t n_pairs() const { return n_pairs_; }
    int64_t n_missed() const { return n_missed_; }        // pairs of the last run
    int64_t n_uploaded() const { return n_uploaded_; }    // experts of the last run
    size_t bytes_on_cpu() const { return bytes_on_cpu_; } // of the experts that the CPU read in the last run
    // Returns the bytes of the experts of the last run that had an entry before it.
    size_t bytes_in_entries() const { return bytes_in_entries_; }
    // and of those that got an entry while it ran
    size_t bytes_uploaded() const { return static_cast<size_t>(n_uploaded_) * bank_->bytes_of_entry(); }
    // Returns what was wrong with the ids of the last run; "" if nothing was.
    std::string failure() const;

  private:
    static void compute(ggml_tensor * node, int thread, int n_threads, void * parting);
    void part(const ggml_tensor * node);
    void part_token(const ggml_tensor * node, const ggml_tensor * ids, int64_t first);
    void share(const ggml_tensor * ids);
    int32_t expert_of(const ggml_tensor * ids, int64_t pair) const;
    int entry_of(int32_t expert);
    bool exists(int32_t expert) const;

    ExpertBank * bank_ = nullptr;
    const ggml_tensor * node_ = nullptr;
    std::function<void()> before_;
    Misses misses_ = Misses::None;
    std::string ids_name_;
    int64_t n_chosen_ = 0;
    int64_t n_pairs_ = 0;
    int64_t n_missed_ = 0;
    int64_t n_uploaded_ = 0;
    size_t bytes_on_cpu_ = 0;
    size_t bytes_in_entries_ = 0;
    std::vector<int> missing_; // experts of the current run without an entry
    bool has_wrong_ = false;   // true if the ids of the last run name an expert that does not exist
    int32_t wrong_ = 0;
    std::vector<bool> is_used_; // by entry: a pair of the token has it; in share(), of the run
    std::vector<std::pair<ggml_tensor *, int>> of_misses_;
};

} // namespace ggml_sched
