#include "exec/used_experts.h"

#include <cstring>

namespace ggml_sched {

std::optional<int32_t> UsedExperts::find(const ggml_tensor * ids, const char * data, int64_t n_experts) {
    used_.assign(static_cast<size_t>(n_experts), false);
    for (int64_t token = 0; token < ids->ne[1]; token++) {
        for (int64_t k = 0; k < ids->ne[0]; k++) {
            int32_t id = -1;
            std::memcpy(&id, data + static_cast<size_t>(token) * ids->nb[1] + static_cast<size_t>(k) * ids->nb[0],
                        sizeof(id));
            if (id < 0 || id >= n_experts) {
                return id;
            }
            used_[static_cast<size_t>(id)] = true;
        }
    }
    return {};
}

const std::vector<ExpertRange> & UsedExperts::ranges() {
    ranges_.clear();
    const int64_t n_experts = static_cast<int64_t>(used_.size());
    for (int64_t expert = 0; expert < n_experts; expert++) {
        if (!used_[static_cast<size_t>(expert)]) {
            continue;
        }
        if (!ranges_.empty() && ranges_.back().end == expert) {
            ranges_.back().end++;
        } else {
            ranges_.push_back({expert, expert + 1});
        }
    }
    return ranges_;
}

} // namespace ggml_sched
