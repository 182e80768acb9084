// Which experts a tensor of ids names. Values only: the ids have been fetched.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ggml.h"

namespace ggml_sched {

// Experts [begin, end)
struct ExpertRange {
    int64_t begin;
    int64_t end;
};

class UsedExperts {
  public:
    // `data` holds the bytes of `ids`, which is I32. Returns the first id that is none of [0, n_experts), if there is
    // one; used() and ranges() then mean nothing.
    std::optional<int32_t> find(const ggml_tensor * ids, const char * data, int64_t n_experts);

    // By expert. Some may be taken out, before ranges() is called.
    std::vector<bool> & used() { return used_; }
    // In order, not touching each other
    const std::vector<ExpertRange> & ranges();

  private:
    std::vector<bool> used_;
    std::vector<ExpertRange> ranges_;
};

} // namespace ggml_sched
