#include "guarded_range.h"

#include <new>
#include <utility>

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace ggml_sched::sim {

namespace {

constexpr size_t page = 65536; // a multiple of every page size in use

#ifdef _WIN32

void * reserve(size_t size) {
    return VirtualAlloc(nullptr, size, MEM_RESERVE, PAGE_NOACCESS);
}
void unreserve(void * address, size_t) {
    VirtualFree(address, 0, MEM_RELEASE);
}

#else

void * reserve(size_t size) {
    void * address = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return address == MAP_FAILED ? nullptr : address;
}
void unreserve(void * address, size_t size) {
    munmap(address, size);
}

#endif

} // namespace

GuardedRange::GuardedRange(size_t size) {
    if (size > SIZE_MAX - 2 * page) {
        throw std::bad_alloc();
    }
    size_ = (size / page + 2) * page;
    void * address = reserve(size_);
    if (address == nullptr) {
        throw std::bad_alloc();
    }
    begin_ = (uintptr_t) address;
}

GuardedRange::GuardedRange(GuardedRange && other) noexcept
    : begin_(std::exchange(other.begin_, 0))
    , size_(std::exchange(other.size_, 0)) {}

GuardedRange & GuardedRange::operator=(GuardedRange && other) noexcept {
    if (this != &other) {
        release();
        begin_ = std::exchange(other.begin_, 0);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

GuardedRange::~GuardedRange() {
    release();
}

void GuardedRange::release() noexcept {
    if (begin_ != 0) {
        unreserve((void *) begin_, size_); // NOLINT(performance-no-int-to-ptr): it came from reserve()
    }
}

} // namespace ggml_sched::sim
