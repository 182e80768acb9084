// The functions of the executor that make each kind of copy

#include <algorithm>
#include <cstring>

#include "exec/executor.h"

namespace ggml_sched {

// ChunkEvents - records and waits for the events of chunks on one lane, and tells the listener.
class Executor::ChunkEvents final : public Stager::Events {
  public:
    ChunkEvents(Executor & executor, plan::Lane lane)
        : executor_(executor)
        , lane_(lane) {}

    void record(ggml_backend_event_t event) override {
        if (executor_.listener_) {
            executor_.listener_->chunk_sent(lane_, event); // The copy is still the last operation of the lane.
        }
        host::event_record(event, executor_.queues_[lane_].backend->handle);
    }

    void wait(ggml_backend_event_t event) override {
        if (executor_.listener_) {
            executor_.listener_->wait_begins();
        }
        host::event_synchronize(event);
        executor_.stats.host_waits++;
        executor_.stats.unplanned_waits++;
        if (executor_.listener_) {
            executor_.listener_->waited_for_chunk(lane_, event);
        }
    }

  private:
    Executor & executor_;
    const plan::Lane lane_;
};

// Returns the address of the bytes that are copied.
const char * Executor::source_of(const CopyBinding & copy) const {
    return copy.via_ring ? ring(copy) : static_cast<const char *>(copy.src->data);
}

// Finds the parts that a copy sends, in parts_.
Status Executor::find_parts(const CopyBinding & copy, const RunBindings & bindings) {
    const CopyBinding * ids = copy.ids == kNoBinding ? nullptr : &bindings.copies[copy.ids];
    KeptWeights * kept = kept_ ? &(*kept_)[copy.dst_backend] : nullptr;
    Status status = parts_.find(copy, source_of(copy), ids ? ids->src : nullptr, ids ? source_of(*ids) : nullptr, kept);
    stats.kept_bytes += parts_.kept_bytes();
    return status;
}

// Performs a SetAsync.
Status Executor::set(const CopyBinding & copy, const plan::Task & task, const RunBindings & bindings) {
    if (copy.form == CopyForm::Merged) {
        set_range(copy, task);
        return {};
    }
    Status status = find_parts(copy, bindings);
    if (status.ok()) {
        send(copy, task.lane);
    }
    return status;
}

// Sends a merged copy: all bytes of its bindings, out of the ring, by one call.
void Executor::set_range(const CopyBinding & first, const plan::Task & task) {
    Queue & queue = queues_[task.lane];
    queue.idle = false;
    host::set_range_async(queue.backend->handle, first.dst, ring(first), task.bytes);
    moved_bytes_ = task.bytes;
    stats.async_copies++;
    stats.bytes_copied += task.bytes;
}

// Sends the parts of a copy that find_parts() has found.
void Executor::send(const CopyBinding & copy, plan::Lane lane) {
    Queue & queue = queues_[lane];
    const size_t in_banks = copy_entries(copy, queue);
    size_t sent = 0;
    for (const Piece & piece : parts_.pieces()) {
        sent += piece.bytes;
        stats.async_copies++;
    }
    moved_bytes_ = sent + in_banks;
    stats.bytes_copied += moved_bytes_;
    stats.expert_bytes_in_banks += in_banks;
    stats.streamed_bytes += copy.streamed ? sent : 0;
    stats.cache_bytes += copy.cache && copy.form == CopyForm::Whole ? sent : 0;
    bytes_by_ids_ += copy.streamed && copy.form == CopyForm::NamedExperts ? sent : 0;
    if (sent == 0) {
        return;
    }
    queue.idle = false;
    if (copy.pageable) {
        ChunkEvents events(*this, lane);
        stager_.copy(*queue.backend, copy.dst, parts_.pieces(), events);
        stats.staged_bytes += sent;
        return;
    }
    for (const Piece & piece : parts_.pieces()) {
        host::set_async(queue.backend->handle, copy.dst, piece.data, piece.offset, piece.bytes);
    }
}

// Copies experts out of a bank, on the device. If the device refuses, they are sent like the others. Returns how many
// bytes it has copied.
size_t Executor::copy_entries(const CopyBinding & copy, Queue & queue) {
    const ggml_backend_t backend = queue.backend->handle;
    size_t bytes = 0;
    for (size_t i = 0; i < parts_.entries().size(); i++) {
        const Entry & entry = parts_.entries()[i];
        if (!host::copy_range_async(backend, *copy.bank, entry.offset_in_bank, *copy.dst, entry.offset, entry.bytes)) {
            parts_.send_entries(i, copy);
            break;
        }
        queue.idle = false;
        stats.async_copies++;
        bytes += entry.bytes;
    }
    return bytes;
}

void Executor::keep_weights(std::vector<KeptWeights> * kept) {
    kept_ = kept;
    forget_weights();
}

void Executor::forget_weights() {
    if (kept_) {
        std::for_each(kept_->begin(), kept_->end(), [](KeptWeights & weights) { weights.forget(); });
    }
}

// Performs a CopyNow: the host makes the copy, which is done when the call returns.
void Executor::copy_now(const CopyBinding & copy) {
    copy.via_ring ? host::get_blocking(copy.src, ring(copy)) : host::copy_blocking(copy.src, copy.dst);
    stats.blocking_copies++;
}

// Performs a SetNow: the host writes to the device, and is done when the calls return.
Status Executor::set_now(const CopyBinding & copy, const RunBindings & bindings) {
    if (Status status = find_parts(copy, bindings); !status.ok()) {
        return status;
    }
    moved_bytes_ = 0;
    for (const Piece & piece : parts_.pieces()) {
        host::set_blocking(copy.dst, piece.data, piece.offset, piece.bytes);
        moved_bytes_ += piece.bytes;
        stats.blocking_copies++;
    }
    stats.bytes_copied += moved_bytes_;
    return {};
}

// Asks the copy callback. If the callback copies nothing, copies the whole weight, unless the weight was sent ahead and
// has not changed since.
void Executor::offer(const CopyBinding & copy, const plan::Task & task, const RunBindings & bindings) {
    const CopyCallback & callback = bindings.copy_callback;
    ggml_cgraph * graph = bindings.graphs[static_cast<size_t>(task.split)].get();
    moved_bytes_ = 0;
    queues_[task.lane].idle = false;
    if (callback.function &&
        callback.function(backends_[copy.dst_backend].handle, copy.src, copy.dst, graph, callback.user_data)) {
        return;
    }
    if (copy.sent != kNoBinding && std::memcmp(ring(bindings.copies[copy.sent]), copy.src->data, copy.bytes) == 0) {
        return;
    }
    if (task.lane == plan::kHost) {
        host::copy_blocking(copy.src, copy.dst);
        moved_bytes_ = copy.bytes;
        stats.blocking_copies++;
        stats.bytes_copied += copy.bytes;
        return;
    }
    if (copy.via_ring) {
        std::memcpy(ring(copy), copy.src->data, copy.bytes);
    }
    (void) find_parts(copy, bindings); // It cannot fail for a whole copy.
    send(copy, task.lane);
}

void Executor::get_async(const CopyBinding & copy) {
    void * data = copy.via_ring ? ring(copy) : copy.dst->data;
    host::get_async(backends_[copy.src_backend].handle, copy.src, data);
    stats.async_copies++;
}

// Performs a CopyAsync. If the backend refuses it, waits for both devices and copies.
void Executor::copy_async(const CopyBinding & copy) {
    const ggml_backend_t src = backends_[copy.src_backend].handle;
    const ggml_backend_t dst = backends_[copy.dst_backend].handle;
    if (host::copy_async(src, dst, copy.src, copy.dst)) {
        stats.async_copies++;
        return;
    }
    // No plan can know that a backend refuses a copy. Waits for both sides keep every order that the plan relies on.
    for (const BackendId backend : {copy.src_backend, copy.dst_backend}) {
        wait_unplanned(topology_.lane_of[backend], "an asynchronous copy was refused");
    }
    host::copy_blocking(copy.src, copy.dst);
    stats.blocking_copies++;
    refused_ = true;
    refused_src_ = copy.src_backend;
    refused_dst_ = copy.dst_backend;
}

} // namespace ggml_sched
