// StreamMemo - the stream plans of the last few graphs. A later graph gets the same object as long as nothing has
// changed that its plan depends on.

#pragma once

#include <memory>

#include "reuse/key_field.h"
#include "stream/plan.h"

namespace ggml_sched {

struct StreamKey {
    std::shared_ptr<const Splits> splits;
    StreamedSizes sizes;
    uint64_t rings = 0; // memory of streamed weights, and its limits: changes when they do
    bool whole_experts = false;

    bool is_for(const std::shared_ptr<const Splits> & its_splits, const StreamedSizes & its_sizes, uint64_t its_rings,
                bool has_whole_experts, const IgnoredFields & ignored) const {
        const auto is_same = [&](bool same, KeyField field) { return same || ignored.has(field); };
        return is_same(splits == its_splits && sizes == its_sizes, KeyField::StreamedInputs) &&
               is_same(rings == its_rings, KeyField::Rings) &&
               is_same(whole_experts == has_whole_experts, KeyField::WholeExperts);
    }
};

} // namespace ggml_sched
