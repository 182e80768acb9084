// ResidentExperts - experts of host memory of which a copy stays in the memory of a device: of whole blocks, or single
// ones in banks.
//
// While a call of the scheduler works with a graph, its nodes read these copies in place of the tensors in host memory.
// So all stages see weights that lie on the device, as if the engine had put them there: nothing is sent, and nobody
// waits for ids. Where a block has a bank, the pairs are parted (see ExpertGraph). The caller promises that the weights
// do not change (see ggml_sched_set_experts).
//
// If the budget of a device has room for all blocks of its layers, all become resident. Otherwise they do so in the
// order of the graph, for as long as the budget lasts; or, where the caller has said who computes missing pairs, all
// get banks with the same share of their experts. What is resident stays until the memory is needed for something else.
// ResidentExperts owns the copies and their memory. One thread at a time uses it.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "experts/entry_shares.h"
#include "experts/expert_blocks.h"
#include "experts/expert_graph.h"
#include "experts/parting_trial.h"
#include "experts/promotion_budget.h"
#include "graph/backend_id.h"
#include "graph/operand_exchange.h"
#include "host/query.h"
#include "host/tuning.h"

namespace ggml_sched {

class ResidentExperts {
  public:
    static constexpr size_t kAuto = SIZE_MAX; // as a budget: what is free, less a margin

    // Settings - how much becomes resident
    struct Settings {
        size_t budget = 0; // bytes for each device; 0: no experts are resident
        Misses misses = Misses::None;
    };

    // `backends` must stay.
    ResidentExperts(const std::vector<host::Backend> & backends, const Settings & settings);
    ResidentExperts(const ResidentExperts &) = delete;
    ResidentExperts & operator=(const ResidentExperts &) = delete;

    // Changes the settings, and frees all copies. Nothing may use them, and no operands are exchanged.
    void set(const Settings & settings);
    bool is_on() const { return settings_.budget > 0; }
    bool may_part() const { return settings_.misses != Misses::None; }
    // True if experts are copied to banks while the device computes other layers.
    bool fills_meanwhile() const { return settings_.misses == Misses::Shared && !banks_.empty(); }
    bool is_automatic() const { return settings_.budget == kAuto; }

    // True if the graph reads experts of which add() has not decided yet.
    bool are_new(const ggml_cgraph * graph) const;
    // Makes blocks of the graph resident while the budget lasts. What has been decided stays until set(). Returns a
    // line for each block that says where it lies, and what keeps it in host memory.
    std::string add(ggml_cgraph * graph);
    // True if layers should have other numbers of entries, since many more pairs of the graph would then find their
    // expert. It looks once in many runs.
    bool want_other_entries(const ggml_cgraph * graph);
    // Lets that be so after this number of runs; 0: if it pays.
    void share_entries_each(int n_runs) { forced_runs_ = n_runs; }
    // Registers buffers of that size and more with the driver, if they hold the experts of banks.
    void register_from(size_t bytes) { registered_from_ = bytes; }
    // Makes the banks anew with these numbers of entries. Nothing may use their memory. The next call is take().
    void share_entries_anew();
    // Makes the nodes of the graph read the resident tensors. Ends the exchange of the last graph, which must exist if
    // its operands are exchanged. Returns the graph to work with: the caller's, or one in which pairs are parted. Nodes
    // that are `fixed` stay what they are.
    ggml_cgraph * take(ggml_cgraph * graph, const std::function<bool(const ggml_tensor *)> & is_fixed);
    // Exchanges the operands of the last graph again, or gives them back. The graph must exist.
    void replace_operands();
    void restore();

    // Returns a line for each block of the last graph that has a bank and does not use it; "" if that was so before.
    std::string new_listing();
    // The graph in which pairs are parted; empty if there is none.
    const ExpertGraph & parted() const { return parted_; }
    // Returns the banks that a program of the last graph uses.
    const BanksInUse & banks_in_use() const { return in_use_; }
    // Decides which experts get an entry of the banks that are filled at the begin of a run. It is called before the
    // run.
    void begin_run() { promote(in_use_.at_begin, next_at_begin_); }
    // Tells which backends have a second queue, for copies to banks.
    void set_streams(std::vector<bool> have_stream) { have_stream_ = std::move(have_stream); }
    // Lets no expert have an entry, since copies may have failed.
    void forget_entries() noexcept;
    // Notes how long the host was busy with a run of the last graph, which went well; and how long of that the CPU was
    // with missing pairs.
    void note_time(double us, double cpu_us);
    MissShare & share() { return share_; }
    // Returns for how many numbers of pairs they are no longer parted, since it did not pay.
    int n_off() const { return trial_.n_off(); }
    // Returns the counts of the run that was just launched, and what was wrong with its ids. Adds the counts to those
    // of the banks.
    ExpertCounts take_counts(std::string & failure);
    // Sets the counts of the banks to zero.
    void reset_counts() noexcept;
    // The banks, in the order in which they were made.
    const std::vector<std::unique_ptr<ExpertBank>> & banks() const { return banks_; }

