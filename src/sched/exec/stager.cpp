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
    if (!host::is_pinned_for(queue, buft) || !start_threads()) {
        return false;
    }
    Chunks chunks = {&queue, ggml_backend_buft_alloc_buffer(buft, kChunks * kChunk), {}, {}, 0};
    for (size_t i = 0; chunks.memory && i < kChunks; i++) {
        chunks.free.push_back(host::event_new(queue.device));
        chunks.in_use.push_back(false);
    }
    chunks_.push_back(std::move(chunks));
    const Chunks & made = chunks_.back();
    if (made.free.size() == kChunks && std::all_of(made.free.begin(), made.free.end(), [](auto e) { return e; })) {
        return true;
    }
    for (const ggml_backend_event_t event : made.free) {
        if (event) {
            host::event_free(event);
        }
    }
    ggml_backend_buffer_free(made.memory);
    chunks_.pop_back();
    return false;
}

// The calling thread is one of them.
bool Stager::start_threads() {
    if (!parts_.empty()) {
        return true;
    }
    const unsigned n_cores = std::max(1U, std::thread::hardware_concurrency());
    const size_t n_threads = std::min(kMostThreads, (n_cores + 1) / 2);
    parts_.resize(n_threads);
    try {
        for (size_t i = 1; i < n_threads; i++) {
            threads_.emplace_back([this, i] { work(i); });
        }
    } catch (const std::system_error &) {
        parts_.resize(threads_.size() + 1); // as many as there could be
    }
    return true;
}

void Stager::copy(const host::Backend & queue, ggml_tensor * dst, size_t offset, const char * data, size_t bytes) {
    Chunks & chunks = *chunks_of(queue);
    char * base = static_cast<char *>(ggml_backend_buffer_get_base(chunks.memory));
    for (size_t done = 0; done < bytes;) {
        const size_t chunk = chunks.next++ % kChunks;
        const size_t size = std::min(kChunk, bytes - done);
        if (chunks.in_use[chunk]) {
            host::event_synchronize(chunks.free[chunk]);
        }
        char * staged = base + chunk * kChunk;
        copy_in_parallel(staged, data + done, size);
        host::set_async(queue.handle, dst, staged, offset + done, size);
        host::event_record(chunks.free[chunk], queue.handle);
        chunks.in_use[chunk] = true;
        done += size;
    }
}

void Stager::copy_in_parallel(char * to, const char * from, size_t bytes) {
    constexpr size_t kLeast = size_t{256} << 10;
    const size_t n_parts = std::min(parts_.size(), std::max<size_t>(1, bytes / kLeast));
    const size_t part = (bytes + n_parts - 1) / n_parts;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (size_t i = 1; i < n_parts && i * part < bytes; i++) {
            parts_[i] = {from + i * part, to + i * part, std::min(part, bytes - i * part)};
            n_busy_++;
        }
    }
    changed_.notify_all();
    std::memcpy(to, from, std::min(part, bytes));
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return n_busy_ == 0; });
}

void Stager::work(size_t thread) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return ends_ || parts_[thread].bytes > 0; });
        if (ends_) {
            return;
        }
        const Part part = parts_[thread];
        lock.unlock();
        std::memcpy(part.to, part.from, part.bytes);
        lock.lock();
        parts_[thread].bytes = 0;
        if (--n_busy_ == 0) {
            changed_.notify_all();
        }
    }
}

} // namespace ggml_sched
