#include "lower/bank_copies.h"

#include <algorithm>

namespace ggml_sched {

void BankCopies::fill() {
    for (ExpertBank * const bank : banks_.filled) {
        const host::Backend & device = backends_[bank->backend()];
        for (const ResidentCopy & copy : bank->copies()) {
            CopyBinding binding = {kNoBinding,
                                   kNoTensor,
                                   copy.original.get(),
                                   copy.tensor.get(),
                                   static_cast<BackendId>(backends_.size() - 1),
                                   bank->backend(),
                                   ggml_nbytes(copy.tensor.get()),
                                   false,
                                   0};
            binding.form = CopyForm::Promoted;
            binding.residency = &bank->residency();
            binding.pageable = device.set_async && device.events && !topology_.cannot_stage[bank->backend()] &&
                               !out_.reads_pinned(binding);
            out_.push_copy(device.set_async ? plan::TaskKind::SetAsync : plan::TaskKind::CopyNow, 0,
                           out_.bind(binding));
            filled_.push_back(out_.buffers().of(copy.buffer.get()).space);
        }
    }
}

std::optional<plan::Task> BankCopies::take_out(int32_t split, CopyBinding & copy) {
    for (ExpertBank * const bank : banks_.read) {
        const bool is_here = bank->backend() == copy.dst_backend && backends_[copy.dst_backend].sets_ranges;
        ggml_tensor * const tensor = is_here ? bank->find(copy.src) : nullptr;
        if (tensor) {
            copy.residency = &bank->residency();
            CopyBinding out = copy;
            out.form = CopyForm::FromBank;
            out.bank = tensor;
            out.ids = kNoBinding;
            return out_.copy_task(plan::TaskKind::SetAsync, split, out_.bind(out));
        }
    }
    return std::nullopt;
}

void BankCopies::note_uploads(size_t first) {
    for (size_t i = first; banks_.are_filled_while_running && i < out_.accesses().size(); i++) {
        plan::Access & access = out_.accesses()[i];
        access.write = access.write || std::find(filled_.begin(), filled_.end(), access.space) != filled_.end();
    }
}

} // namespace ggml_sched
