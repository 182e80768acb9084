#include "system.h"

#include <system_error>

#ifdef _WIN32
#include <windows.h>

#include <shellapi.h>
#else
#include <unistd.h>
#endif

namespace fs = std::filesystem;

namespace sched_run {

#ifdef _WIN32

std::vector<std::string> utf8_arguments(int argc, const char * const * argv) {
    int n_words = 0;
    wchar_t ** const words = CommandLineToArgvW(GetCommandLineW(), &n_words);
    if (words == nullptr) {
        return {argv, argv + argc};
    }
    std::vector<std::string> result;
    result.reserve(static_cast<size_t>(n_words));
    for (int i = 0; i < n_words; i++) {
        result.push_back(fs::path(words[i]).u8string());
    }
    LocalFree(words);
    return result;
}

fs::path program_path() {
    std::wstring name(32768, L'\0'); // the longest path of Windows
    name.resize(GetModuleFileNameW(nullptr, name.data(), static_cast<DWORD>(name.size())));
    return name;
}

Utf8Console::Utf8Console()
    : code_page_before_(GetConsoleOutputCP()) {
    SetConsoleOutputCP(CP_UTF8);
}

void Utf8Console::restore() const {
    if (code_page_before_ != 0) { // 0: the program has no console.
        SetConsoleOutputCP(code_page_before_);
    }
}

EscapeSequences::EscapeSequences() {
    const HANDLE console = GetStdHandle(STD_ERROR_HANDLE);
    DWORD mode = 0;
    work_ = GetConsoleMode(console, &mode) &&
            SetConsoleMode(console, mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
    mode_before_ = mode;
}

void EscapeSequences::restore() const {
    if (work_) {
        SetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), mode_before_);
    }
}

#else

std::vector<std::string> utf8_arguments(int argc, const char * const * argv) {
    return {argv, argv + argc};
}

fs::path program_path() {
    std::error_code ignored;
    return fs::read_symlink("/proc/self/exe", ignored);
}

Utf8Console::Utf8Console()
    : code_page_before_(0) {}

void Utf8Console::restore() const {}

EscapeSequences::EscapeSequences()
    : work_(isatty(STDERR_FILENO) != 0) {}

void EscapeSequences::restore() const {}

#endif

} // namespace sched_run
