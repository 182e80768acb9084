#include "arguments.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX // MinGW defines it.
#define NOMINMAX
#endif
#include <windows.h>

#include <filesystem>
#include <shellapi.h>
#endif

namespace sched_run {

std::vector<std::string> utf8_arguments(int argc, const char * const * argv) {
#ifdef _WIN32
    SetConsoleOutputCP(CP_UTF8);
    int n_words = 0;
    if (wchar_t ** const words = CommandLineToArgvW(GetCommandLineW(), &n_words)) {
        std::vector<std::string> result;
        for (int i = 0; i < n_words; i++) {
            result.push_back(std::filesystem::path(words[i]).u8string());
        }
        LocalFree(words);
        return result;
    }
#endif
    return {argv, argv + argc};
}

} // namespace sched_run
