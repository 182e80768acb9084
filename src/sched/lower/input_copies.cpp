#include "lower/input_copies.h"

namespace ggml_sched {

CopyBinding InputCopies::whole(uint32_t copy) const {
    const InputCopy & input = graph_.splits.copies[copy];
    CopyBinding result = {copy,
                          input.tensor,
                          graph_.view.tensor(input.tensor),
                          graph_.slots.of(copy),
                          graph_.assignment.backend[input.tensor],
                          input.backend,
                          0,
                          false,
                          0};
    result.bytes = ggml_nbytes(result.dst);
    return result;
}

void InputCopies::name_experts(const WrittenIds & ids, CopyBinding & copy) const {
    copy.ids = host_ids_.binding_of(ids);
    if (copy.ids == kNoBinding) {
        return;
    }
    copy.form = CopyForm::NamedExperts;
    copy.reader_id = experts_.reader_of(copy.copy);
    copy.reader = copy.reader_id == kNoTensor ? nullptr : graph_.view.tensor(copy.reader_id);
}

} // namespace ggml_sched
