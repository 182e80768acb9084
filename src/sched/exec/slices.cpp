#include "exec/slices.h"

namespace ggml_sched {

Slices::Slices(const host::GraphHandle & whole, const Observer & observer)
    : whole_(whole)
    , observer_(observer)
    , nodes_(host::nodes_of(whole.get())) {}

bool Slices::next() {
    const int begin = end_;
    wanted_ = false;
    while (!wanted_ && end_ < nodes_.size) {
        wanted_ = observer_.callback(nodes_[end_++], true, observer_.user_data);
    }
    slice_.slice(whole_, begin, end_);
    return begin < end_;
}

bool Slices::show() const {
    return !wanted_ || observer_.callback(nodes_[end_ - 1], false, observer_.user_data);
}

} // namespace ggml_sched
