#include "split/slots.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// Names the slot "backend#tensor#cur_copy". Cuts each part that is too long.
void name_slot(ggml_tensor * slot, const std::string & backend, const ggml_tensor * tensor, int cur_copy) {
    constexpr size_t kBackendPart = 20;
    constexpr size_t kTensorPart = 40;
    static_assert(kBackendPart + kTensorPart + 4 <= GGML_MAX_NAME, "the parts must fit");
    char * out = std::copy_n(backend.data(), std::min(backend.size(), kBackendPart), slot->name);
    *out++ = '#';
    out = std::copy(tensor->name, std::find(tensor->name, tensor->name + kTensorPart, '\0'), out);
    *out++ = '#';
    *out++ = static_cast<char>('0' + cur_copy);
    *out = '\0';
}

} // namespace

void Slots::make(const GraphView & graph, const Splits & splits, const std::vector<host::Backend> & backends,
                 int n_copies, int cur_copy) {
    pool_.clear();
    copies_.clear();
    n_copies_ = n_copies;
    cur_copy_ = cur_copy;
    for (const InputCopy & copy : splits.copies) {
        const ggml_tensor * tensor = graph.tensor(copy.tensor);
        copies_.push_back(pool_.like(tensor));
        // Every cur_copy has the same slot of a streamed input: its memory is used again within a run already.
        name_slot(copies_.back(), backends[copy.backend].name, tensor, copy.streamed ? 0 : cur_copy);
    }
}

} // namespace ggml_sched
