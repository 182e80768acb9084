#include "host/system.h"

#include <cerrno>
#include <cstdlib>

#ifdef _WIN32
#include <filesystem>
#include <system_error>
#endif

namespace ggml_sched::host {

#ifdef _WIN32

std::FILE * open_for_writing(const std::string & name) {
    try {
        return _wfopen(std::filesystem::u8path(name).c_str(), L"wb");
    } catch (const std::system_error &) { // The name is not UTF-8.
        errno = EINVAL;
        return nullptr;
    }
}

bool has_variable(const char * name) {
    return _wgetenv(std::filesystem::path(name).c_str());
}

std::string value_of_variable(const char * name) {
    const wchar_t * const value = _wgetenv(std::filesystem::path(name).c_str());
    try {
        const auto text = std::filesystem::path(value ? value : L"").u8string(); // of char8_t from C++20 on
        return {text.begin(), text.end()};
    } catch (const std::system_error &) { // It is not UTF-16.
        return "?";
    }
}

#else

std::FILE * open_for_writing(const std::string & name) {
    return std::fopen(name.c_str(), "wb");
}

bool has_variable(const char * name) {
    return std::getenv(name);
}

std::string value_of_variable(const char * name) {
    const char * const value = std::getenv(name);
    return value ? value : "";
}

#endif

} // namespace ggml_sched::host
