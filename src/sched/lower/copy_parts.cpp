#include "lower/copy_parts.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "experts/resident_copy.h"

namespace ggml_sched {

namespace {

// Bytes behind an expert that are sent, too: kernels for quantized weights read a little past the last row.
constexpr size_t kPadding = 512;

// Returns the id at these coordinates. `data` holds the bytes of the ids.
int64_t id_at(const ggml_tensor * ids, const char * data, const int64_t (&at)[3]) {
    const char * id = data;
    for (int dim = 0; dim < 3; dim++) {
        id += static_cast<size_t>(at[dim]) * ids->nb[dim];
    }
    if (ids->type == GGML_TYPE_I32) {
        int32_t value = 0;
        std::memcpy(&value, id, sizeof(value));
        return value;
    }
    int64_t value = 0;
    std::memcpy(&value, id, sizeof(value));
    return value;
}

// Returns the error for an id that names no expert.
Status no_such_expert(const CopyBinding & copy, const ggml_tensor * ids, int32_t id) {
    const auto quoted = [](const ggml_tensor * tensor) { return "'" + std::string(tensor->name) + "'"; };
    const std::string node = copy.reader ? quoted(copy.reader) : "that reads " + quoted(copy.src);
    return Status::failed("MUL_MAT_ID " + node + " cannot run: its ids " + quoted(ids) + " name expert " +
                          std::to_string(id) + ", and " + quoted(copy.src) + " has the experts 0 to " +
                          std::to_string(copy.src->ne[2] - 1) + "; give valid ids");
}

// Sorts the pieces by offset, and joins those that touch or overlap.
void join(std::vector<Piece> & pieces) {
    std::sort(pieces.begin(), pieces.end(), [](const Piece & a, const Piece & b) { return a.offset < b.offset; });
    size_t last = 0;
    for (size_t i = 1; i < pieces.size(); i++) {
        const size_t end = pieces[last].offset + pieces[last].bytes;
        if (pieces[i].offset <= end) {
            pieces[last].bytes = std::max(end, pieces[i].offset + pieces[i].bytes) - pieces[last].offset;
        } else {
            pieces[++last] = pieces[i];
        }
    }
    pieces.resize(std::min(pieces.size(), last + 1));
}

} // namespace

size_t bytes_now(const CopyBinding & copy) {
    const ggml_tensor * const whole = copy.src->view_src;
    const size_t end = whole ? ggml_nbytes(whole) : SIZE_MAX;
    return std::min(copy.bytes, end - std::min(end, whole ? copy.src->view_offs : 0));
}

std::optional<int32_t> find_named_experts(const ggml_tensor * ids, const char * data, std::vector<bool> & used) {
    std::fill(used.begin(), used.end(), false);
    for (int64_t token = 0; token < ids->ne[1]; token++) {
        for (int64_t k = 0; k < ids->ne[0]; k++) {
            int32_t id = -1;
            std::memcpy(&id, data + static_cast<size_t>(token) * ids->nb[1] + static_cast<size_t>(k) * ids->nb[0],
                        sizeof(id));
            if (id < 0 || static_cast<size_t>(id) >= used.size()) {
                return id;
            }
            used[static_cast<size_t>(id)] = true;
        }
    }
    return {};
}

// Row i of rows [., n, n2, n3] replaces row ids[i, i2 % ids.ne1, i3 % ids.ne2] of the matrix (i2, i3): see
// ggml_set_rows in ggml.h.
Status find_written_rows(const ggml_tensor * node, const ggml_tensor * ids, const char * data,
                         std::vector<Piece> & rows) {
    const ggml_tensor * values = node->src[0];
    const size_t size = ggml_row_size(node->type, node->ne[0]);
    rows.clear();
    for (int64_t i3 = 0; i3 < values->ne[3]; i3++) {
        for (int64_t i2 = 0; i2 < values->ne[2]; i2++) {
            const size_t matrix = static_cast<size_t>(i2) * node->nb[2] + static_cast<size_t>(i3) * node->nb[3];
            for (int64_t i = 0; i < values->ne[1]; i++) {
                const int64_t row = id_at(ids, data, {i, i2 % ids->ne[1], i3 % ids->ne[2]});
                if (row < 0 || row >= node->ne[1]) {
                    return Status::failed(std::string("'") + ids->name + "' names row " + std::to_string(row) + " of " +
                                          std::to_string(node->ne[1]));
                }
                const size_t offset = matrix + static_cast<size_t>(row) * node->nb[1];
                rows.push_back({offset, static_cast<const char *>(node->data) + offset, size});
            }
        }
    }
    join(rows);
    return {};
}

Status CopyParts::find(const CopyBinding & copy, const char * source, const ggml_tensor * ids, const char * data,
                       KeptWeights * kept) {
    pieces_.clear();
    entries_.clear();
    kept_bytes_ = 0;
    switch (copy.form) {
    case CopyForm::NamedExperts: return find_experts(copy, ids, data, kept);
    case CopyForm::WrittenRows: return find_rows(copy, ids, data);
    case CopyForm::Promoted: find_new_entries(copy, copy.residency->promotions()); return {};
    case CopyForm::Admitted: find_new_entries(copy, copy.residency->admissions()); return {};
    case CopyForm::FromBank: find_entries(copy, kept); return {};
    default: find_whole(copy, source, kept); return {};
    }
}

// A weight is sent whole if the ring lacks any part of it, but for experts that FromBank copies.
void CopyParts::find_whole(const CopyBinding & copy, const char * source, KeptWeights * kept) {
    const auto * dst = static_cast<const char *>(copy.dst->data);
    const bool may_be_kept = kept && copy.streamed && !copy.via_ring;
    if (may_be_kept || copy.residency) {
        const int64_t n_experts = copy.residency ? copy.residency->n_experts() : copy.src->ne[2];
        named_.assign(static_cast<size_t>(n_experts), true);
        leave_out_entries(copy);
    }
    if (may_be_kept) {
        const size_t n_parts = parts_.size();
        const auto n_wanted = static_cast<size_t>(std::count(parts_.begin(), parts_.end(), true));
        kept->add({dst, copy.src->data, copy.bytes, n_parts}, parts_);
        if (std::find(parts_.begin(), parts_.end(), true) == parts_.end()) {
            kept_bytes_ = copy.bytes * n_wanted / std::max<size_t>(n_parts, 1);
            return;
        }
    } else if (kept && (copy.cache || copy.via_ring)) {
        kept->overwrite(dst, copy.bytes);
    }
    if (copy.residency) {
        leave_out_entries(copy); // once more, since kept->add() has changed parts_
        take_experts(copy, kept != nullptr);
        return;
    }
    if (const size_t bytes = bytes_now(copy); bytes > 0) {
        pieces_.push_back({0, source, bytes});
    }
}

Status CopyParts::find_experts(const CopyBinding & copy, const ggml_tensor * ids, const char * data,
                               KeptWeights * kept) {
    const auto n_experts = static_cast<size_t>(copy.src->ne[2]);
    named_.assign(n_experts, false);
    if (const std::optional<int32_t> unknown = find_named_experts(ids, data, named_)) {
        return no_such_expert(copy, ids, *unknown);
    }
    leave_out_entries(copy);
    if (kept && copy.streamed) {
        const auto n_wanted = std::count(parts_.begin(), parts_.end(), true);
        kept->add({static_cast<const char *>(copy.dst->data), copy.src->data, copy.bytes, n_experts}, parts_);
        const auto n_new = std::count(parts_.begin(), parts_.end(), true);
        kept_bytes_ = static_cast<size_t>(n_wanted - n_new) * copy.src->nb[2];
    }
    take_experts(copy, kept != nullptr);
    return {};
}

bool CopyParts::has_entry(const CopyBinding & copy, size_t expert) {
    return copy.residency && copy.residency->entry_of(static_cast<int>(expert)) != ExpertResidency::kNone;
}

// Lets parts_ be the experts in named_ that FromBank does not copy.
void CopyParts::leave_out_entries(const CopyBinding & copy) {
    parts_ = named_;
    for (size_t expert = 0; expert < parts_.size(); expert++) {
        parts_[expert] = parts_[expert] && !has_entry(copy, expert);
    }
}

// Finds the pieces of the experts in parts_. Behind experts whose next one is not there, a little of the next one is
// sent. If the ring keeps weights, also behind those out of a bank that are not named: a later run may need them.
void CopyParts::take_experts(const CopyBinding & copy, bool is_kept) {
    const size_t n_experts = parts_.size();
    const size_t size = copy.src->nb[copy.residency ? expert_dimension(copy.src) : 2];
    for (size_t expert = 0; expert < n_experts; expert++) {
        const size_t first = expert;
        while (expert < n_experts && parts_[expert]) {
            expert++;
        }
        const bool lacks_next = expert < n_experts && !named_[expert] && !has_entry(copy, expert);
        const auto is_there = [&](size_t one) {
            return parts_[one] || ((named_[one] || is_kept) && has_entry(copy, one));
        };
        const bool needs_padding = lacks_next && expert > 0 && is_there(expert - 1);
        const size_t end = expert * size + (needs_padding ? std::min(size, kPadding) : 0);
        if (first * size < end) {
            pieces_.push_back(
                {first * size, static_cast<const char *>(copy.src->data) + first * size, end - first * size});
        }
    }
}

void CopyParts::send_entries(size_t first, const CopyBinding & copy) {
    for (size_t i = first; i < entries_.size(); i++) {
        const Entry & entry = entries_[i];
        pieces_.push_back({entry.offset, static_cast<const char *>(copy.src->data) + entry.offset, entry.bytes});
    }
    entries_.resize(first);
}

void CopyParts::find_new_entries(const CopyBinding & copy, const std::vector<ExpertResidency::NewEntry> & entries) {
    const size_t size = copy.src->nb[expert_dimension(copy.src)];
    for (const ExpertResidency::NewEntry & one : entries) {
        pieces_.push_back({static_cast<size_t>(one.entry) * size,
                           static_cast<const char *>(copy.src->data) + static_cast<size_t>(one.expert) * size, size});
    }
}

// Neighbours in the tensor that are neighbours in the bank are one entry.
void CopyParts::find_entries(const CopyBinding & copy, KeptWeights * kept) {
    const auto n_experts = static_cast<size_t>(copy.residency->n_experts());
    const size_t size = copy.src->nb[expert_dimension(copy.src)];
    const auto entry_of = [&](size_t expert) { return copy.residency->entry_of(static_cast<int>(expert)); };
    parts_.resize(n_experts);
    for (size_t expert = 0; expert < n_experts; expert++) {
        parts_[expert] = entry_of(expert) != ExpertResidency::kNone;
    }
    if (kept && copy.streamed) {
        kept->add({static_cast<const char *>(copy.dst->data), copy.src->data, copy.bytes, n_experts}, parts_);
    }
    for (size_t expert = 0; expert < n_experts; expert++) {
        if (!parts_[expert]) {
            continue;
        }
        const size_t in_bank = static_cast<size_t>(entry_of(expert)) * size;
        Entry * const last = entries_.empty() ? nullptr : &entries_.back();
        if (last && last->offset + last->bytes == expert * size && last->offset_in_bank + last->bytes == in_bank) {
            last->bytes += size;
        } else {
            entries_.push_back({expert * size, in_bank, size});
        }
    }
}

// Finds the bytes of the copy's source that the writer has written.
Status CopyParts::find_rows(const CopyBinding & copy, const ggml_tensor * ids, const char * data) {
    const auto * src = static_cast<const char *>(copy.src->data);
    const char * const end = src + ggml_nbytes(copy.dst);
    if (copy.ids == kNoBinding) {
        pieces_.push_back({0, static_cast<const char *>(copy.written->data), ggml_nbytes(copy.written)});
    } else if (Status status = find_written_rows(copy.written, ids, data, pieces_); !status.ok()) {
        return status;
    }
    size_t n = 0;
    for (const Piece & piece : pieces_) {
        const char * const from = std::max(piece.data, src);
        const char * const to = std::min(piece.data + piece.bytes, end);
        if (from < to) {
            pieces_[n++] = {static_cast<size_t>(from - src), from, static_cast<size_t>(to - from)};
        }
    }
    pieces_.resize(n);
    return {};
}

} // namespace ggml_sched
