#include "files.h"

#ifdef _WIN32
#include <cerrno>
#include <filesystem>
#include <system_error>
#else
#include <sys/types.h>
#endif

namespace ggml_sched::core {

#ifdef _WIN32

std::FILE * open_file(const char * name, const char * mode) {
    try {
        return _wfopen(std::filesystem::u8path(name).c_str(), std::filesystem::path(mode).c_str());
    } catch (const std::system_error &) { // The name is not UTF-8.
        errno = EINVAL;
        return nullptr;
    }
}

bool seek_file(std::FILE * file, uint64_t offset) {
    return _fseeki64(file, static_cast<int64_t>(offset), SEEK_SET) == 0;
}

bool seek_end(std::FILE * file) {
    return _fseeki64(file, 0, SEEK_END) == 0;
}

int64_t position_of(std::FILE * file) {
    return _ftelli64(file);
}

#else

std::FILE * open_file(const char * name, const char * mode) {
    return std::fopen(name, mode);
}

bool seek_file(std::FILE * file, uint64_t offset) {
    return fseeko(file, static_cast<off_t>(offset), SEEK_SET) == 0;
}

bool seek_end(std::FILE * file) {
    return fseeko(file, 0, SEEK_END) == 0;
}

int64_t position_of(std::FILE * file) {
    return ftello(file);
}

#endif

} // namespace ggml_sched::core
