#include "gguf_support.h"

#include "host_system.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace gguf_test {

namespace {

void keep_errors(ggml_log_level level, const char * text, void * user_data) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        static_cast<LogCapture *>(user_data)->errors.emplace_back(text);
    }
}

} // namespace

LogCapture::LogCapture() {
    ggml_log_get(&old_callback_, &old_data_);
    ggml_log_set(keep_errors, this);
}

LogCapture::~LogCapture() {
    ggml_log_set(old_callback_, old_data_);
}

TempDir::TempDir() {
    static int n_dirs = 0;
    const std::string begin = "gguf-test-" + std::to_string(platform::process_id()) + "-";
    std::filesystem::path dir;
    do { // A process that was killed may have had this number, too.
        if (n_dirs >= 100000) {
            throw std::runtime_error("no temporary directory");
        }
        dir = std::filesystem::temp_directory_path() / (begin + std::to_string(n_dirs++));
    } while (!std::filesystem::create_directory(dir));
    dir_ = dir.string();
}

TempDir::~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(dir_, error);
}

std::string read_bytes(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_bytes(const std::string & path, const std::string & bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

std::string FileParts::build() const {
    Bytes file;
    file.raw(magic).u32(version);
    file.u64(n_tensors == UINT64_MAX ? tensors.size() : n_tensors);
    file.u64(n_kv == UINT64_MAX ? kv.size() : n_kv);
    for (const std::string & pair : kv) {
        file.raw(pair);
    }
    for (const std::string & info : tensors) {
        file.raw(info);
    }
    return file.pad(alignment).raw(data).get();
}

std::string kv_u32(const std::string & key, uint32_t value) {
    return Bytes().str(key).u32(4).u32(value).get();
}

std::string kv_str(const std::string & key, const std::string & value) {
    return Bytes().str(key).u32(8).str(value).get();
}

std::string tensor(const std::string & name, const std::vector<uint64_t> & dims, uint32_t type, uint64_t offset) {
    Bytes info;
    info.str(name).u32(static_cast<uint32_t>(dims.size()));
    for (const uint64_t ne : dims) {
        info.u64(ne);
    }
    return info.u32(type).u64(offset).get();
}

FileParts good_parts() {
    FileParts parts;
    parts.kv = {kv_u32("answer", 42), kv_str("general.name", "good")};
    parts.tensors = {tensor("a", {4}, 0, 0), tensor("b", {3, 2}, 0, 32)};
    parts.data = std::string(16, 'a') + std::string(16, '\0') + std::string(24, 'b') + std::string(8, '\0');
    return parts;
}

Loaded load_file(const std::string & path, bool no_alloc) {
    ggml_context * tensors = nullptr;
    Gguf gguf(gguf_init_from_file(path.c_str(), {no_alloc, &tensors}));
    return {std::move(gguf), Ggml(tensors)};
}

Loaded load_bytes(const std::string & bytes, bool no_alloc) {
    ggml_context * tensors = nullptr;
    Gguf gguf(gguf_init_from_buffer(bytes.data(), bytes.size(), {no_alloc, &tensors}));
    return {std::move(gguf), Ggml(tensors)};
}

std::string to_bytes(const gguf_context * ctx, bool only_meta) {
    FILE * file = std::tmpfile();
    std::string bytes;
    if (file && gguf_write_to_file_ptr(ctx, file, only_meta)) {
        bytes.resize(static_cast<size_t>(std::ftell(file)));
        std::rewind(file);
        if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
            bytes.clear();
        }
    }
    if (file) {
        std::fclose(file);
    }
    return bytes;
}

void take_data(const Loaded & loaded) {
    for (int64_t i = 0; i < gguf_get_n_tensors(loaded.gguf.get()); i++) {
        const char * name = gguf_get_tensor_name(loaded.gguf.get(), i);
        gguf_set_tensor_data(loaded.gguf.get(), name, ggml_get_data(ggml_get_tensor(loaded.tensors.get(), name)));
    }
}

} // namespace gguf_test
