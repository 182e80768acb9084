#include "memory.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace ggml_sched::sim {

namespace {

constexpr std::align_val_t byte_alignment{128};

} // namespace

Allocation::Allocation(int device, MemoryKind kind, size_t size)
    : device(device)
    , kind(kind)
    , size(size) {
    if (kind == MemoryKind::Device) {
        guard = GuardedRange(size);
    }
    bytes = (char *) ::operator new(size, byte_alignment);
    host_buffer = ggml_backend_cpu_buffer_from_ptr(bytes, size);
    if (host_buffer == nullptr) {
        ::operator delete(bytes, byte_alignment);
        throw std::bad_alloc();
    }
    base = kind == MemoryKind::Device ? guard.begin() : (uintptr_t) bytes;
}

Allocation::Allocation(int device, char * bytes_of_caller, size_t size)
    : device(device)
    , kind(MemoryKind::Pinned)
    , size(size)
    , bytes(bytes_of_caller)
    , is_owned(false)
    , base((uintptr_t) bytes_of_caller)
    , host_buffer(ggml_backend_cpu_buffer_from_ptr(bytes_of_caller, size)) {
    if (host_buffer == nullptr) {
        throw std::bad_alloc();
    }
}

Allocation::~Allocation() {
    ggml_backend_buffer_free(host_buffer);
    if (is_owned) {
        ::operator delete(bytes, byte_alignment);
    }
}

void Allocation::fill_with_garbage(uint64_t seed) {
    // 0x7f81 to 0x7fff: as F16 and BF16 a NaN, as F32 twice the same a NaN, as integers more than 2 billion
    const uint16_t half = (uint16_t) (0x7f81 + seed % 0x7f);
    const uint64_t word = half * 0x0001000100010001u;
    size_t done = 0;
    for (; done + sizeof(word) <= size; done += sizeof(word)) {
        std::memcpy(bytes + done, &word, sizeof(word));
    }
    std::memcpy(bytes + done, &word, size - done);
}

AllocationRef Memory::allocate(int device, MemoryKind kind, size_t size, uint64_t garbage_seed) {
    AllocationRef allocation = std::make_shared<Allocation>(device, kind, size);
    allocation->fill_with_garbage(garbage_seed);
    live_.emplace(allocation->base, allocation);
    return allocation;
}

AllocationRef Memory::adopt(int device, char * bytes, size_t size) {
    const uintptr_t begin = (uintptr_t) bytes;
    const auto next = live_.lower_bound(begin);
    if (find(bytes) != nullptr || (next != live_.end() && next->first - begin < size)) {
        return nullptr;
    }
    AllocationRef allocation = std::make_shared<Allocation>(device, bytes, size);
    live_.emplace(allocation->base, allocation);
    return allocation;
}

void Memory::release(Allocation & allocation) noexcept {
    if (allocation.kind == MemoryKind::Device) {
        freed_[next_freed_] = std::move(allocation.guard);
        next_freed_ = (next_freed_ + 1) % freed_.size();
    }
    live_.erase(allocation.base);
}

const AllocationRef * Memory::find(const void * address) const {
    auto after = live_.upper_bound((uintptr_t) address);
    if (after == live_.begin()) {
        return nullptr;
    }
    const AllocationRef & candidate = std::prev(after)->second;
    return (uintptr_t) address - candidate->base < candidate->size ? &candidate : nullptr;
}

bool Memory::was_freed(const void * address) const {
    return std::any_of(freed_.begin(), freed_.end(),
                       [&](const GuardedRange & range) { return range.contains((uintptr_t) address); });
}

} // namespace ggml_sched::sim
