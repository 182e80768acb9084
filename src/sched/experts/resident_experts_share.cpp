// The part of ResidentExperts that gives layers other numbers of entries, when it is known what they choose.

#include <algorithm>

#include "experts/entry_shares.h"
#include "experts/resident_experts.h"
#include "host/log.h"
#include "host/tuning.h"

namespace ggml_sched {

// Returns the banks on a device that the graph reads. The memory of other weights may have gone.
std::vector<size_t> ResidentExperts::banks_of(const ggml_cgraph * graph, BackendId backend) const {
    std::vector<size_t> banks;
    const host::Nodes nodes = host::nodes_of(graph);
    for (int i = 0; i < nodes.size; i++) {
        const ggml_tensor * const matrices = matrices_in_host_memory(nodes[i]);
        const ExpertBank * const bank = matrices ? bank_of(matrices) : nullptr;
        for (size_t b = 0; bank && bank->backend() == backend && b < banks_.size(); b++) {
            if (banks_[b].get() == bank && std::find(banks.begin(), banks.end(), b) == banks.end()) {
                banks.push_back(b);
            }
        }
    }
    return banks;
}

// Returns what a bank would use entries for.
EntryDemand ResidentExperts::demand_of(const ExpertBank & bank) const {
    const ExpertResidency & residency = bank.residency();
    EntryDemand demand = {residency.times_chosen(), bank.bytes_of_entry(), residency.n_entries(), bank.least_entries(),
                          residency.n_experts()};
    const ggml_backend_buffer_type_t buft = backends_[bank.backend()].buft;
    for (const ResidentCopy & copy : bank.copies()) {
        const size_t most = ggml_backend_buft_get_max_size(buft) / copy.expert_bytes;
        demand.most_entries = static_cast<int>(std::min<size_t>(static_cast<size_t>(demand.most_entries), most));
    }
    return demand;
}

bool ResidentExperts::want_other_entries(const ggml_cgraph * graph) {
    const int n_runs = forced_runs_ > 0 ? forced_runs_ : Tuning::kRunsBeforeSharing;
    if (settings_.misses != Misses::Shared || is_full_ || n_parted_runs_ < n_runs) {
        return false;
    }
    n_parted_runs_ = 0;
    wanted_.assign(banks_.size(), 0);
    bool is_wanted = false;
    for (size_t b = 0; b < backends_.size(); b++) {
        const std::vector<size_t> banks = banks_of(graph, static_cast<BackendId>(b));
        std::vector<EntryDemand> demands;
        std::vector<int> n_entries;
        for (const size_t bank : banks) {
            demands.push_back(demand_of(*banks_[bank]));
            n_entries.push_back(demands.back().n_entries);
        }
        const std::vector<int> better = share_entries(demands);
        const double gain = hits_with(demands, better) - hits_with(demands, n_entries);
        const bool pays = forced_runs_ > 0 || gain >= Tuning::kLeastGainOfSharing;
        for (size_t i = 0; i < banks.size() && pays; i++) {
            wanted_[banks[i]] = better[i] == n_entries[i] && forced_runs_ == 0 ? 0 : better[i];
            is_wanted = true;
        }
        for (const size_t bank : banks) {
            banks_[bank]->residency().forget_times_chosen();
        }
    }
    return is_wanted;
}

void ResidentExperts::share_entries_anew() {
    forget_graph();
    std::vector<std::unique_ptr<ExpertBank>> before;
    before.reserve(banks_.size());
    std::swap(before, banks_); // If host memory runs out below, what is left stays in host memory.
    for (size_t i = 0; i < before.size(); i++) {
        if (wanted_[i] > 0) {
            before[i]->free_memory();
        }
    }
    std::string text;
    for (size_t i = 0; i < before.size(); i++) {
        if (wanted_[i] == 0) {
            banks_.push_back(std::move(before[i]));
            continue;
        }
        std::vector<const ggml_tensor *> experts;
        for (const ResidentCopy & copy : before[i]->copies()) {
            experts.push_back(copy.original.get());
        }
        text += " " + std::to_string(wanted_[i]);
        const int least = before[i]->least_entries();
        std::unique_ptr<ExpertBank> bank;
        for (const int n_entries : {wanted_[i], least}) { // Another program may have taken memory meanwhile.
            bank = bank ? std::move(bank)
                        : ExpertBank::make(experts, backends_, before[i]->backend(), n_entries, least, share_);
        }
        if (bank) {
            bank->counts() = before[i]->counts();
            banks_.push_back(std::move(bank));
        } else {
            host::log_warning("a device has refused memory, so fewer experts are resident");
        }
    }
    host::log_info("layers have entries for other numbers of experts, by what they choose:" + text);
}

} // namespace ggml_sched
