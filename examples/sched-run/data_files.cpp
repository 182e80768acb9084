#include "data_files.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX // MinGW defines it.
#define NOMINMAX
#endif
#include <windows.h>
#endif

namespace fs = std::filesystem;

namespace sched_run {

// Returns the path of this program; "" if the system does not tell.
static fs::path program_path() {
#ifdef _WIN32
    std::wstring name(32768, L'\0'); // the longest path of Windows
    name.resize(GetModuleFileNameW(nullptr, name.data(), static_cast<DWORD>(name.size())));
    return name;
#else
    std::error_code ignored;
    return fs::read_symlink("/proc/self/exe", ignored);
#endif
}

engine::Result<std::string> find_data_file(const std::string & name) {
    std::error_code ignored;
    const fs::path program = program_path();
    std::vector<fs::path> candidates;
    if (!program.empty()) {
        candidates.push_back(program.parent_path() / SCHED_RUN_DATA_FROM_BIN / name);
        for (fs::path above = program.parent_path(); above.has_relative_path(); above = above.parent_path()) {
            candidates.push_back(above / "models" / name);
        }
    }
    candidates.push_back(fs::path(SCHED_RUN_SOURCE_MODELS) / name);
    for (const fs::path & candidate : candidates) {
        if (fs::is_regular_file(candidate, ignored)) {
            return candidate.lexically_normal().u8string();
        }
    }
    return engine::failure("cannot find '" + name +
                           "', which belongs to this program: name a file with --model or --perplexity");
}

engine::Result<std::string> read_text_file(const std::string & path) {
    std::error_code ignored;
    if (fs::is_directory(fs::u8path(path), ignored)) {
        return engine::failure("cannot read '" + path + "': it is a directory");
    }
    std::ifstream file(fs::u8path(path), std::ios::binary);
    if (!file) {
        return engine::failure("cannot open '" + path + "': " + std::strerror(errno));
    }
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (file.bad()) {
        return engine::failure("cannot read '" + path + "'");
    }
    return text;
}

} // namespace sched_run
