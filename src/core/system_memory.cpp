#include "system_memory.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace ggml_sched::core {

#ifdef _WIN32

size_t host_memory_size() {
    MEMORYSTATUSEX status = {};
    status.dwLength = sizeof(status);
    return GlobalMemoryStatusEx(&status) ? static_cast<size_t>(status.ullTotalPhys) : 0;
}

size_t page_size() {
    SYSTEM_INFO info = {};
    GetSystemInfo(&info);
    return info.dwPageSize;
}

void * reserve_addresses(size_t size) {
    return VirtualAlloc(nullptr, size, MEM_RESERVE, PAGE_NOACCESS);
}

void release_addresses(void * begin, size_t) {
    VirtualFree(begin, 0, MEM_RELEASE);
}

#else

size_t host_memory_size() {
#ifdef _SC_PHYS_PAGES
    const auto pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? static_cast<size_t>(pages) * page_size() : 0;
#else
    return 0;
#endif
}

size_t page_size() {
    static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return size;
}

void * reserve_addresses(size_t size) {
    void * const begin = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return begin == MAP_FAILED ? nullptr : begin;
}

void release_addresses(void * begin, size_t size) {
    munmap(begin, size);
}

#endif

} // namespace ggml_sched::core
