#include "alloc/tensor_numbering.h"

namespace ggml_sched {

void TensorNumbering::clear() {
    items_.clear();
    generation_++;
    if (generation_ == 0) {
        table_.assign(table_.size(), NO_ENTRY);
        generation_ = 1;
    }
}

int TensorNumbering::add(ggml_tensor * tensor) {
    const int next_root = tensor->view_src != nullptr ? number(tensor->view_src) : static_cast<int>(items_.size());
    if (2 * (items_.size() + 1) > table_.size()) {
        grow();
    }
    const int next = static_cast<int>(items_.size());
    items_.push_back({tensor, next_root});
    table_[probe(tensor)] = {tensor, generation_, next};
    return next;
}

void TensorNumbering::grow() {
    const size_t size = 2 * table_.size();
    std::vector<Entry> larger(size, NO_ENTRY);
    table_.swap(larger);
    shift_ = 64;
    for (size_t rest = size; rest > 1; rest /= 2) {
        shift_--;
    }
    for (size_t i = 0; i < items_.size(); i++) {
        table_[probe(items_[i].tensor)] = {items_[i].tensor, generation_, static_cast<int>(i)};
    }
}

} // namespace ggml_sched
