#include "lower/buffer_table.h"

namespace ggml_sched {

const KnownBuffer & BufferTable::find(ggml_backend_buffer_t buffer) {
    for (last_ = 0; last_ < known_.size(); last_++) {
        if (known_[last_].buffer == buffer) {
            return known_[last_];
        }
    }
    known_.push_back({buffer, spaces_.of(buffer), host::facts_of(buffer)});
    return known_.back();
}

} // namespace ggml_sched
