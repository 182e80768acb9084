#include "lower/offers.h"

#include <algorithm>

namespace ggml_sched {

namespace {

// Returns the buffer of a weight in host memory; NULL for other tensors. It is good until the next use of the table.
const KnownBuffer * host_weights_of(const ggml_tensor * tensor, BufferTable & buffers) {
    const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
    if (!buffer) {
        return nullptr;
    }
    const KnownBuffer & known = buffers.of(buffer);
    return known.facts.host && known.facts.weights ? &known : nullptr;
}

bool is_before(const plan::Access & a, const plan::Access & b) {
    return a.begin < b.begin;
}

void sort_and_merge(std::vector<plan::Access> & accesses) {
    std::sort(accesses.begin(), accesses.end(), is_before);
    std::vector<plan::Access> merged;
    for (const plan::Access & access : accesses) {
        if (!merged.empty() && access.begin <= merged.back().end) {
            merged.back().end = std::max(merged.back().end, access.end);
        } else {
            merged.push_back(access);
        }
    }
    accesses = std::move(merged);
}

} // namespace

Offers::Offers(const CutGraph & graph, const std::vector<host::Backend> & backends, BufferTable & buffers,
               Offered offered, const std::function<bool(uint32_t copy)> & is_whole) {
    if (offered == Offered::Nothing) {
        return;
    }
    is_offered_.assign(graph.splits.copies.size(), false);
    for (uint32_t copy = 0; copy < is_offered_.size(); copy++) {
        const ggml_tensor * tensor = graph.view.tensor(graph.splits.copies[copy].tensor);
        is_offered_[copy] = host_weights_of(tensor, buffers) && is_whole(copy);
    }
    banks_.resize(backends.size());
    find_tables(graph, buffers);
    find_banks(graph, buffers);
}

// If all copies out of a buffer are offered, the whole buffer counts: other graphs may offer other weights in it.
void Offers::find_tables(const CutGraph & graph, BufferTable & buffers) {
    std::vector<ggml_backend_buffer_t> mixed;
    const auto is_mixed = [&](ggml_backend_buffer_t buffer) {
        return std::find(mixed.begin(), mixed.end(), buffer) != mixed.end();
    };
    for (const bool offered : {false, true}) {
        for (uint32_t copy = 0; copy < is_offered_.size(); copy++) {
            const ggml_tensor * tensor = graph.view.tensor(graph.splits.copies[copy].tensor);
            const KnownBuffer * known = host_weights_of(tensor, buffers);
            if (!known || is_offered_[copy] != offered) {
                continue;
            }
            if (!offered) {
                mixed.push_back(known->buffer);
                continue;
            }
            const auto begin = reinterpret_cast<uintptr_t>(tensor->data);
            const plan::Access bytes = {plan::kHostMemory, true, begin, begin + ggml_nbytes(tensor)};
            const plan::Access all = {plan::kHostMemory, true, known->facts.begin, known->facts.end};
            tables_.push_back(is_mixed(known->buffer) ? bytes : all);
        }
    }
    sort_and_merge(tables_);
}

void Offers::find_banks(const CutGraph & graph, BufferTable & buffers) {
    for (TensorId id = 0; id < graph.view.n_tensors(); id++) {
        const BackendId backend = graph.assignment.backend[id];
        if (!(graph.view.facts(id) & kIsWeights) || backend == kNoBackend) {
            continue;
        }
        const KnownBuffer & known = buffers.of(graph.view.tensor(id)->buffer);
        std::vector<plan::Access> & banks = banks_[backend];
        const bool is_known = std::any_of(banks.begin(), banks.end(), [&](const plan::Access & bank) {
            return bank.space == known.space && bank.begin == known.facts.begin;
        });
        if (!known.facts.host && !is_known) {
            banks.push_back({known.space, true, known.facts.begin, known.facts.end});
        }
    }
}

// The first offer of a run waits for all that earlier runs may still read, a later one for what this run may still
// read.
void Offers::append_writes(BackendId backend, plan::Program & program) {
    note_late_reads(program);
    const std::vector<plan::Access> & tables = is_first_ ? tables_ : late_tables_;
    program.accesses.insert(program.accesses.end(), tables.begin(), tables.end());
    program.accesses.insert(program.accesses.end(), banks_[backend].begin(), banks_[backend].end());
    is_first_ = false;
}

void Offers::note_late_reads(const plan::Program & program) {
    const size_t n_before = late_tables_.size();
    for (; n_noted_ < program.tasks.size(); n_noted_++) {
        const plan::Task & task = program.tasks[n_noted_];
        for (uint32_t i = task.first_access; i < task.first_access + task.n_accesses; i++) {
            const plan::Access & read = program.accesses[i];
            const bool is_late = task.lane != plan::kHost && is_after_call(task, read);
            if (is_late && !read.write && read.space == plan::kHostMemory) {
                note_late_read(read);
            }
        }
    }
    if (late_tables_.size() > n_before) {
        sort_and_merge(late_tables_);
    }
}

void Offers::note_late_read(const plan::Access & read) {
    auto table = std::upper_bound(tables_.begin(), tables_.end(), read, is_before);
    table -= table == tables_.begin() ? 0 : 1;
    for (; table != tables_.end() && table->begin < read.end; ++table) {
        const uint64_t begin = std::max(table->begin, read.begin);
        const uint64_t end = std::min(table->end, read.end);
        if (begin < end) {
            late_tables_.push_back({plan::kHostMemory, true, begin, end});
        }
    }
}

} // namespace ggml_sched
