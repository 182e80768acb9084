#include "experts/expert_bank.h"

#include <algorithm>
#include <cstring>

#include "experts/memory_readers.h"
#include "host/clock.h"
#include "host/execute.h"
#include "host/tuning.h"

namespace ggml_sched {

std::unique_ptr<ExpertBank> ExpertBank::make(const std::vector<const ggml_tensor *> & experts,
                                             const std::vector<host::Backend> & backends, BackendId backend,
                                             int n_entries, int least_entries, MissShare & share) {
    const host::Backend & device = backends[backend];
    const auto n_experts = static_cast<int>(experts[0]->ne[expert_dimension(experts[0])]);
    std::unique_ptr<ExpertBank> bank(new ExpertBank(backend, n_experts, n_entries, least_entries, share));
    for (const ggml_tensor * const tensor : experts) {
        bank->copies_.push_back(describe_copy(tensor, device.buft, n_entries));
        if (!allocate_copy(bank->copies_.back(), device.buft)) {
            return nullptr;
        }
        // Copies the first experts. Nobody knows better yet, and pairs that are missing read an entry, too.
        const ResidentCopy & copy = bank->copies_.back();
        host::set_blocking(copy.tensor.get(), copy.data, 0, ggml_nbytes(copy.tensor.get()));
    }
    bank->measure_link(device, share);
    bank->residency_.fill();
    return bank;
}

// Sends a part of the bank once more, while threads read the same experts as the CPU does in a run. All of them have
// been read before, so nothing waits for a file.
void ExpertBank::measure_link(const host::Backend & device, MissShare & share) const {
    const ResidentCopy & largest =
        *std::max_element(copies_.begin(), copies_.end(),
                          [](const ResidentCopy & a, const ResidentCopy & b) { return a.bytes < b.bytes; });
    const size_t bytes = std::min(ggml_nbytes(largest.tensor.get()), Tuning::kUploadSample);
    const host::Clock clock({device});
    const MemoryReaders readers(largest.data, ggml_nbytes(largest.tensor.get()));
    const double begin = clock.now_us();
    host::set_blocking(largest.tensor.get(), largest.data, 0, bytes);
    share.note_upload(backend_, clock.now_us() - begin, bytes);
}

void ExpertBank::free_memory() noexcept {
    for (ResidentCopy & copy : copies_) {
        copy.buffer.reset();
    }
}

bool ExpertBank::can_hold(const ggml_tensor * experts, ggml_backend_buffer_type_t buft) {
    constexpr int64_t kTwo = 2;
    ResidentCopy copy = describe_copy(experts, buft, kTwo);
    const size_t bytes = ggml_nbytes(copy.tensor.get());
    if (bytes != kTwo * copy.expert_bytes || !allocate_copy(copy, buft)) {
        return false;
    }
    // A device that always takes the whole tensor reads behind the first expert here, and finds zeros.
    std::vector<char> written(bytes);
    std::memcpy(written.data(), experts->data, copy.expert_bytes);
    std::vector<char> expected(bytes);
    std::memcpy(expected.data() + copy.expert_bytes, experts->data, copy.expert_bytes);
    std::vector<char> read(bytes, 1);
    ggml_backend_buffer_clear(copy.buffer.get(), 0);
    host::set_blocking(copy.tensor.get(), written.data(), copy.expert_bytes, copy.expert_bytes);
    host::get_blocking(copy.tensor.get(), read.data());
    return read == expected;
}

size_t ExpertBank::bytes() const {
    size_t bytes = 0;
    for (const ResidentCopy & copy : copies_) {
        bytes += copy.bytes;
    }
    return bytes;
}

size_t ExpertBank::bytes_of_expert() const {
    size_t bytes = 0;
    for (const ResidentCopy & copy : copies_) {
        bytes += copy.expert_bytes;
    }
    return bytes;
}

ggml_tensor * ExpertBank::find(const ggml_tensor * experts) const {
    const auto copy = std::find_if(copies_.begin(), copies_.end(), [&](const ResidentCopy & each) {
        return each.data == experts->data && each.host == experts->buffer && !experts->view_src &&
               each.tensor->type == experts->type && each.tensor->ne[0] == experts->ne[0] &&
               each.expert_bytes == experts->nb[expert_dimension(experts)] &&
               experts->ne[expert_dimension(experts)] == residency_.n_experts();
    });
    return copy == copies_.end() ? nullptr : copy->tensor.get();
}

const char * ExpertBank::find_changed() {
    const int entry = n_checked_++ % residency_.n_entries();
    const int expert = residency_.expert_in(entry);
    if (expert == ExpertResidency::kNone) {
        return nullptr;
    }
    for (const ResidentCopy & copy : copies_) {
        const char * const from =
            static_cast<const char *>(copy.data) + static_cast<size_t>(expert) * copy.expert_bytes;
        std::vector<char> bytes(copy.expert_bytes);
        ggml_backend_tensor_get(copy.tensor.get(), bytes.data(), static_cast<size_t>(entry) * copy.expert_bytes,
                                bytes.size());
        if (std::memcmp(bytes.data(), from, bytes.size()) != 0) {
            return copy.tensor->name;
        }
    }
    return nullptr;
}

} // namespace ggml_sched
