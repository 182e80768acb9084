#include "support/host_faults.h"

#include <dlfcn.h>
#include <pthread.h>

#include <cerrno>
#include <cstdlib>
#include <new>

namespace ggml_sched::test {

namespace {

struct Armed {
    bool is_on = false;
    HostCall call = HostCall::Allocate;
    uint64_t n = 0;
    uint64_t n_calls = 0;
    int n_pauses = 0;
};
thread_local Armed armed;

} // namespace

HostFault::HostFault(HostCall call, uint64_t n)
    : n_(n) {
    armed = {true, call, n, 0, 0};
}

HostFault::~HostFault() {
    armed.is_on = false;
}

uint64_t HostFault::n_calls() const {
    return armed.n_calls;
}

HostFaultPause::HostFaultPause() {
    armed.n_pauses++;
}

HostFaultPause::~HostFaultPause() {
    armed.n_pauses--;
}

} // namespace ggml_sched::test

#ifndef GGML_SCHED_TEST_TSAN

namespace ggml_sched::test {
namespace {

bool is_to_fail(HostCall call) {
    return armed.is_on && armed.n_pauses == 0 && armed.call == call && ++armed.n_calls == armed.n;
}

void * allocate(size_t size) {
    return is_to_fail(HostCall::Allocate) ? nullptr : std::malloc(size > 0 ? size : 1);
}

void * allocate(size_t size, std::align_val_t alignment) {
    if (is_to_fail(HostCall::Allocate)) {
        return nullptr;
    }
    const auto bytes = static_cast<size_t>(alignment);
    return std::aligned_alloc(bytes, (size / bytes + 1) * bytes);
}

void * or_throw(void * memory) {
    if (!memory) {
        throw std::bad_alloc();
    }
    return memory;
}

} // namespace
} // namespace ggml_sched::test

using ggml_sched::test::allocate;
using ggml_sched::test::or_throw;

void * operator new(size_t size) {
    return or_throw(allocate(size));
}
void * operator new[](size_t size) {
    return or_throw(allocate(size));
}
void * operator new(size_t size, const std::nothrow_t &) noexcept {
    return allocate(size);
}
void * operator new[](size_t size, const std::nothrow_t &) noexcept {
    return allocate(size);
}
void * operator new(size_t size, std::align_val_t alignment) {
    return or_throw(allocate(size, alignment));
}
void * operator new[](size_t size, std::align_val_t alignment) {
    return or_throw(allocate(size, alignment));
}
void * operator new(size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
    return allocate(size, alignment);
}
void * operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
    return allocate(size, alignment);
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
void operator delete(void * memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void * memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void * memory, size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete[](void * memory, size_t, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void * memory, std::align_val_t, const std::nothrow_t &) noexcept {
    std::free(memory);
}
void operator delete[](void * memory, std::align_val_t, const std::nothrow_t &) noexcept {
    std::free(memory);
}

extern "C" int pthread_create(pthread_t * thread, const pthread_attr_t * attributes, void * (*start)(void *),
                              void * argument) {
    using Function = int (*)(pthread_t *, const pthread_attr_t *, void * (*) (void *), void *);
    static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "pthread_create"));
    const bool fails = ggml_sched::test::is_to_fail(ggml_sched::test::HostCall::StartThread);
    return fails ? EAGAIN : next(thread, attributes, start, argument);
}

#endif
