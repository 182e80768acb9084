#include "experts/parting.h"

#include <algorithm>

#include "host/operations.h"

namespace ggml_sched {

void Parting::begin(ExpertBank & bank, Misses misses, ggml_tensor * node, const ggml_tensor * ids) {
    bank_ = &bank;
    node_ = node;
    before_ = nullptr;
    misses_ = misses;
    ids_name_ = ids->name;
    n_chosen_ = ids->ne[0];
    n_pairs_ = ids->ne[0] * ids->ne[1];
    n_missed_ = 0;
    n_uploaded_ = 0;
    bytes_on_cpu_ = 0;
    bytes_in_entries_ = 0;
    has_wrong_ = false;
    of_misses_.clear();
    is_used_.resize(static_cast<size_t>(bank.residency().n_entries()));
    missing_.reserve(static_cast<size_t>(bank.residency().n_experts()));
    bank.residency().make_room(n_pairs_);
    host::make_custom(node, &Parting::compute, this);
}

std::string Parting::failure() const {
    return has_wrong_ ? "'" + ids_name_ + "' names expert " + std::to_string(wrong_) + " of " +
                            std::to_string(bank_->residency().n_experts()) + "; the result is wrong"
                      : "";
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

// Returns the expert of a pair. The ids are in host memory, with the layout that the graph gave them.
int32_t Parting::expert_of(const ggml_tensor * ids, int64_t pair) const {
    const auto offset =
        static_cast<size_t>(pair % n_chosen_) * ids->nb[0] + static_cast<size_t>(pair / n_chosen_) * ids->nb[1];
    return *reinterpret_cast<const int32_t *>(static_cast<const char *>(ids->data) + offset);
}

bool Parting::exists(int32_t expert) const {
    return expert >= 0 && expert < bank_->residency().n_experts();
}

void Parting::part(const ggml_tensor * node) {
    const ggml_tensor * const ids = node->src[0];
    has_wrong_ = false;
    n_uploaded_ = 0;
    n_missed_ = 0;
    if (before_) {
        before_();
    }
    bank_->residency().begin_run();
    for (int64_t pair = 0; pair < n_pairs_; pair++) {
        const int32_t expert = expert_of(ids, pair);
        if (exists(expert)) {
            bank_->residency().note(expert);
        } else {
            has_wrong_ = true;
            wrong_ = expert;
        }
    }
    if (misses_ == Misses::Shared) {
        share(ids);
    }
    for (int64_t token = 0; token < n_pairs_ / n_chosen_; token++) {
        part_token(node, ids, token * n_chosen_);
    }
    for (const auto & [tensor, dimension] : of_misses_) {
        tensor->ne[dimension] = n_missed_;
    }
}

// Gives entries to some of the missing experts, those that were chosen most often first. The CPU has the others.
void Parting::share(const ggml_tensor * ids) {
    ExpertResidency & residency = bank_->residency();
    missing_.clear();
    std::fill(is_used_.begin(), is_used_.end(), false);
    for (int64_t pair = 0; pair < n_pairs_; pair++) {
        const int32_t expert = expert_of(ids, pair);
        const int entry = exists(expert) ? residency.entry_of(expert) : ExpertResidency::kNone;
        if (entry != ExpertResidency::kNone) {
            is_used_[static_cast<size_t>(entry)] = true;
        } else if (exists(expert) && std::find(missing_.begin(), missing_.end(), expert) == missing_.end()) {
            missing_.push_back(expert);
        }
    }
    bytes_in_entries_ =
        static_cast<size_t>(std::count(is_used_.begin(), is_used_.end(), true)) * bank_->bytes_of_entry();
    const auto n_missing = static_cast<int>(missing_.size());
    const int n_wanted = bank_->n_uploaded(n_missing);
    std::partial_sort(missing_.begin(), missing_.begin() + n_wanted, missing_.end(), [&](int a, int b) {
        const double score_of_a = residency.score_of(a);
        const double score_of_b = residency.score_of(b);
        return score_of_a > score_of_b || (score_of_a == score_of_b && a < b);
    });
    for (int i = 0; i < n_wanted; i++) {
        if (residency.admit(missing_[static_cast<size_t>(i)]) == ExpertResidency::kNone) {
            break; // The run needs all of them.
        }
        n_uploaded_++;
    }
    bytes_on_cpu_ = static_cast<size_t>(n_missing - n_uploaded_) * bank_->bytes_of_entry();
}

// Writes the integers of the pairs of one token. The device computes all of them, so that its work is the same in each
// run. Backends rely on it that a token names no expert twice. So the missing pairs get entries that the token does not
// use.
void Parting::part_token(const ggml_tensor * node, const ggml_tensor * ids, int64_t first) {
    const auto element = [&](PartedRow row, int64_t column) -> int32_t & {
        return static_cast<int32_t *>(node->data)[static_cast<int64_t>(row) * n_pairs_ + column];
    };
    std::fill(is_used_.begin(), is_used_.end(), false);
    for (int64_t pair = first; pair < first + n_chosen_; pair++) {
        const int entry = entry_of(expert_of(ids, pair));
        element(PartedRow::Entry, pair) = entry;
        if (entry != ExpertResidency::kNone) {
            is_used_[static_cast<size_t>(entry)] = true;
        }
    }
    int unused = 0;
    for (int64_t pair = first; pair < first + n_chosen_; pair++) {
        element(PartedRow::Result, pair) = static_cast<int32_t>(pair);
        if (element(PartedRow::Entry, pair) != ExpertResidency::kNone) {
            continue;
        }
        while (is_used_[static_cast<size_t>(unused)]) {
            unused++; // A bank has an entry for each pair of a token.
        }
        element(PartedRow::Entry, pair) = unused++;
        if (const int32_t expert = expert_of(ids, pair); exists(expert)) {
            element(PartedRow::Result, pair) = static_cast<int32_t>(n_pairs_ + n_missed_);
            element(PartedRow::Expert, n_missed_) = expert;
            element(PartedRow::Token, n_missed_) = static_cast<int32_t>(pair / n_chosen_);
            element(PartedRow::Pair, n_missed_) = static_cast<int32_t>(pair);
            n_missed_++;
        }
    }
}

// Returns the entry of an expert; kNone if it has none. It gets one if missing experts are uploaded.
int Parting::entry_of(int32_t expert) {
    if (!exists(expert)) {
        return ExpertResidency::kNone;
    }
    const int entry = bank_->residency().entry_of(expert);
    if (entry != ExpertResidency::kNone || misses_ != Misses::Upload) {
        return entry;
    }
    n_uploaded_++;
    return bank_->residency().admit(expert);
}

} // namespace ggml_sched
