// system_memory - what the operating system says of memory, and ranges of addresses that it reserves.
//
// Any thread may call these functions.

#pragma once

#include <cstddef>

namespace ggml_sched::core {

// Returns the bytes of memory that the host has; 0 if the system does not tell.
size_t host_memory_size();
// Returns the size of a page of memory, a power of two.
size_t page_size();

// Reserves a range of addresses that nobody can read or write. Returns NULL if the system has no such range.
void * reserve_addresses(size_t size);
// Frees a whole range of reserve_addresses.
void release_addresses(void * begin, size_t size);

} // namespace ggml_sched::core
