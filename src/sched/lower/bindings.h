// Bindings - what the numbers in a lowered program stand for: the tensors that its copies move, and how.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/program.h"
#include "split/split.h"

namespace ggml_sched {

constexpr uint32_t kNoBinding = UINT32_MAX;

// The part of its source that a copy sends
enum class CopyForm : uint8_t {
    Whole,
    Merged,       // whole, and at once the copies of the next CopyBinding::n_merged - 1 bindings
    NamedExperts, // the experts that CopyBinding::ids name
    WrittenRows,  // what the node CopyBinding::writer has written: the rows that ids name, or all if there are none
};

// CopyBinding - the tensors and bytes that a copy task moves, and how.
struct CopyBinding {
    uint32_t copy; // index into Splits::copies; kNoBinding: ids that only the host reads, and dst is src
    TensorId tensor;
    ggml_tensor * src;
    ggml_tensor * dst;
    BackendId src_backend;
    BackendId dst_backend;
    size_t bytes;
    bool via_ring;                        // one end of the copy, or of a CopyNow the destination
    size_t ring_offset;                   // in the run's part of the ring
    uint32_t ids = kNoBinding;            // the binding of the ids that say which experts, or rows, are needed
    bool streamed = false;                // a weight
    bool cache = false;                   // streamed like one
    bool on_stream_lane = false;          // on the lane that streams weights
    bool pageable = false;                // the device cannot read the source by itself: it goes in chunks
    TensorId writer = kNoTensor;          // of a cache: the node that has written what is sent,
    ggml_tensor * written = nullptr;      // which is this
    uint32_t sent = kNoBinding;           // of an Offer: the binding by which the weight has been sent ahead
    TensorId reader_id = kNoTensor;       // of experts that are sent by ids: the first node that reads them,
    const ggml_tensor * reader = nullptr; // and its tensor, for messages
    uint32_t n_merged = 1;                // so many bindings from here on are sent at once, with what lies between
    CopyForm form = CopyForm::Whole;
};

// True if a task of this kind puts what the copy moves into the ring.
inline bool writes_ring(plan::TaskKind kind, const CopyBinding & copy) {
    using plan::TaskKind;
    return kind == TaskKind::Snapshot || (copy.via_ring && (kind == TaskKind::GetAsync || kind == TaskKind::CopyNow));
}

struct Lowered {
    plan::Program program; // Task::binding is an index into `copies`, or the split of a launch
    std::vector<CopyBinding> copies;
    size_t ring_bytes = 0; // of one run
    // By lane: bytes out of pageable memory that wait for others on the queue; 0 if nothing comes from there
    std::array<size_t, plan::kMaxLanes> staged = {};
};

} // namespace ggml_sched
