#include "guarded_range.h"

#include "system_memory.h"

#include <new>
#include <utility>

namespace ggml_sched::sim {

namespace {

constexpr size_t page = 65536; // a multiple of every page size in use

} // namespace

GuardedRange::GuardedRange(size_t size) {
    if (size > SIZE_MAX - 2 * page) {
        throw std::bad_alloc();
    }
    size_ = (size / page + 2) * page;
    void * address = core::reserve_addresses(size_);
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
        core::release_addresses((void *) begin_, size_); // NOLINT(performance-no-int-to-ptr): it was one before
    }
}

} // namespace ggml_sched::sim
