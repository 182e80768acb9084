#include "exec/stager.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

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
        std::for_each(chunks.memory.begin(), chunks.memory.end(), ggml_backend_buffer_free);
    }
}

// Returns the chunks of a queue; NULL if there are none yet.
Stager::Chunks * Stager::chunks_of(const host::Backend & queue) {
    const auto found =
        std::find_if(chunks_.begin(), chunks_.end(), [&](const Chunks & chunks) { return chunks.queue == &queue; });
    return found == chunks_.end() ? nullptr : &*found;
}

bool Stager::prepare(const host::Backend & queue, size_t bytes_waiting) {
    size_t wanted = Tuning::kLeastChunks; // It is doubled, so that graphs that grow seldom need more chunks.
    while (wanted < Tuning::kMostChunks && wanted * Tuning::kChunk < bytes_waiting) {
        wanted = std::min(2 * wanted, Tuning::kMostChunks);
    }
    if (!chunks_of(queue)) {
        if (!host::is_pinned_for(queue, host::staging_buft(queue))) {
            return false;
        }
        start_threads();
        chunks_.reserve(chunks_.size() + 1);
        Chunks chunks = {&queue, {}, {}, {}, {}, 0, Tuning::kChunk};
        reserve(chunks, Tuning::kMostChunks);
        add_chunks(chunks, Tuning::kLeastChunks);
        if (chunks.at.empty()) {
            return false;
        }
        chunks_.push_back(std::move(chunks));
    }
    add_chunks(*chunks_of(queue), wanted);
    return true;
}

// Makes room for n chunks in the lists, so that no memory and no event can get lost.
void Stager::reserve(Chunks & chunks, size_t n) {
    chunks.memory.reserve(n);
    chunks.at.reserve(n);
    chunks.free.reserve(n);
    chunks.in_use.reserve(n);
}

// Adds all chunks that are missing for n chunks, or none. The lists have room for them.
void Stager::add_chunks(Chunks & chunks, size_t n) {
    const size_t had = chunks.at.size();
    if (had >= n) {
        return;
    }
    std::vector<ggml_backend_event_t> events;
    events.reserve(n - had);
    const ggml_backend_buffer_t memory =
        ggml_backend_buft_alloc_buffer(host::staging_buft(*chunks.queue), (n - had) * Tuning::kChunk);
    while (memory && events.size() < n - had) {
        const ggml_backend_event_t event = host::event_new(chunks.queue->device);
        if (!event) {
            std::for_each(events.begin(), events.end(), host::event_free);
            ggml_backend_buffer_free(memory);
            return;
        }
        events.push_back(event);
    }
    if (!memory) {
        return;
    }
    chunks.memory.push_back(memory);
    for (size_t i = 0; i < n - had; i++) {
        chunks.at.push_back(static_cast<char *>(ggml_backend_buffer_get_base(memory)) + i * Tuning::kChunk);
        chunks.free.push_back(events[i]);
        chunks.in_use.push_back(false);
    }
}

// Returns how many threads copy beside the thread of the caller.
size_t Stager::threads_of_this_machine() {
    const unsigned n_cores = std::max(1U, std::thread::hardware_concurrency());
    return std::min(kMostThreads, (n_cores + 1) / 2) - 1;
}

void Stager::start_threads(size_t n) {
    try {
        while (threads_.size() < n) {
            threads_.emplace_back([this] { work(); });
        }
    } catch (const std::exception &) { // There is no memory, or no more threads. Fewer threads copy the same.
        return;
    }
}

// Sends each chunk while threads fill the next one.
void Stager::copy(const host::Backend & queue, ggml_tensor * dst, const std::vector<Piece> & pieces, Events & events) {
    Chunks & chunks = *chunks_of(queue);
    cut(chunks, pieces);
    for (size_t fill = 0; fill < fills_.size(); fill++) {
        publish(chunks, fill, events);
        if (fill > 0) {
            send(chunks, dst, fill - 1, events);
        }
    }
    if (!fills_.empty()) {
        send(chunks, dst, fills_.size() - 1, events);
    }
}

