#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "files.h"
#include "ggml-backend.h"
#include "ggml-impl.h"
#include "gguf/context.h"

using namespace ggml_sched;
using namespace ggml_sched::core;
using gguf::KeyValue;
using gguf::TensorInfo;

namespace {

// Where bytes go: to a file, to memory, or nowhere, which counts them. Once a write has failed all later ones are
// dropped.
class Output {
  public:
    static Output to_file(FILE * file) { return Output(file, nullptr); }
    static Output to_memory(void * memory) { return Output(nullptr, static_cast<uint8_t *>(memory)); }
    static Output to_nowhere() { return Output(nullptr, nullptr); }

    bool ok() const { return ok_; }
    uint64_t size() const { return size_; }

    void write(const void * data, size_t size) {
        if (size == 0) {
            return; // data may be NULL
        }
        if (file_) {
            ok_ = ok_ && std::fwrite(data, 1, size, file_) == size;
        } else if (memory_) {
            std::memcpy(memory_ + size_, data, size);
        }
        size_ += size;
    }

    template <typename T> void write(T value) { write(&value, sizeof(T)); }

    void write_string(const char * text, size_t size) {
        write(static_cast<uint64_t>(size));
        write(text, size);
    }

    void pad(size_t alignment) {
        static const char zeros[4096] = {};
        size_t n = static_cast<size_t>((alignment - size_ % alignment) % alignment);
        while (n > 0 && ok_) {
            const size_t chunk = std::min(n, sizeof(zeros));
            write(zeros, chunk);
            n -= chunk;
        }
    }

  private:
    Output(FILE * file, uint8_t * memory)
        : file_(file)
        , memory_(memory) {}

    FILE * file_;
    uint8_t * memory_;
    uint64_t size_ = 0;
    bool ok_ = true;
};

void write_kv(Output & out, const KeyValue & kv) {
    out.write_string(kv.key.data(), kv.key.size());
    if (kv.is_array) {
        const size_t n = kv.type == GGUF_TYPE_STRING ? kv.strings.size() : kv.bytes.size() / gguf::type_size(kv.type);
        out.write(static_cast<uint32_t>(GGUF_TYPE_ARRAY));
        out.write(static_cast<uint32_t>(kv.type));
        out.write(static_cast<uint64_t>(n));
    } else {
        out.write(static_cast<uint32_t>(kv.type));
    }
    out.write(kv.bytes.data(), kv.bytes.size());
    for (const std::string & text : kv.strings) {
        out.write_string(text.data(), text.size());
    }
}

void write_info(Output & out, const TensorInfo & info) {
    const ggml_tensor & tensor = info.tensor;
    uint32_t n_dims = GGML_MAX_DIMS;
    while (n_dims > 1 && tensor.ne[n_dims - 1] == 1) {
        n_dims--;
    }
    out.write_string(tensor.name, std::strlen(tensor.name));
    out.write(n_dims);
    for (uint32_t i = 0; i < n_dims; i++) {
        out.write(tensor.ne[i]);
    }
    out.write(static_cast<uint32_t>(tensor.type));
    out.write(info.offset);
}

void write_meta(Output & out, const gguf_context & ctx) {
    out.write(GGUF_MAGIC, 4);
    out.write(ctx.version);
    out.write(static_cast<uint64_t>(ctx.tensors.size()));
    out.write(static_cast<uint64_t>(ctx.kv.size()));
    for (const KeyValue & kv : ctx.kv) {
        write_kv(out, kv);
    }
    for (const TensorInfo & info : ctx.tensors) {
        write_info(out, info);
    }
    out.pad(ctx.alignment);
}

void write_data(Output & out, const TensorInfo & info) {
    const ggml_tensor & tensor = info.tensor;
    const size_t size = ggml_nbytes(&tensor);
    if (!tensor.buffer) {
        out.write(tensor.data, size);
        return;
    }
    // It may be in a device: bring it here piece by piece.
    std::vector<uint8_t> piece(std::min<size_t>(size, 1 << 20));
    for (size_t offset = 0; offset < size && out.ok(); offset += piece.size()) {
        piece.resize(std::min(piece.size(), size - offset));
        ggml_backend_tensor_get(&tensor, piece.data(), offset, piece.size());
        out.write(piece.data(), piece.size());
    }
}

// True if everything has left the program without an error.
bool write_all(const gguf_context & ctx, FILE * file, bool only_meta, const char * function, const char * name) {
    for (const TensorInfo & info : ctx.tensors) {
        if (!only_meta && !info.tensor.data && ggml_nbytes(&info.tensor) > 0) {
            GGML_LOG_ERROR("%s: '%s': tensor '%s' has no data: call gguf_set_tensor_data\n", function, name,
                           gguf::Printable(info.tensor.name).c_str());
            return false;
        }
    }
    Output out = Output::to_file(file);
    write_meta(out, ctx);
    if (!only_meta) {
        for (const TensorInfo & info : ctx.tensors) {
            write_data(out, info);
            out.pad(ctx.alignment);
        }
    }
    if (!out.ok() || std::fflush(file) != 0) {
        GGML_LOG_ERROR("%s: cannot write to '%s': %s\n", function, name, std::strerror(errno));
        return false;
    }
    return true;
}

// Opens, writes, closes.
bool write_path(const gguf_context & ctx, const char * path, bool only_meta, const char * function) {
    FILE * file = open_file(path, "wb");
    if (!file) {
        GGML_LOG_ERROR("%s: cannot open '%s' for writing: %s\n", function, path, std::strerror(errno));
        return false;
    }
    bool ok = false;
    try {
        ok = write_all(ctx, file, only_meta, function, path);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: '%s': out of memory (%s)\n", function, path, e.what());
    }
    if (std::fclose(file) != 0 && ok) {
        GGML_LOG_ERROR("%s: cannot write to '%s': %s\n", function, path, std::strerror(errno));
        ok = false;
    }
    return ok;
}

// Writes to another name first, so that a failure leaves no half a file.
bool write_and_rename(const gguf_context & ctx, const char * path, bool only_meta, const char * function) {
    const std::string partial = std::string(path) + ".partial";
    std::error_code error;
    if (!write_path(ctx, partial.c_str(), only_meta, function)) {
        std::filesystem::remove(std::filesystem::u8path(partial), error);
        return false;
    }
    std::filesystem::rename(std::filesystem::u8path(partial), std::filesystem::u8path(path), error);
    if (error) {
        GGML_LOG_ERROR("%s: cannot rename '%s' to '%s': %s\n", function, partial.c_str(), path,
                       error.message().c_str());
        std::error_code ignored;
        std::filesystem::remove(std::filesystem::u8path(partial), ignored);
        return false;
    }
    return true;
}

// A link or a device must not be replaced by a file.
bool may_be_replaced(const char * path) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(std::filesystem::u8path(path), error);
    return !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
}

} // namespace

