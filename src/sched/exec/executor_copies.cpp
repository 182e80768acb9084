// How the executor makes each kind of copy.

#include <algorithm>
#include <cstring>

#include "exec/executor.h"

namespace ggml_sched {

// How many chunks a copy takes is not known to the plan: it depends on which experts the ids name.
class Executor::ChunkEvents final : public Stager::Events {
  public:
    ChunkEvents(Executor & executor, plan::Lane lane)
        : executor_(executor)
        , lane_(lane) {}

    void record(ggml_backend_event_t event) override {
        if (executor_.listener_) {
            executor_.listener_->chunk_sent(lane_, event); // while the copy is the lane's last operation
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

Status Executor::set(const CopyBinding & copy, const plan::Task & task, const Work & work) {
    switch (copy.form) {
    case CopyForm::Whole: set_async(copy, task.lane); return {};
    case CopyForm::Merged: set_range(copy, task); return {};
    case CopyForm::NamedExperts: return set_experts(copy, work, task.lane);
    case CopyForm::WrittenRows: return set_written(copy, work, task.lane);
    }
    return {};
}

void Executor::set_async(const CopyBinding & copy, plan::Lane lane) {
    if (is_kept(copy, lane)) {
        stats.kept_bytes += copy.bytes;
        moved_bytes_ = 0;
        return;
    }
    if (keeps_weights_ && (copy.cache || copy.via_ring)) {
        queues_[lane].kept.overwrite(static_cast<const char *>(copy.dst->data), copy.bytes);
    }
    const void * data = copy.via_ring ? ring(copy) : copy.src->data;
    pieces_.assign(1, {0, static_cast<const char *>(data), copy.bytes});
    send(copy, lane);
}

void Executor::set_range(const CopyBinding & first, const plan::Task & task) {
    Queue & queue = queues_[task.lane];
    queue.idle = false;
    host::set_range_async(queue.backend->handle, first.dst, ring(first), task.bytes);
    moved_bytes_ = task.bytes;
    stats.async_copies++;
    stats.bytes_copied += task.bytes;
}

// Sends pieces_ of it.
void Executor::send(const CopyBinding & copy, plan::Lane lane) {
    send(copy.dst, lane, copy.pageable);
    moved_bytes_ = 0;
    for (const Piece & piece : pieces_) {
        moved_bytes_ += piece.bytes;
        stats.async_copies++;
        stats.bytes_copied += piece.bytes;
        stats.streamed_bytes += copy.streamed ? piece.bytes : 0;
        stats.cache_bytes += copy.cache && copy.form == CopyForm::Whole ? piece.bytes : 0;
    }
}

bool Executor::is_kept(const CopyBinding & copy, plan::Lane lane) {
    if (!keeps_weights_ || !copy.streamed || copy.via_ring) {
        return false;
    }
    std::vector<bool> parts(static_cast<size_t>(copy.src->ne[2]), true);
    leave_out_kept(copy, lane, parts);
    return std::find(parts.begin(), parts.end(), true) == parts.end();
}

void Executor::leave_out_kept(const CopyBinding & copy, plan::Lane lane, std::vector<bool> & parts) {
    queues_[lane].kept.add({static_cast<const char *>(copy.dst->data), copy.src->data, copy.bytes, parts.size()},
                           parts);
}

void Executor::keep_weights(bool keep) {
    keeps_weights_ = keep;
    forget_weights();
}

void Executor::forget_weights() {
    for (Queue & queue : queues_) {
        queue.kept.forget();
    }
}

// Sends pieces_.
void Executor::send(ggml_tensor * dst, plan::Lane lane, bool pageable) {
    Queue & queue = queues_[lane];
    queue.idle = false;
    if (pageable && queue.stages) {
        ChunkEvents events(*this, lane);
        stager_.copy(*queue.backend, dst, pieces_, events);
        for (const Piece & piece : pieces_) {
            stats.staged_bytes += piece.bytes;
        }
        return;
    }
    for (const Piece & piece : pieces_) {
        host::set_async(queue.backend->handle, dst, piece.data, piece.offset, piece.bytes);
    }
    if (pageable) { // the plan counts on it that the host has copied it
        wait_unplanned(lane, "there is no pinned memory for copies out of pageable memory");
    }
}

void Executor::send_sample(plan::Lane lane, ggml_tensor * dst, const char * data, size_t bytes, bool pageable) {
    if (pageable) {
        prepare_staging(lane, 0);
    }
    pieces_.assign(1, {0, data, bytes});
    send(dst, lane, pageable);
    wait_unplanned(lane, "the link is measured");
}

static Status no_such_expert(const CopyBinding & copy, const CopyBinding & ids, int32_t id) {
    const auto quoted = [](const ggml_tensor * tensor) { return "'" + std::string(tensor->name) + "'"; };
    const std::string node = copy.reader ? quoted(copy.reader) : "that reads " + quoted(copy.src);
    return Status::failed("MUL_MAT_ID " + node + " cannot run: its ids " + quoted(ids.src) + " name expert " +
                          std::to_string(id) + ", and " + quoted(copy.src) + " has the experts 0 to " +
                          std::to_string(copy.src->ne[2] - 1) + "; give valid ids");
}

// Makes them pieces_.
Status Executor::find_used_experts(const CopyBinding & copy, const CopyBinding & ids, plan::Lane lane) {
    const char * named = ids.via_ring ? ring(ids) : static_cast<const char *>(ids.src->data);
    const int64_t n_experts = copy.src->ne[2];
    if (const std::optional<int32_t> unknown = used_experts_.find(ids.src, named, n_experts)) {
        return no_such_expert(copy, ids, *unknown);
    }
    const size_t size = copy.src->nb[2];
    if (keeps_weights_ && copy.streamed) {
        const auto n_used = std::count(used_experts_.used().begin(), used_experts_.used().end(), true);
        leave_out_kept(copy, lane, used_experts_.used());
        const auto n_new = std::count(used_experts_.used().begin(), used_experts_.used().end(), true);
        stats.kept_bytes += static_cast<size_t>(n_used - n_new) * size;
    }
    // Kernels for quantized weights read a little past the last row, and what they find there must be numbers.
    const size_t padding = std::min<size_t>(size, 512);
    pieces_.clear();
    for (const ExpertRange & range : used_experts_.ranges()) {
        const size_t offset = static_cast<size_t>(range.begin) * size;
        const size_t bytes =
            static_cast<size_t>(range.end - range.begin) * size + (range.end < n_experts ? padding : 0);
        pieces_.push_back({offset, static_cast<const char *>(copy.src->data) + offset, bytes});
        bytes_by_ids_ += copy.streamed ? bytes : 0;
    }
    return {};
}

Status Executor::set_experts(const CopyBinding & copy, const Work & work, plan::Lane lane) {
    Status status = find_used_experts(copy, work.copies[copy.ids], lane);
    if (status.ok()) {
        send(copy, lane);
    }
    return status;
}

Status Executor::copy_now(const CopyBinding & copy, const Work & work, plan::Lane lane) {
    if (copy.form != CopyForm::NamedExperts) {
        copy.via_ring ? host::get_blocking(copy.src, ring(copy)) : host::copy_blocking(copy.src, copy.dst);
        stats.blocking_copies++;
        stats.bytes_copied += copy.bytes;
        return {};
    }
    if (Status status = find_used_experts(copy, work.copies[copy.ids], lane); !status.ok()) {
        return status;
    }
    moved_bytes_ = 0;
    for (const Piece & piece : pieces_) {
        host::set_blocking(copy.dst, piece.data, piece.offset, piece.bytes);
        moved_bytes_ += piece.bytes;
        stats.blocking_copies++;
        stats.bytes_copied += piece.bytes;
    }
    return {};
}

// Sends what the node has written, of a tensor that has been copied before.
Status Executor::set_written(const CopyBinding & copy, const Work & work, plan::Lane lane) {
    const char * const src = static_cast<const char *>(copy.src->data);
    const char * const end = src + ggml_nbytes(copy.dst);
    if (copy.ids == kNoBinding) {
        written_rows_.take_all(copy.written);
    } else {
        const CopyBinding & ids = work.copies[copy.ids];
        if (Status status = written_rows_.find(copy.written, ids.src, ring(ids)); !status.ok()) {
            return status;
        }
    }
    pieces_.clear();
    for (const ByteRange & range : written_rows_.ranges()) {
        const char * const from = std::max(range.begin, src);
        if (from < std::min(range.end, end)) {
            pieces_.push_back(
                {static_cast<size_t>(from - src), from, static_cast<size_t>(std::min(range.end, end) - from)});
        }
    }
    send(copy, lane);
    return {};
}

// Copies the whole weight if the callback leaves it to us, and it is not as it was when it was sent ahead.
void Executor::offer(const CopyBinding & copy, const plan::Task & task, const Work & work) {
    const CopyCallback & callback = work.copy_callback;
    ggml_cgraph * graph = work.graphs[static_cast<size_t>(task.split)].get();
    moved_bytes_ = 0;
    queues_[task.lane].idle = false;
    if (callback.function &&
        callback.function(backends_[copy.dst_backend].handle, copy.src, copy.dst, graph, callback.user_data)) {
        return;
    }
    if (copy.sent != kNoBinding && std::memcmp(ring(work.copies[copy.sent]), copy.src->data, copy.bytes) == 0) {
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
    set_async(copy, task.lane);
}

void Executor::get_async(const CopyBinding & copy) {
    void * data = copy.via_ring ? ring(copy) : copy.dst->data;
    host::get_async(backends_[copy.src_backend].handle, copy.src, data);
    stats.async_copies++;
}

void Executor::copy_async(const CopyBinding & copy) {
    const ggml_backend_t src = backends_[copy.src_backend].handle;
    const ggml_backend_t dst = backends_[copy.dst_backend].handle;
    if (host::copy_async(src, dst, copy.src, copy.dst)) {
        stats.async_copies++;
        return;
    }
    // Refused after all, which no plan can know. Waiting for both sides keeps every order that the plan relies on.
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