    // Frees the block that became resident last, and makes no other resident until set() is called. Nothing may use its
    // memory. The next call is take().
    void give_back();
    bool has_blocks() const { return !blocks_.empty() || !banks_.empty(); }

    // Returns the bytes of device memory that the copies need.
    size_t bytes() const;
    // Returns the name of a copy that the last graph reads and whose original has other bytes; NULL if there is none.
    // Each call looks at another copy. It is slow. `wait_for` waits for all that has been enqueued on a backend.
    const char * find_changed(const std::function<void(BackendId)> & wait_for);

  private:
    // Block - the copies of one block. What another block has copied before is not among them.
    using Block = std::vector<ResidentCopy>;
    // Candidate - a block that may become resident
    struct Candidate {
        const ExpertBlock & block;
        std::vector<const ggml_tensor *> tensors; // that have no copy
        BackendId backend = kNoBackend;
        Obstacle obstacle;
    };
    // Demand - on a device: the bytes of all blocks that would become resident, and those that may be used for them
    struct Demand {
        size_t needed = 0;
        size_t left = 0;
    };

    ggml_tensor * find(const ggml_tensor * tensor) const;
    std::vector<const ggml_tensor *> missing(const ExpertBlock & block) const;
    Candidate look_at(const ExpertBlock & block);
    void find_device(Candidate & candidate) const;
    std::vector<Demand> demands_of(const std::vector<ExpertBlock> & blocks);
    void place(Candidate & candidate, ggml_cgraph * graph, const std::vector<Demand> & demands);
    Obstacle make_bank(const Candidate & candidate, ggml_cgraph * graph, double share);
    ExpertBank * bank_of(const ggml_tensor * experts) const;
    std::vector<size_t> banks_of(const ggml_cgraph * graph, BackendId backend) const;
    EntryDemand demand_of(const ExpertBank & bank) const;
    std::string obstacle_now(const ExpertPattern & pattern, const ExpertBank & bank,
                             const std::function<bool(const ggml_tensor *)> & is_fixed) const;
    void part(const host::Nodes & nodes, const std::function<bool(const ggml_tensor *)> & is_fixed);
    void forget_graph();
    void find_halves();
    void promote(const std::vector<BanksInUse::Filled> & banks, size_t & next);
    Obstacle obstacle_on(BackendId backend, const ExpertBlock & block) const;
    size_t left_on(BackendId backend);
    Obstacle load(const std::vector<const ggml_tensor *> & tensors, BackendId backend);
    void keep(Block block);
    void free_last();

    const std::vector<host::Backend> & backends_;
    Settings settings_;
    std::vector<size_t> left_;                       // by backend: bytes that may still be used; kAuto: not known yet
    std::vector<Block> blocks_;                      // in the order in which they became resident
    std::vector<std::unique_ptr<ExpertBank>> banks_; // in the order in which they were made
    std::unordered_map<const void *, ggml_tensor *> by_address_; // copies by the address of the original
    std::vector<ggml_backend_buffer_t> hosts_;                   // the different buffers of the originals
    std::unordered_set<const void *> decided_;                   // addresses of tensors that stay in host memory
    OperandExchange exchange_;
    ExpertGraph parted_;
    PartingTrial trial_;
    MissShare share_;
    PromotionBudget promotion_budget_;
    int n_looked_at_ = 0;   // calls of add()
    int n_parted_runs_ = 0; // since want_other_entries() has looked
    size_t registered_from_ = Tuning::kRegisteredFrom;
    int forced_runs_ = 0;     // see share_entries_each()
    std::vector<int> wanted_; // by bank: the number of entries that it should have; 0: what it has
    std::string listing_;     // see new_listing()
    bool is_listing_new_ = false;
    BanksInUse in_use_;             // by the last graph
    std::vector<bool> have_stream_; // by backend; see set_streams()
    size_t next_at_begin_ = 0;      // the bank that is filled first
    size_t next_at_middle_ = 0;
    bool is_in_trials_ = false; // true if the time of the last graph counts in trials
    int64_t n_pairs_ = 0;       // of the patterns of the last graph that may be parted
    size_t n_checked_ = 0;
    bool is_full_ = false; // true if memory was given back
};

} // namespace ggml_sched
