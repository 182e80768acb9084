#include "allocation_peak.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> largest_request{0};

void * allocate(size_t size) noexcept {
    size_t known = largest_request;
    while (size > known && !largest_request.compare_exchange_weak(known, size)) {
    }
    return std::malloc(size == 0 ? 1 : size);
}

void * allocate_or_throw(size_t size) {
    void * memory = allocate(size);
    if (!memory) {
        throw std::bad_alloc();
    }
    return memory;
}

} // namespace

void * operator new(size_t size) {
    return allocate_or_throw(size);
}
void * operator new[](size_t size) {
    return allocate_or_throw(size);
}
void * operator new(size_t size, const std::nothrow_t &) noexcept {
    return allocate(size);
}
void * operator new[](size_t size, const std::nothrow_t &) noexcept {
    return allocate(size);
}
void operator delete(void * memory) noexcept {
    std::free(memory);
}
void operator delete[](void * memory) noexcept {
    std::free(memory);
}
void operator delete(void * memory, size_t) noexcept {
    std::free(memory);
}
void operator delete[](void * memory, size_t) noexcept {
    std::free(memory);
}
void operator delete(void * memory, const std::nothrow_t &) noexcept {
    std::free(memory);
}
void operator delete[](void * memory, const std::nothrow_t &) noexcept {
    std::free(memory);
}

namespace gguf_test {

AllocationPeak::AllocationPeak() {
    largest_request = 0;
}

size_t AllocationPeak::largest() const {
    return largest_request;
}

} // namespace gguf_test
