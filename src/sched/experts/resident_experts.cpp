#include "experts/resident_experts.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "host/execute.h"
#include "host/log.h"
#include "host/operations.h"
#include "host/tuning.h"

namespace ggml_sched {

namespace {

bool have_same_shape_and_strides(const ggml_tensor * a, const ggml_tensor * b) {
    return a->type == b->type && std::equal(a->ne, a->ne + GGML_MAX_DIMS, b->ne) &&
           std::equal(a->nb, a->nb + GGML_MAX_DIMS, b->nb);
}

} // namespace

ResidentExperts::ResidentExperts(const std::vector<host::Backend> & backends, const Settings & settings)
    : backends_(backends)
    , settings_(settings)
    , left_(backends.size(), settings.budget)
    , parted_(backends)
    , share_(backends.size())
    , have_stream_(backends.size(), false) {}

void ResidentExperts::set(const Settings & settings) {
    forget_graph();
    while (has_blocks()) {
        free_last();
    }
    hosts_.clear();
    decided_.clear();
    settings_ = settings;
    trial_ = {};
    promotion_budget_ = {};
    n_looked_at_ = 0;
    n_parted_runs_ = 0;
    left_.assign(backends_.size(), settings.budget);
    is_full_ = false;
}

// Forgets the last graph, before memory goes that it uses.
void ResidentExperts::forget_graph() {
    exchange_.clear();
    parted_.begin(nullptr);
    in_use_ = {};
    n_pairs_ = 0;
}

void ResidentExperts::free_last() {
    if (!banks_.empty()) {
        banks_.pop_back();
        return;
    }
    for (const ResidentCopy & copy : blocks_.back()) {
        by_address_.erase(copy.data);
    }
    blocks_.pop_back();
}

void ResidentExperts::give_back() {
    if (!std::exchange(is_full_, true)) {
        host::log_warning("device memory is needed for something else, so fewer experts are resident");
    }
    forget_graph();
    if (has_blocks()) {
        free_last();
    }
}

// Returns the copy of a tensor; NULL if it has none.
ggml_tensor * ResidentExperts::find(const ggml_tensor * tensor) const {
    if (!tensor->buffer || tensor->view_src ||
        std::find(hosts_.begin(), hosts_.end(), tensor->buffer) == hosts_.end()) {
        return nullptr;
    }
    const auto copy = by_address_.find(tensor->data);
    return copy != by_address_.end() && have_same_shape_and_strides(copy->second, tensor) ? copy->second : nullptr;
}

ggml_cgraph * ResidentExperts::take(ggml_cgraph * graph, const std::function<bool(const ggml_tensor *)> & is_fixed) {
    exchange_.clear();
    parted_.begin(graph);
    n_pairs_ = 0;
    const host::Nodes nodes = host::nodes_of(graph);
    for (int i = 0; i < nodes.size && !blocks_.empty(); i++) {
        if (host::is_view_op(nodes[i])) {
            continue; // It shows the tensor in host memory.
        }
        for (ggml_tensor *& operand : nodes[i]->src) {
            if (ggml_tensor * const copy = operand ? find(operand) : nullptr) {
                exchange_.add(&operand, copy);
            }
        }
    }
    if (!banks_.empty()) {
        part(nodes, is_fixed);
    }
    find_halves();
    replace_operands();
    return parted_.finish();
}

// Returns why a pattern is computed as the caller built it; "" if its pairs may be parted.
std::string ResidentExperts::obstacle_now(const ExpertPattern & pattern, const ExpertBank & bank,
                                          const std::function<bool(const ggml_tensor *)> & is_fixed) const {
    const auto is_in_other = [&](const ggml_tensor * node) {
        const int at = operand_with_experts(node);
        return at >= 0 && !bank.find(node->src[at]);
    };
    const int64_t needed = settings_.misses == Misses::Upload ? pattern.n_pairs() : pattern.n_chosen();
    if (pattern.obstacle.text) {
        return std::string("'") + pattern.obstacle.tensor->name + "' " + pattern.obstacle.text;
    }
    if (pattern.n_tokens() > Tuning::kMostPartedTokens) {
        return "the graph has " + std::to_string(pattern.n_tokens()) + " tokens";
    }
    if (needed > bank.residency().n_entries()) {
        return std::to_string(needed) + " entries are needed";
    }
    if (std::any_of(pattern.nodes.begin(), pattern.nodes.end(), is_in_other)) {
        return "it reads experts of two banks";
    }
    return std::any_of(pattern.nodes.begin(), pattern.nodes.end(), is_fixed)
               ? "a callback is set, or a node has a backend or memory of the caller's"
               : "";
}

// Parts the pairs of the blocks that have a bank.
void ResidentExperts::part(const host::Nodes & nodes, const std::function<bool(const ggml_tensor *)> & is_fixed) {
    std::vector<ExpertBank *> in_use; // by accepted pattern
    std::vector<ExpertPattern> accepted;
    std::string listing;
    // With uploads there are no trials, since the results are to be the same bits each time. A graph with a block of
    // many tokens, as a prompt whose last layer has one token, would say little.
    is_in_trials_ = settings_.misses == Misses::Shared;
    const auto is_in_bank = [this](const ggml_tensor * experts) { return bank_of(experts) != nullptr; };
    for (const ExpertPattern & pattern : find_patterns(nodes, is_in_bank)) {
        is_in_trials_ = is_in_trials_ && pattern.n_tokens() <= Tuning::kMostPartedTokens;
        const ggml_tensor * const first = pattern.nodes.front();
        ExpertBank & bank = *bank_of(first->src[operand_with_experts(first)]);
        std::string obstacle = obstacle_now(pattern, bank, is_fixed);
        // An expert that the second of two patterns lacks could replace one that the first has still to read.
        for (size_t i = 0; i < accepted.size(); i++) {
            if (obstacle.empty() && in_use[i] == &bank && accepted[i].last >= pattern.first) {
                obstacle = "another block that uses its bank has not ended";
            }
        }
        if (obstacle.empty()) {
            in_use.push_back(&bank);
            accepted.push_back(pattern);
            n_pairs_ += pattern.n_pairs();
        } else {
            listing += std::string("## EXPERTS: '") + first->name + "' does not use its bank: " + obstacle + "\n";
        }
    }
    const bool are_parted = n_pairs_ > 0 && (!is_in_trials_ || trial_.begin(n_pairs_));
    for (size_t i = 0; are_parted && i < accepted.size(); i++) {
        if (const Obstacle obstacle = parted_.add(accepted[i], *in_use[i], settings_.misses); obstacle.text) {
            listing += std::string("## EXPERTS: '") + accepted[i].nodes.front()->name + "' does not use its bank: '" +
                       obstacle.tensor->name + "' " + obstacle.text + "\n";
        }
    }
    n_pairs_ = are_parted && parted_.is_empty() ? 0 : n_pairs_;
    is_listing_new_ = listing != listing_;
    listing_ = std::move(listing);
}

std::string ResidentExperts::new_listing() {
    return std::exchange(is_listing_new_, false) ? listing_ : "";
}

void ResidentExperts::note_time(double us, double cpu_us) {
    size_t bytes_on_cpu = 0;
    size_t bytes_in_entries = 0;
    size_t bytes_uploaded = 0;
    for (size_t i = 0; i < parted_.patterns().size(); i++) {
        bytes_on_cpu += parted_.parting(i).bytes_on_cpu();
        bytes_in_entries += parted_.parting(i).bytes_in_entries();
        bytes_uploaded += parted_.parting(i).bytes_uploaded();
    }
    if (!parted_.is_empty() && settings_.misses == Misses::Shared) {
        n_parted_runs_++;
        share_.note_cpu(cpu_us, bytes_on_cpu);
        promotion_budget_.note_run(us, share_.cpu_us(bytes_in_entries));
    }
    if (n_pairs_ == 0 || !is_in_trials_) {
        return;
    }
    std::optional<double> saved_us;
    if (share_.is_cpu_measured()) {
        saved_us = share_.cpu_us(bytes_in_entries + bytes_uploaded);
    }
    if (const std::string lost = trial_.note(n_pairs_, !parted_.is_empty(), us, saved_us); !lost.empty()) {
        host::log_warning(lost);
    }
}

void ResidentExperts::replace_operands() {
    exchange_.exchange();
    parted_.exchange();
}

void ResidentExperts::restore() {
    parted_.restore();
    exchange_.restore();
}

// Finds which banks the last graph uses, and how. A bank is filled in the middle of a run if only blocks of the first
// half read it, and else at the begin. So its entries change between two readers, and never behind the parting of a
// block that has still to read them.
void ResidentExperts::find_halves() {
    in_use_ = {};
    const std::vector<PartedPattern> & patterns = parted_.patterns();
    const size_t n = patterns.size();
    in_use_.middle = n / 2;
    std::unordered_set<const ExpertBank *> parted;
    for (size_t i = 0; i < n; i++) {
        ExpertBank & bank = parted_.parting(i).bank();
        in_use_.parted.push_back({parted_.parting(i).node(), &bank});
        if (!parted.insert(&bank).second || settings_.misses != Misses::Shared) {
            continue;
        }
        bool ends_in_first_half = true;
        for (size_t j = i; j < n; j++) {
            const bool reads = &parted_.parting(j).bank() == &bank;
            ends_in_first_half = ends_in_first_half && !(reads && patterns[j].last() >= patterns[n / 2].first());
        }
        const BanksInUse::Filled filled = {&bank, have_stream_[bank.backend()]};
        (ends_in_first_half ? in_use_.at_middle : in_use_.at_begin).push_back(filled);
    }
    for (const auto & bank : banks_) {
        if (parted.count(bank.get()) == 0) {
            in_use_.read.push_back(bank.get());
        }
    }
    if (!in_use_.at_middle.empty()) {
        parted_.parting(n / 2).call_before([this] { promote(in_use_.at_middle, next_at_middle_); });
    }
}

// Decides which experts get an entry of these banks. `next` is the one that is filled first.
void ResidentExperts::promote(const std::vector<BanksInUse::Filled> & banks, size_t & next) {
    size_t bytes = 0;
    const size_t first = next++;
    for (size_t i = 0; i < banks.size(); i++) {
        ExpertBank & bank = *banks[(first + i) % banks.size()].bank;
        ExpertResidency & residency = bank.residency();
        residency.forget_promotions();
        size_t most = (Tuning::kMostUploaded - std::min(bytes, Tuning::kMostUploaded)) / bank.bytes_of_entry();
        most = bytes == 0 ? std::max<size_t>(most, 1) : most;
        // Where missing experts get entries while the graph runs, no others are needed.
        if (most > 0 && !residency.has_admitted()) {
            const double upload_us = share_.upload_us(bank.backend(), bank.bytes_of_entry());
            PromotionLimits limits = promotion_budget_.limits_of(upload_us, share_.cpu_us(bank.bytes_of_entry()));
            limits.most = most;
            promotion_budget_.take(static_cast<double>(residency.promote(limits)) * upload_us);
            bytes += residency.promotions().size() * bank.bytes_of_entry();
        }
        residency.forget_admitted();
        bank.note_promoted(residency.promotions().size());
    }
}

void ResidentExperts::forget_entries() noexcept {
    for (const auto & bank : banks_) {
        bank->residency().clear();
    }
}

ExpertCounts ResidentExperts::take_counts(std::string & failure) {
    ExpertCounts counts;
    for (size_t i = 0; i < parted_.patterns().size(); i++) {
        const Parting & parting = parted_.parting(i);
        ExpertBank & bank = parting.bank();
        const auto pairs = static_cast<uint64_t>(parting.n_pairs());
        const auto missed = static_cast<uint64_t>(parting.n_missed());
        const uint64_t uploaded = bank.take_promoted() + static_cast<uint64_t>(parting.n_uploaded());
        for (ExpertCounts * const all : {&counts, &bank.counts()}) {
            all->pairs += pairs;
            all->missed += missed;
            all->uploaded += uploaded;
        }
        failure = failure.empty() ? parting.failure() : failure;
    }
    return counts;
}

void ResidentExperts::reset_counts() noexcept {
    for (const auto & bank : banks_) {
        bank->counts() = {};
    }
}

// Returns the bank that has a tensor of host memory; NULL if there is none.
ExpertBank * ResidentExperts::bank_of(const ggml_tensor * experts) const {
    const auto bank =
        std::find_if(banks_.begin(), banks_.end(), [&](const auto & each) { return each->find(experts) != nullptr; });
    return bank == banks_.end() ? nullptr : bank->get();
}

size_t ResidentExperts::bytes() const {
    size_t bytes = 0;
    for (const Block & block : blocks_) {
        for (const ResidentCopy & copy : block) {
            bytes += copy.bytes;
        }
    }
    for (const auto & bank : banks_) {
        bytes += bank->bytes();
    }
    return bytes;
}

const char * ResidentExperts::find_changed(const std::function<void(BackendId)> & wait_for) {
    const auto & all = exchange_.all();
    const size_t n_parted = parted_.patterns().size();
    if (all.size() + n_parted == 0) {
        return nullptr;
    }
    const size_t i = n_checked_++ % (all.size() + n_parted);
    if (i >= all.size()) {
        ExpertBank & bank = parted_.parting(i - all.size()).bank();
        wait_for(bank.backend());
        return bank.find_changed();
    }
    const OperandExchange::Exchange & one = all[i];
    std::vector<char> bytes(ggml_nbytes(one.other));
    host::get_blocking(one.other, bytes.data());
    return std::memcmp(bytes.data(), one.original->data, bytes.size()) == 0 ? nullptr : one.other->name;
}

} // namespace ggml_sched
