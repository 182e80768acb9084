#include "lower/bank_copies.h"

#include <algorithm>

namespace ggml_sched {

BankCopies::BankCopies(const BanksInUse & banks, const GraphView & graph, const Splits & splits,
                       const std::vector<host::Backend> & backends, const Topology & topology, HostIds & ids,
                       ProgramBuilder & out)
    : banks_(banks)
    , backends_(backends)
    , topology_(topology)
    , ids_(ids)
    , out_(out) {
    find_readers(graph, splits);
    find_places(splits);
}

// Finds the first split of each bank's device behind the node that parts the pairs. The host knows by then which
// experts get an entry, and no split before it reads them.
void BankCopies::find_readers(const GraphView & graph, const Splits & splits) {
    const std::vector<GraphNode> & nodes = graph.nodes();
    size_t node = 0;
    for (const BanksInUse::Parted & parted : banks_.parted) {
        while (graph.tensor(nodes[node].tensor) != parted.pairs) {
            node++;
        }
        const auto first = std::find_if(splits.splits.begin(), splits.splits.end(), [&](const Split & split) {
            return split.backend == parted.bank->backend() && split.begin > static_cast<int32_t>(node);
        });
        readers_.push_back(
            {static_cast<int32_t>(first - splits.splits.begin()), {nodes[node].tensor, static_cast<int32_t>(node)}});
    }
}

// Finds a launch for each bank that keeps its device busy while experts are copied. At the begin that is the first one
// of the device, unless a block that is behind it reads the bank.
void BankCopies::find_places(const Splits & splits) {
    for (auto filled = banks_.at_middle.rbegin(); filled != banks_.at_middle.rend(); ++filled) {
        places_.push_back({*filled, readers_[banks_.middle].split});
    }
    for (auto filled = banks_.at_begin.rbegin(); filled != banks_.at_begin.rend(); ++filled) {
        size_t first_reader = 0;
        while (banks_.parted[first_reader].bank != filled->bank) {
            first_reader++;
        }
        const auto first = std::find_if(splits.splits.begin(), splits.splits.end(),
                                        [&](const Split & split) { return split.backend == filled->bank->backend(); });
        const auto launch = static_cast<int32_t>(first - splits.splits.begin());
        places_.push_back({*filled, launch < readers_[first_reader].split ? launch : kBeforeTheRun});
    }
}

void BankCopies::before_launch(int32_t split) {
    for (size_t i = 0; i < readers_.size(); i++) {
        if (readers_[i].split == split) {
            ids_.read(split, readers_[i].pairs);
            fill({banks_.parted[i].bank, false}, CopyForm::Admitted, split, ids_.binding_of(readers_[i].pairs));
        }
    }
}

// Adds the copies of promoted experts behind the launch of a split.
void BankCopies::promote(int32_t split) {
    for (const Place & place : places_) {
        if (place.behind == split) {
            fill(place.filled, CopyForm::Promoted, std::max(split, 0), kNoBinding);
        }
    }
}

// Adds the copies of experts to a bank. `ids` is the binding of what the host must know by then.
void BankCopies::fill(const BanksInUse::Filled & filled, CopyForm form, int32_t split, uint32_t ids) {
    const BackendId backend = filled.bank->backend();
    const host::Backend & device = backends_[backend];
    const std::vector<ResidentCopy> & copies = filled.bank->copies();
    for (auto copy = copies.rbegin(); copy != copies.rend(); ++copy) { // in the reverse order of their readers
        CopyBinding binding = {kNoBinding,
                               kNoTensor,
                               copy->original.get(),
                               copy->tensor.get(),
                               static_cast<BackendId>(backends_.size() - 1),
                               backend,
                               ggml_nbytes(copy->tensor.get()),
                               false,
                               0};
        binding.form = form;
        binding.ids = ids;
        binding.residency = &filled.bank->residency();
        binding.on_stream_lane = filled.on_stream_lane;
        binding.pageable =
            device.set_async && device.events && !topology_.cannot_stage[backend] && !out_.reads_pinned(binding);
        out_.push_copy(device.set_async ? plan::TaskKind::SetAsync : plan::TaskKind::SetNow, split, out_.bind(binding));
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

} // namespace ggml_sched