extern "C" {

bool gguf_write_to_file(const gguf_context * ctx, const char * fname, bool only_meta) {
    if (!ctx || !fname) {
        GGML_LOG_ERROR("%s: the context or the file name is NULL\n", __func__);
        return false;
    }
    try {
        return may_be_replaced(fname) ? write_and_rename(*ctx, fname, only_meta, __func__)
                                      : write_path(*ctx, fname, only_meta, __func__);
    } catch (const std::system_error & e) { // The system cannot have such a name.
        GGML_LOG_ERROR("%s: cannot write to '%s': %s\n", __func__, fname, e.what());
        return false;
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: '%s': out of memory (%s)\n", __func__, fname, e.what());
        return false;
    }
}

bool gguf_write_to_file_ptr(const gguf_context * ctx, FILE * file, bool only_meta) {
    if (!ctx || !file) {
        GGML_LOG_ERROR("%s: the context or the file is NULL\n", __func__);
        return false;
    }
    try {
        return write_all(*ctx, file, only_meta, __func__, "open file");
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: out of memory (%s)\n", __func__, e.what());
        return false;
    }
}

size_t gguf_get_meta_size(const gguf_context * ctx) {
    if (!ctx) {
        GGML_LOG_ERROR("%s: the context is NULL\n", __func__);
        return 0;
    }
    Output out = Output::to_nowhere();
    write_meta(out, *ctx);
    return static_cast<size_t>(out.size());
}

void gguf_get_meta_data(const gguf_context * ctx, void * data) {
    if (!ctx || !data) {
        GGML_LOG_ERROR("%s: the context or the data is NULL\n", __func__);
        return;
    }
    Output out = Output::to_memory(data);
    write_meta(out, *ctx);
}

} // extern "C"
