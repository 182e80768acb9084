// MemoryReaders - threads that read host memory, as a CPU does that computes with weights.
//
// A link is slower while the CPU reads the same memory. So its time is measured beside such threads. Where the system
// has no more threads there are fewer, or none.
//
// They read until the object goes. Until then the memory must stay, and nobody may write there.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace ggml_sched {

class MemoryReaders {
  public:
    // Starts a thread for every other core. Returns when each has read a block.
    MemoryReaders(const void * data, size_t bytes);
    ~MemoryReaders();
    MemoryReaders(const MemoryReaders &) = delete;
    MemoryReaders & operator=(const MemoryReaders &) = delete;

    // Returns how many blocks of at most Tuning::kReadAtOnce bytes have been read. Any thread may call it.
    uint64_t n_blocks() const { return n_blocks_; }

  private:
    void read(const unsigned char * begin, size_t bytes);

    std::atomic<bool> ends_{false};
    std::atomic<uint64_t> n_blocks_{0};
    std::atomic<size_t> n_reading_{0};
    std::atomic<unsigned> sum_{0}; // Somebody must want what is read.
    std::vector<std::thread> threads_;
};

} // namespace ggml_sched
