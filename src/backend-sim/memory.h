// The memory of the simulated devices: which addresses mean which bytes.
//
// A device allocation has two places: guarded addresses, which users see and nobody can follow, and the real bytes,
// which only the simulator touches. Pinned host memory is its own address, and may be the caller's.
//
// Threading: under the simulator's mutex.
// Invariants: an allocation lives while it is listed or an operation in flight holds it, so that even a program that
// frees memory too early gets a wrong result and a message, not a crash. Addresses of freed device memory are not
// handed out again soon, so that stale ones are recognized.

#pragma once

#include "ggml-backend.h"
#include "guarded_range.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace ggml_sched::sim {

enum class MemoryKind { Device, Pinned };

struct Allocation {
    Allocation(int device, MemoryKind kind, size_t size);        // throws std::bad_alloc
    Allocation(int device, char * bytes_of_caller, size_t size); // Pinned; throws std::bad_alloc
    ~Allocation();
    Allocation(const Allocation &) = delete;
    Allocation & operator=(const Allocation &) = delete;

    // Bytes that look like nothing computed: NaN in every float type, an index far outside of any tensor.
    void fill_with_garbage(uint64_t seed);
    char * at(uintptr_t address) const { return bytes + (address - base); }

    int device;
    MemoryKind kind;
    size_t size;
    char * bytes = nullptr;
    bool is_owned = true;                        // bytes
    bool is_read_only = false;                   // for devices
    GuardedRange guard;                          // Device only
    uintptr_t base = 0;                          // what users see
    ggml_backend_buffer_t host_buffer = nullptr; // over bytes, for the CPU backend
    int in_flight = 0;                           // operations queued that use it
};

using AllocationRef = std::shared_ptr<Allocation>;

class Memory {
  public:
    AllocationRef allocate(int device, MemoryKind kind, size_t size, uint64_t garbage_seed); // throws std::bad_alloc
    // The caller's memory as pinned memory; NULL if some of it is that already. Throws std::bad_alloc.
    AllocationRef adopt(int device, char * bytes, size_t size);
    void release(Allocation & allocation) noexcept;

    // The live allocation that address is in, or NULL.
    const AllocationRef * find(const void * address) const;
    // Was address in device memory that has been freed (lately)?
    bool was_freed(const void * address) const;

  private:
    std::map<uintptr_t, AllocationRef> live_; // by base
    std::array<GuardedRange, 256> freed_;     // a ring
    size_t next_freed_ = 0;
};

} // namespace ggml_sched::sim
