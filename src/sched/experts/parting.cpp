#include "experts/parting.h"

#include "host/operations.h"

namespace ggml_sched {

void Parting::begin(ExpertBank & bank, Misses misses, ggml_tensor * node, const ggml_tensor * ids) {
    bank_ = &bank;
    misses_ = misses;
    ids_name_ = ids->name;
    n_chosen_ = ids->ne[0];
    n_pairs_ = ids->ne[0] * ids->ne[1];
    n_missed_ = 0;
    n_uploaded_ = 0;
    failure_.clear();
    of_misses_.clear();
    host::make_custom(node, &Parting::compute, this);
}

void Parting::restore_shapes() {
    for (const auto & [tensor, dimension] : of_misses_) {
        tensor->ne[dimension] = n_pairs_;
    }
}

void Parting::compute(ggml_tensor * node, int thread, int /*n_threads*/, void * parting) {
    if (thread == 0) {
        static_cast<Parting *>(parting)->part(node);
    }
}

void Parting::part(const ggml_tensor * node) {
    ExpertResidency & residency = bank_->residency();
    const ggml_tensor * const ids = node->src[0]; // in host memory, with the layout that the graph gave it
    const auto id_of = [&](int64_t pair) {
        const auto offset =
            static_cast<size_t>(pair % n_chosen_) * ids->nb[0] + static_cast<size_t>(pair / n_chosen_) * ids->nb[1];
        return *reinterpret_cast<const int32_t *>(static_cast<const char *>(ids->data) + offset);
    };
    failure_.clear();
    n_uploaded_ = 0;
    residency.begin_run();
    for (int64_t pair = 0; pair < n_pairs_; pair++) {
        const int32_t expert = id_of(pair);
        if (expert < 0 || expert >= residency.n_experts()) {
            failure_ = "'" + ids_name_ + "' names expert " + std::to_string(expert) + " of " +
                       std::to_string(residency.n_experts()) + "; the result is wrong";
            continue;
        }
        residency.note(expert);
    }
    n_missed_ = 0;
    for (int64_t pair = 0; pair < n_pairs_; pair++) {
        const int32_t expert = id_of(pair);
        part_pair(node, pair, expert < 0 || expert >= residency.n_experts() ? 0 : expert);
    }
    for (const auto & [tensor, dimension] : of_misses_) {
        tensor->ne[dimension] = n_missed_;
    }
}

// Writes the integers of one pair.
void Parting::part_pair(const ggml_tensor * node, int64_t pair, int32_t expert) {
    const auto element = [&](PartedRow row, int64_t column) -> int32_t & {
        return static_cast<int32_t *>(node->data)[static_cast<int64_t>(row) * n_pairs_ + column];
    };
    int entry = bank_->residency().entry_of(expert);
    if (entry == ExpertResidency::kNone && misses_ == Misses::Upload) {
        entry = bank_->residency().admit(expert);
        bank_->upload(expert, entry);
        n_uploaded_++;
    }
    const bool is_hit = entry != ExpertResidency::kNone;
    // The device computes all pairs, so that its work is the same in each run. Entry 0 does for those that are missing.
    element(PartedRow::Entry, pair) = is_hit ? entry : 0;
    element(PartedRow::Result, pair) = static_cast<int32_t>(is_hit ? pair : n_pairs_ + n_missed_);
    if (!is_hit) {
        element(PartedRow::Expert, n_missed_) = expert;
        element(PartedRow::Token, n_missed_) = static_cast<int32_t>(pair / n_chosen_);
        element(PartedRow::Pair, n_missed_) = static_cast<int32_t>(pair);
        n_missed_++;
    }
}

} // namespace ggml_sched
