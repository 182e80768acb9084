// sparse_file.h - a file of some GiB of which the disk holds only what was written.

#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#ifdef _WIN32
#include <windows.h>

#include <io.h>
#include <winioctl.h>
#endif

namespace platform {

// SparseFile - removes the file at the end. One thread at a time may use it.
class SparseFile {
  public:
    // Takes a file that exists, or makes an empty one. The name is UTF-8.
    explicit SparseFile(const std::string & name)
        : path_(std::filesystem::u8path(name)) {
#ifdef _WIN32
        file_ = _wfopen(path_.c_str(), L"ab");
        DWORD ignored = 0; // Without this call NTFS writes zeros into the holes.
        DeviceIoControl(reinterpret_cast<HANDLE>(_get_osfhandle(_fileno(file_))), FSCTL_SET_SPARSE, nullptr, 0, nullptr,
                        0, &ignored, nullptr);
#else
        file_ = std::fopen(path_.c_str(), "ab");
#endif
        close();
    }
    ~SparseFile() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    SparseFile(const SparseFile &) = delete;
    SparseFile & operator=(const SparseFile &) = delete;

    // Writes bytes at an offset, which may lie behind the end. Returns false if the system refuses it.
    bool write(unsigned long long offset, const void * bytes, size_t size) {
#ifdef _WIN32
        file_ = _wfopen(path_.c_str(), L"r+b");
        const bool found = file_ && _fseeki64(file_, static_cast<long long>(offset), SEEK_SET) == 0;
#else
        file_ = std::fopen(path_.c_str(), "r+b");
        const bool found = file_ && fseeko(file_, static_cast<off_t>(offset), SEEK_SET) == 0;
#endif
        const bool written = found && std::fwrite(bytes, 1, size, file_) == size;
        return close() && written;
    }

  private:
    bool close() {
        return file_ && std::fclose(std::exchange(file_, nullptr)) == 0;
    }

    std::filesystem::path path_;
    std::FILE * file_ = nullptr;
};

} // namespace platform
