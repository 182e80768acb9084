#include "exec/kept_weights.h"

#include <iterator>

namespace ggml_sched {

void KeptWeights::add(const Copy & copy, std::vector<bool> & parts) {
    std::vector<bool> & there = place(copy).parts;
    for (size_t i = 0; i < copy.n_parts; i++) {
        const bool is_new = parts[i] && !there[i];
        there[i] = there[i] || parts[i];
        parts[i] = is_new;
    }
}

// Whatever else lay there is overwritten, in part at least.
KeptWeights::Weight & KeptWeights::place(const Copy & copy) {
    const char * end = copy.dst + copy.bytes;
    auto at = weights_.lower_bound(copy.dst);
    if (at != weights_.end() && at->first == copy.dst && at->second.src == copy.src && at->second.end == end &&
        at->second.parts.size() == copy.n_parts) {
        return at->second;
    }
    if (at != weights_.begin() && std::prev(at)->second.end > copy.dst) {
        --at;
    }
    while (at != weights_.end() && at->first < end) {
        at = weights_.erase(at);
    }
    return weights_[copy.dst] = {copy.src, end, std::vector<bool>(copy.n_parts, false)};
}

} // namespace ggml_sched
