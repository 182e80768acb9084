// Threads that read host memory while a link is measured.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "experts/memory_readers.h"
#include "host/tuning.h"

namespace ggml_sched::test {
namespace {

// Waits until the readers have read `n` more blocks. If they do not read, the time limit of the test ends it.
void wait_for_blocks(const MemoryReaders & readers, uint64_t n) {
    const uint64_t last = readers.n_blocks() + n;
    while (readers.n_blocks() < last) {
        std::this_thread::yield();
    }
}

TEST(MemoryReaders, ReadUntilTheyGo) {
    const std::vector<char> memory(3 * Tuning::kReadAtOnce + 100);
    const MemoryReaders readers(memory.data(), memory.size());
    wait_for_blocks(readers, 2 * Tuning::kMostReaders * 4); // More than all of it
    wait_for_blocks(readers, 1);
}

// ASan ends the test if they read behind the end.
TEST(MemoryReaders, ReadNothingElse) {
    for (const size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{65}, Tuning::kReadAtOnce}) {
        const std::vector<char> memory(bytes);
        const MemoryReaders readers(memory.data(), memory.size());
        wait_for_blocks(readers, 2 * Tuning::kMostReaders);
    }
}

} // namespace
} // namespace ggml_sched::test
