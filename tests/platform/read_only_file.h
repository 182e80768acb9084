// read_only_file.h - bytes of a file in memory that nobody can write, as of a model that an engine has mapped.

#pragma once

#include <cstddef>
#include <cstring>

#ifdef _WIN32
#include <windows.h>
#else
#include <cstdio>
#include <sys/mman.h>
#endif

namespace platform {

// ReadOnlyFile - a file without a name, mapped; on Windows pages that are as good as that
class ReadOnlyFile {
  public:
    ReadOnlyFile(const void * bytes, size_t size)
        : size_(size) {
#ifdef _WIN32
        memory_ = VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        DWORD before = 0;
        if (memory_) {
            std::memcpy(memory_, bytes, size);
            VirtualProtect(memory_, size, PAGE_READONLY, &before);
        }
#else
        file_ = std::tmpfile();
        if (file_ && std::fwrite(bytes, 1, size, file_) == size && std::fflush(file_) == 0) {
            void * const memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fileno(file_), 0);
            memory_ = memory == MAP_FAILED ? nullptr : memory;
        }
#endif
    }
    ~ReadOnlyFile() {
#ifdef _WIN32
        VirtualFree(memory_, 0, MEM_RELEASE);
#else
        if (memory_) {
            munmap(memory_, size_);
        }
        if (file_) {
            std::fclose(file_);
        }
#endif
    }
    ReadOnlyFile(const ReadOnlyFile &) = delete;
    ReadOnlyFile & operator=(const ReadOnlyFile &) = delete;

    // Returns NULL if the system gave no such memory.
    void * memory() const {
        return memory_;
    }

  private:
    void * memory_ = nullptr;
    size_t size_;
#ifndef _WIN32
    std::FILE * file_ = nullptr;
#endif
};

} // namespace platform
