// A range of addresses that nobody can read or write: what a device hands out as its memory.
// Movable, owns the range. Throws std::bad_alloc when the address space has no room.

#pragma once

#include <cstddef>
#include <cstdint>

namespace ggml_sched::sim {

class GuardedRange {
  public:
    GuardedRange() = default;
    explicit GuardedRange(size_t size); // at least; one more page follows, so that ranges never touch
    GuardedRange(GuardedRange && other) noexcept;
    GuardedRange & operator=(GuardedRange && other) noexcept;
    ~GuardedRange();

    uintptr_t begin() const { return begin_; }
    bool contains(uintptr_t address) const { return address >= begin_ && address - begin_ < size_; }

  private:
    void release() noexcept;

    uintptr_t begin_ = 0;
    size_t size_ = 0;
};

} // namespace ggml_sched::sim