// Finds the fills, the parts and the sends of a copy.
void Stager::cut(Chunks & chunks, const std::vector<Piece> & pieces) {
    fills_.clear();
    sent_.clear();
    parts_.clear();
    base_ = published_;
    size_t now = chunks.now; // Chunks are changed at the end only: memory may run out before.
    size_t used = chunks.used;
    for (const Piece & piece : pieces) {
        for (size_t done = 0; done < piece.bytes;) {
            const bool is_full = used == Tuning::kChunk;
            if (is_full) {
                now = (now + 1) % chunks.at.size();
                used = 0;
            }
            if (is_full || fills_.empty()) {
                fills_.push_back({now, is_full, false, parts_.size(), sent_.size()});
            }
            const size_t bytes = std::min(piece.bytes - done, Tuning::kChunk - used);
            char * to = chunks.at[now] + used;
            sent_.push_back({piece.offset + done, to, bytes});
            add_parts(piece.data + done, to, bytes, Tuning::kPart, now);
            used += bytes;
            done += bytes;
            fills_.back().is_last = used == Tuning::kChunk;
        }
    }
    chunks.now = now;
    chunks.used = used;
}

// Cuts bytes into parts of at most `part` bytes.
void Stager::add_parts(const char * from, char * to, size_t bytes, size_t part, size_t chunk) {
    for (size_t at = 0; at < bytes; at += part) {
        parts_.push_back({from + at, to + at, std::min(part, bytes - at), chunk});
    }
}

// Returns the index behind the last part of a fill.
size_t Stager::end_of_parts(size_t fill) const {
    return fill + 1 < fills_.size() ? fills_[fill + 1].first_part : parts_.size();
}

// Lets threads copy a fill, once the device does not read its chunk any more.
void Stager::publish(const Chunks & chunks, size_t fill, Events & events) {
    const size_t chunk = fills_[fill].chunk;
    if (fills_[fill].is_new && chunks.in_use[chunk]) {
        events.wait(chunks.free[chunk]);
    }
    publish(chunk, fills_[fill].first_part, end_of_parts(fill));
}

// Lets threads take the parts [first_part, end), and wakes threads that sleep.
void Stager::publish(size_t chunk, size_t first_part, size_t end) {
    left_[chunk] = end - first_part;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        published_ = base_ + end;
    }
    changed_.notify_all();
}

// Helps to copy until all published parts of a chunk are copied.
void Stager::finish(size_t chunk) {
    while (left_[chunk] > 0) {
        if (!take_part()) {
            std::this_thread::yield(); // Other threads copy the last parts.
        }
    }
}

void Stager::copy(char * to, const char * from, size_t bytes) {
    if (threads_.empty()) {
        std::memcpy(to, from, bytes);
        return;
    }
    parts_.clear();
    base_ = published_;
    add_parts(from, to, bytes, Tuning::kHostPart, kNoChunk);
    publish(kNoChunk, 0, parts_.size());
    finish(kNoChunk);
}

// Enqueues the copies of a fill once it is complete. Records the event of its chunk if that is full. On some devices a
// record is a submission, and the plan has one for these copies anyway.
void Stager::send(Chunks & chunks, ggml_tensor * dst, size_t fill, Events & events) {
    const size_t chunk = fills_[fill].chunk;
    finish(chunk);
    const size_t end = fill + 1 < fills_.size() ? fills_[fill + 1].first_sent : sent_.size();
    for (size_t i = fills_[fill].first_sent; i < end; i++) {
        host::set_async(chunks.queue->handle, dst, sent_[i].data, sent_[i].offset, sent_[i].bytes);
    }
    if (fills_[fill].is_last) {
        events.record(chunks.free[chunk]);
        chunks.in_use[chunk] = true;
    }
}

// Copies one published part. Returns false if there is none.
bool Stager::take_part() {
    uint64_t number = taken_;
    while (number < published_) {
        if (taken_.compare_exchange_weak(number, number + 1)) {
            const Part & part = parts_[number - base_];
            std::memcpy(part.to, part.from, part.bytes);
            left_[part.chunk]--;
            return true;
        }
    }
    return false;
}

// Copies published parts until the stager is gone. Each thread runs this function. A thread sleeps as soon as there is
// no part: one that looked for the next part would take a core from the CPU's splits, which use all of them.
void Stager::work() {
    while (!ends_) {
        if (!take_part()) {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock, [&] { return ends_ || taken_ < published_; });
        }
    }
}

} // namespace ggml_sched
