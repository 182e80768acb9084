#include "data_files.h"

#include "system.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

namespace fs = std::filesystem;

namespace sched_run {

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
