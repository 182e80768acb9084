#include "experts/memory_readers.h"

#include <algorithm>
#include <exception>

#include "host/tuning.h"

namespace ggml_sched {

MemoryReaders::MemoryReaders(const void * data, size_t bytes) {
    const size_t n_cores = std::max(1U, std::thread::hardware_concurrency());
    const size_t n_threads = std::min((n_cores + 1) / 2, Tuning::kMostReaders);
    const auto * const begin = static_cast<const unsigned char *>(data);
    try {
        threads_.reserve(n_threads);
        for (size_t i = 0; i < n_threads; i++) {
            const size_t from = bytes * i / n_threads;
            threads_.emplace_back([=] { read(begin + from, bytes * (i + 1) / n_threads - from); });
        }
    } catch (const std::exception &) { // There is no memory, or no more threads.
    }
    while (n_reading_ < threads_.size()) {
        std::this_thread::yield();
    }
}

MemoryReaders::~MemoryReaders() {
    ends_ = true;
    for (std::thread & thread : threads_) {
        thread.join();
    }
}

// Reads a byte of each cache line, again and again.
void MemoryReaders::read(const unsigned char * begin, size_t bytes) {
    constexpr size_t kCacheLine = 64;
    unsigned sum = 0;
    bool has_begun = false;
    for (size_t at = 0; !ends_; at = at + Tuning::kReadAtOnce < bytes ? at + Tuning::kReadAtOnce : 0) {
        const size_t end = std::min(bytes, at + Tuning::kReadAtOnce);
        for (size_t i = at; i < end; i += kCacheLine) {
            sum += begin[i];
        }
        n_blocks_++;
        n_reading_ += has_begun ? 0 : 1;
        has_begun = true;
    }
    sum_ += sum;
}

} // namespace ggml_sched
