// Bindings - what the numbers in a lowered program stand for: the tensors that its copies move, and how.
//
// Task::binding of a copy is the index of a CopyBinding. Several tasks may name one: a Snapshot and the SetAsync behind
// it, for example. Bindings are values; they do not own the tensors.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "experts/expert_residency.h"
#include "plan/program.h"
#include "split/split.h"

namespace ggml_sched {

constexpr uint32_t kNoBinding = UINT32_MAX; // in place of an index

// CopyForm - the part of its source that a copy sends.
enum class CopyForm : uint8_t {
    Whole,        // all of it
    Merged,       // all of it, together with the sources of the next CopyBinding::n_merged - 1 bindings
    NamedExperts, // the experts that the ids name
    Promoted,     // the experts that have been promoted, to their entries of a bank
    Admitted,     // the missing experts that the ids' node has given an entry of a bank, to these entries
    FromBank,     // the experts that have an entry, out of the bank on the same device
    WrittenRows,  // what CopyBinding::writer has written: the rows that the ids name, or all if there are no ids
};

// CopyBinding - the tensors and bytes of a copy. A comment names the form or the task that uses a field, if not all do.
struct CopyBinding {
    uint32_t copy; // index into Splits::copies; kNoBinding: only the host reads it, and dst is src
    TensorId tensor;
    ggml_tensor * src;
    ggml_tensor * dst;
    BackendId src_backend;
    BackendId dst_backend;
    size_t bytes;
    bool via_ring;                        // the data passes through the ring on the host
    size_t ring_offset;                   // offset in the run's part of the ring
    uint32_t ids = kNoBinding;            // NamedExperts, WrittenRows: the binding of the ids
    bool streamed = false;                // a weight that is streamed
    bool cache = false;                   // a cache that is streamed
    bool on_stream_lane = false;          // goes on the lane that streams weights
    bool pageable = false;                // goes in chunks, since the device cannot read the source by itself
    TensorId writer = kNoTensor;          // WrittenRows: the node that has written what is sent
    ggml_tensor * written = nullptr;      // WrittenRows: the tensor of `writer`
    uint32_t sent = kNoBinding;           // Offer: the binding by which the weight was streamed; kNoBinding: it was not
    TensorId reader_id = kNoTensor;       // NamedExperts: the first node that reads the experts
    const ggml_tensor * reader = nullptr; // NamedExperts: the tensor of `reader_id`, for messages
    // Promoted, Admitted: which experts have been given an entry. FromBank: which have one. Others: which ones are left
    // out, since a FromBank copies them.
    const ExpertResidency * residency = nullptr;
    ggml_tensor * bank = nullptr; // FromBank: the tensor with the entries
    uint32_t n_merged = 1;        // Merged: how many bindings are sent at once, with the bytes between them
    CopyForm form = CopyForm::Whole;
};

// True for copies into a bank. They move nothing of the graph.
inline bool fills_bank(const CopyBinding & copy) {
    return copy.form == CopyForm::Promoted || copy.form == CopyForm::Admitted;
}

// True if a task of this kind writes the data of the copy to the ring on the host.
inline bool writes_ring(plan::TaskKind kind, const CopyBinding & copy) {
    using plan::TaskKind;
    return kind == TaskKind::Snapshot || (copy.via_ring && (kind == TaskKind::GetAsync || kind == TaskKind::CopyNow));
}

// Lowered - a program with its bindings.
struct Lowered {
    plan::Program program; // Task::binding is an index into `copies`, or the split of a launch
    std::vector<CopyBinding> copies;
    size_t ring_bytes = 0; // size of a run's part of the ring
    // By lane: 0 if no copy goes in chunks, else at least 1: the bytes in chunks that may wait for other copies.
    std::array<size_t, plan::kMaxLanes> staged = {};
};

} // namespace ggml_sched
