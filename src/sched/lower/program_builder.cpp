#include "lower/program_builder.h"

#include <algorithm>

#include "host/tuning.h"
#include "lower/accesses.h"
#include "lower/merged_copies.h"

namespace ggml_sched {

using plan::Access;
using plan::Task;
using plan::TaskKind;

namespace {

constexpr size_t kRingAlignment = 256;

// Returns the access of a copy to its range of the ring.
Access in_ring(const CopyBinding & copy, bool write) {
    return {plan::kRing, write, copy.ring_offset, copy.ring_offset + copy.bytes};
}

} // namespace

void ProgramBuilder::reserve_ring(CopyBinding & copy) {
    copy.via_ring = true;
    copy.ring_offset = lowered_.ring_bytes;
    if (!lowered_.copies.empty()) {
        copy.ring_offset = ring_offset_behind(lowered_.copies.back(), copy, adjacent_copies_, lowered_.ring_bytes);
    }
    lowered_.ring_bytes = padded(copy.ring_offset + copy.bytes, kRingAlignment);
}

Task ProgramBuilder::copy_task(TaskKind kind, int32_t split, uint32_t binding) {
    const CopyBinding & copy = lowered_.copies[binding];
    const bool reads_ring = copy.via_ring && (kind == TaskKind::SetAsync || kind == TaskKind::SetNow);
    Task task = {kind, plan::kHost};
    set_lanes(task, copy);
    task.split = split;
    task.bytes = copy.bytes;
    task.binding = binding;
    begin(task);
    accesses().push_back(reads_ring ? in_ring(copy, false)
                                    : access_to(copy.bank ? copy.bank : copy.src, false, buffers_));
    accesses().push_back(writes_ring(kind, copy) ? in_ring(copy, true) : access_to(copy.dst, true, buffers_));
    task.n_accesses = 2;
    if (copy.ids != kNoBinding && kind != TaskKind::Snapshot) {
        add_ids(task, lowered_.copies[copy.ids]);
    }
    return task;
}

void ProgramBuilder::set_lanes(Task & task, const CopyBinding & copy) {
    const plan::Lane src = lane_of(copy.src_backend);
    const plan::Lane dst = lane_of(copy.dst_backend);
    switch (task.kind) {
    case TaskKind::Snapshot: break;
    case TaskKind::SetAsync:
        task.lane = task.destination = copy.on_stream_lane ? topology_.stream_of[copy.dst_backend] : dst;
        task.only_at_call = copy.pageable && !copy.bank;
        task.reads_at_call = !copy.bank && !reads_pinned(copy);
        task.may_be_now = may_be_now(copy);
        lowered_.staged[task.lane] = std::max<size_t>(lowered_.staged[task.lane], copy.pageable ? 1 : 0);
        break;
    case TaskKind::Offer:
        task.destination = dst;
        task.lane = sets_async(copy) ? dst : plan::kHost;
        task.reads_at_call = true;
        task.only_at_call = copy.pageable || copy.via_ring;
        lowered_.staged[task.lane] = std::max<size_t>(lowered_.staged[task.lane], copy.pageable ? 1 : 0);
        break;
    case TaskKind::GetAsync: task.lane = task.source = src; break;
    case TaskKind::CopyAsync:
        task.order = topology_.links[copy.src_backend][copy.dst_backend].order;
        task.source = src;
        task.destination = dst;
        task.lane = task.order == plan::CopyOrder::InSource ? src : dst;
        break;
    default:
        task.source = src;
        task.destination = copy.via_ring ? plan::kHost : dst;
        break;
    }
}

// Up to these limits the host is faster than a command for the device. A backend copies out of pageable memory while
// the host waits.
bool ProgramBuilder::may_be_now(const CopyBinding & copy) {
    const host::Backend & dst = backends_[copy.dst_backend];
    const size_t limit = reads_pinned(copy) ? Tuning::kWrittenUpTo : Tuning::kStagedFrom - 1;
    return dst.host_writes && !copy.on_stream_lane && copy.form == CopyForm::Whole && copy.bytes <= limit;
}

// The host makes a copy to host memory, since an Offer may write host memory only during the call.
bool ProgramBuilder::sets_async(const CopyBinding & copy) {
    return backends_[copy.dst_backend].set_async && !is_host(copy.dst);
}

void ProgramBuilder::add_ids(Task & task, const CopyBinding & ids) {
    accesses().push_back(ids.via_ring ? in_ring(ids, false) : access_to(ids.src, false, buffers_));
    task.n_accesses++;
    task.reads_at_call = task.kind != TaskKind::SetNow; // the host makes a SetNow during the call
}

uint32_t ProgramBuilder::bind(const CopyBinding & copy) {
    lowered_.copies.push_back(copy);
    return static_cast<uint32_t>(lowered_.copies.size() - 1);
}

void ProgramBuilder::begin(Task & task) const {
    task.first_access = static_cast<uint32_t>(lowered_.program.accesses.size());
}

void ProgramBuilder::push(Task task) {
    task.n_accesses = static_cast<uint32_t>(lowered_.program.accesses.size()) - task.first_access;
    lowered_.program.tasks.push_back(task);
}

bool ProgramBuilder::is_host(const ggml_tensor * tensor) {
    const ggml_backend_buffer_t buffer = host::buffer_of(tensor);
    return buffer && buffers_.of(buffer).facts.host;
}

bool ProgramBuilder::reads_pinned(const CopyBinding & copy) {
    return host::is_pinned_for(backends_[copy.dst_backend],
                               copy.via_ring ? topology_.ring_buft
                                             : buffers_.of(host::buffer_of(copy.src)).facts.memory_type);
}

} // namespace ggml_sched
