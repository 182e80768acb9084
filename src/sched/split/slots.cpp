#include "split/slots.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// "backend#tensor#turn", cut where it gets too long; the tensor's name is left its part.
void name_slot(ggml_tensor * slot, const std::string & backend, const ggml_tensor * tensor, int turn) {
    constexpr size_t kBackendPart = 20;
    constexpr size_t kTensorPart = 40;
    static_assert(kBackendPart + kTensorPart + 4 <= GGML_MAX_NAME, "the parts must fit");
    char * out = std::copy_n(backend.data(), std::min(backend.size(), kBackendPart), slot->name);
    *out++ = '#';
    out = std::copy(tensor->name, std::find(tensor->name, tensor->name + kTensorPart, '\0'), out);
    *out++ = '#';
    *out++ = static_cast<char>('0' + turn);
    *out = '\0';
}

void keep_apart(ggml_tensor * slot) {
    slot->flags |= GGML_TENSOR_FLAG_INPUT | GGML_TENSOR_FLAG_OUTPUT;
}

} // namespace

ggml_tensor * Slots::make_one(const ggml_tensor * tensor, const std::string & backend, int turn) {
    ggml_tensor * slot = pool_.like(tensor);
    name_slot(slot, backend, tensor, turn);
    return slot;
}

void Slots::make(const GraphView & graph, const Splits & splits, const std::vector<host::Backend> & backends,
                 int n_copies, int turn) {
    pool_.clear();
    copies_.clear();
    rotating_.clear();
    readers_.clear();
    n_copies_ = n_copies;
    turn_ = turn;
    for (const InputCopy & copy : splits.copies) {
        for (int c = 0; c < n_copies; c++) {
            // Of what is streamed there is one for all turns: the memory is used again within a run already.
            copies_.push_back(copy.streamed && c > 0
                                  ? copies_.back()
                                  : make_one(graph.tensor(copy.tensor), backends[copy.backend].name, c));
        }
        readers_.push_back(pool_.view_of(graph.tensor(copy.tensor)));
    }
    for (const InputCopy & input : splits.rotating) {
        ggml_tensor * own = graph.tensor(input.tensor);
        for (int c = 0; c < n_copies; c++) {
            rotating_.push_back(c == turn ? own : make_one(own, backends[input.backend].name, c));
        }
    }
    if (n_copies > 1) { // kept apart from everything else: other runs use the other slots
        for (size_t i = 0; i < copies_.size(); i++) {
            if (!splits.copies[i / static_cast<size_t>(n_copies)].streamed) {
                keep_apart(copies_[i]);
            }
        }
        std::for_each(rotating_.begin(), rotating_.end(), keep_apart);
    }
}

} // namespace ggml_sched
