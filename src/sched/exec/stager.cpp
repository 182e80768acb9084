#include "exec/stager.h"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "host/execute.h"

namespace ggml_sched {

Stager::~Stager() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        ends_ = true;
    }
    changed_.notify_all();
    for (std::thread & thread : threads_) {
        thread.join();
    }
    for (Chunks & chunks : chunks_) {
        for (const ggml_backend_event_t event : chunks.free) {
            host::event_free(event);
        }
        ggml_backend_buffer_free(chunks.memory);
    }
}

Stager::Chunks * Stager::chunks_of(const host::Backend & queue) {
    const auto found =
        std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunks & chunks) { return chunks.queue == &queue; });
    return found == chunks_.end() ? nullptr : &*found;
}

bool Stager::prepare(const host::Backend & queue) {
    if (chunks_of(queue)) {
        return true;
    }
    const ggml_backend_buffer_type_t buft = host::staging_buft(queue);
    if (!host::is_pinned_for(queue, buft)) {
        return false;
    }
    start_threads();
    Chunks chunks = {&queue, ggml_backend_buft_alloc_buffer(buft, kChunks * kChunk), {}, {}, 0, kChunk};
    while (chunks.memory && chunks.free.size() < kChunks) {
        const ggml_backend_event_t event = host::event_new(queue.device);
        if (!event) {
            break;
        }
        chunks.free.push_back(event);
        chunks.in_use.push_back(false);
    }
    if (chunks.free.size() == kChunks) {
        chunks_.push_back(std::move(chunks));
        return true;
    }
    std::for_each(chunks.free.begin(), chunks.free.end(), host::event_free);
    ggml_backend_buffer_free(chunks.memory);
    return false;
}

// The calling thread is one more. Where the system gives none, it does all by itself.
void Stager::start_threads() {
    const unsigned n_cores = std::max(1U, std::thread::hardware_concurrency());
    const size_t n_threads = std::min(kMostThreads, (n_cores + 1) / 2) - 1;
    try {
        while (threads_.size() < n_threads) {
            threads_.emplace_back([this] { work(); });
        }
    } catch (const std::system_error &) {
        return;
    }
}

void Stager::copy(const host::Backend & queue, ggml_tensor * dst, const std::vector<Piece> & pieces) {
    Chunks & chunks = *chunks_of(queue);
    for (const Piece & piece : pieces) {
        for (size_t done = 0; done < piece.bytes;) {
            if (chunks.used == kChunk) {
                send(chunks, dst);
                next_chunk(chunks);
            }
            const size_t bytes = std::min(piece.bytes - done, kChunk - chunks.used);
            char * to =
                static_cast<char *>(ggml_backend_buffer_get_base(chunks.memory)) + chunks.now * kChunk + chunks.used;
            stage(piece.data + done, to, bytes);
            staged_.push_back({piece.offset + done, to, bytes});
            chunks.used += bytes;
            done += bytes;
        }
    }
    send(chunks, dst);
}

void Stager::next_chunk(Chunks & chunks) {
    chunks.now = (chunks.now + 1) % kChunks;
    chunks.used = 0;
    if (chunks.in_use[chunks.now]) {
        host::event_synchronize(chunks.free[chunks.now]);
    }
}

void Stager::stage(const char * from, char * to, size_t bytes) {
    for (size_t done = 0; done < bytes; done += kPart) {
        parts_.push_back({from + done, to + done, std::min(kPart, bytes - done)});
    }
}

void Stager::send(Chunks & chunks, ggml_tensor * dst) {
    if (staged_.empty()) {
        return;
    }
    copy_parts();
    for (const Staged & staged : staged_) {
        host::set_async(chunks.queue->handle, dst, staged.data, staged.offset, staged.bytes);
    }
    host::event_record(chunks.free[chunks.now], chunks.queue->handle);
    chunks.in_use[chunks.now] = true;
    staged_.clear();
}

void Stager::copy_parts() {
    next_part_ = 0;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        round_++;
        n_busy_ = threads_.size();
    }
    changed_.notify_all();
    take_parts();
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return n_busy_ == 0; });
    parts_.clear();
}

void Stager::take_parts() {
    for (size_t i = next_part_++; i < parts_.size(); i = next_part_++) {
        std::memcpy(parts_[i].to, parts_[i].from, parts_[i].bytes);
    }
}

void Stager::work() {
    uint64_t done = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return ends_ || round_ != done; });
        if (ends_) {
            return;
        }
        done = round_;
        lock.unlock();
        take_parts();
        lock.lock();
        if (--n_busy_ == 0) {
            changed_.notify_all();
        }
    }
}

} // namespace ggml_sched
