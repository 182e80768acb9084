// Stream memo - the key of the memo of stream plans. A later graph gets the same plan, as the same object, as long as
// nothing has changed that its plan depends on. The scheduler owns the memo.

#pragma once

#include <memory>

#include "reuse/key_field.h"
#include "stream/plan.h"

namespace ggml_sched {

// StreamKey - what a stream plan depends on
struct StreamKey {
    std::shared_ptr<const Splits> splits;
    StreamedSizes sizes;
    uint64_t rings = 0;         // StreamRings::number()
    bool whole_experts = false; // true if all experts are sent ahead

    // Returns true if the key has these values, except fields that are ignored.
    bool is_for(const std::shared_ptr<const Splits> & its_splits, const StreamedSizes & its_sizes, uint64_t its_rings,
                bool has_whole_experts, const IgnoredFields & ignored) const {
        const auto is_same = [&](bool same, KeyField field) { return same || ignored.has(field); };
        return is_same(splits == its_splits && sizes == its_sizes, KeyField::StreamedInputs) &&
               is_same(rings == its_rings, KeyField::Rings) &&
               is_same(whole_experts == has_whole_experts, KeyField::WholeExperts);
    }
};

} // namespace ggml_sched
