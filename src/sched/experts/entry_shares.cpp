#include "experts/entry_shares.h"

#include <algorithm>
#include <functional>

namespace ggml_sched {

namespace {

// Returns how often the experts were chosen, the most frequent one first.
std::vector<uint32_t> sorted(std::vector<uint32_t> n_chosen) {
    std::sort(n_chosen.begin(), n_chosen.end(), std::greater<>());
    return n_chosen;
}

// Wish - one more entry for a bank
struct Wish {
    uint32_t n_chosen; // of the expert that it would hold
    size_t bank;
};

} // namespace

std::vector<int> share_entries(const std::vector<EntryDemand> & demands) {
    size_t left = 0;
    std::vector<int> result;
    std::vector<Wish> wishes;
    for (size_t bank = 0; bank < demands.size(); bank++) {
        const EntryDemand & demand = demands[bank];
        const std::vector<uint32_t> n_chosen = sorted(demand.n_chosen);
        const int least = std::min(demand.least_entries, demand.n_entries);
        result.push_back(least);
        left += static_cast<size_t>(demand.n_entries - least) * demand.bytes_of_entry;
        for (int i = least; i < std::min(demand.most_entries, static_cast<int>(n_chosen.size())); i++) {
            wishes.push_back({n_chosen[static_cast<size_t>(i)], bank});
        }
    }
    std::stable_sort(wishes.begin(), wishes.end(),
                     [](const Wish & a, const Wish & b) { return a.n_chosen > b.n_chosen; });
    for (const Wish & wish : wishes) {
        const size_t bytes = demands[wish.bank].bytes_of_entry;
        if (bytes <= left) {
            left -= bytes;
            result[wish.bank]++;
        }
    }
    return result;
}

double hits_with(const std::vector<EntryDemand> & demands, const std::vector<int> & n_entries) {
    double hits = 0.0;
    double all = 0.0;
    for (size_t bank = 0; bank < demands.size(); bank++) {
        const std::vector<uint32_t> n_chosen = sorted(demands[bank].n_chosen);
        const auto bytes = static_cast<double>(demands[bank].bytes_of_entry);
        for (size_t i = 0; i < n_chosen.size(); i++) {
            all += bytes * n_chosen[i];
            hits += i < static_cast<size_t>(n_entries[bank]) ? bytes * n_chosen[i] : 0.0;
        }
    }
    return all > 0.0 ? hits / all : 0.0;
}

} // namespace ggml_sched
