#include "stream/kept_weights.h"

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

// Returns the entry of a weight at its place in the ring. A new entry has no parts.
KeptWeights::Weight & KeptWeights::place(const Copy & copy) {
    const char * end = copy.dst + copy.bytes;
    const auto at = weights_.find(copy.dst);
    if (at != weights_.end() && at->second.src == copy.src && at->second.end == end &&
        at->second.parts.size() == copy.n_parts) {
        return at->second;
    }
    overwrite(copy.dst, copy.bytes);
    return weights_[copy.dst] = {copy.src, end, std::vector<bool>(copy.n_parts, false)};
}

// A weight of which some bytes are overwritten counts as gone.
void KeptWeights::overwrite(const char * dst, size_t bytes) {
    auto at = weights_.lower_bound(dst);
    if (at != weights_.begin() && std::prev(at)->second.end > dst) {
        --at;
    }
    while (at != weights_.end() && at->first < dst + bytes) {
        at = weights_.erase(at);
    }
}

} // namespace ggml_sched
