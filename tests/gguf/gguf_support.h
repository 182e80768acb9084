// gguf_support.h - what the tests of GGUF share: files put together byte by byte, the log, temporary files.

#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "gguf.h"

namespace gguf_test {

struct FreeGguf {
    void operator()(gguf_context * ctx) const { gguf_free(ctx); }
};
struct FreeGgml {
    void operator()(ggml_context * ctx) const { ggml_free(ctx); }
};
struct FreeBuffer {
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
};
using Gguf = std::unique_ptr<gguf_context, FreeGguf>;
using Ggml = std::unique_ptr<ggml_context, FreeGgml>;
using Buffer = std::unique_ptr<ggml_backend_buffer, FreeBuffer>;

// Keeps the errors that are logged during its life.
class LogCapture {
  public:
    LogCapture();
    ~LogCapture();
    LogCapture(const LogCapture &) = delete;
    LogCapture & operator=(const LogCapture &) = delete;

    std::vector<std::string> errors;

  private:
    ggml_log_callback old_callback_ = nullptr;
    void * old_data_ = nullptr;
};

// A directory of its own that is removed at the end.
class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir &) = delete;
    TempDir & operator=(const TempDir &) = delete;

    std::string path(const std::string & name) const { return dir_ + "/" + name; }

  private:
    std::string dir_;
};

std::string read_bytes(const std::string & path);
void write_bytes(const std::string & path, const std::string & bytes);

// Bytes in the order of the format
class Bytes {
  public:
    Bytes & raw(const std::string & bytes) {
        bytes_ += bytes;
        return *this;
    }
    Bytes & zeros(size_t n) { return raw(std::string(n, '\0')); }
    Bytes & u8(uint8_t value) { return number(value, 1); }
    Bytes & u32(uint32_t value) { return number(value, 4); }
    Bytes & u64(uint64_t value) { return number(value, 8); }
    Bytes & str(const std::string & text) { return u64(text.size()).raw(text); }
    Bytes & pad(size_t alignment) { return zeros((alignment - bytes_.size() % alignment) % alignment); }
    const std::string & get() const { return bytes_; }

  private:
    Bytes & number(uint64_t value, int n) {
        for (int i = 0; i < n; i++) {
            bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
        }
        return *this;
    }
    std::string bytes_;
};

// A file of which any part can be made wrong. The counts are those of the lists unless they are set.
struct FileParts {
    std::string magic = "GGUF";
    uint32_t version = 3;
    uint64_t n_tensors = UINT64_MAX;
    uint64_t n_kv = UINT64_MAX;
    std::vector<std::string> kv;
    std::vector<std::string> tensors;
    size_t alignment = 32;
    std::string data;

    std::string build() const;
};

std::string kv_u32(const std::string & key, uint32_t value);
std::string kv_str(const std::string & key, const std::string & value);
std::string tensor(const std::string & name, const std::vector<uint64_t> & dims, uint32_t type, uint64_t offset);

// Two kv pairs, and the tensors "a" (4 x F32), "b" (3 x 2 F32): right in every respect.
FileParts good_parts();

struct Loaded {
    Gguf gguf;
    Ggml tensors;
};
Loaded load_file(const std::string & path, bool no_alloc = false);
Loaded load_bytes(const std::string & bytes, bool no_alloc = false);

// What the whole context would be as a file; "" if it cannot be written.
std::string to_bytes(const gguf_context * ctx, bool only_meta = false);

// Makes every tensor's data that of the loaded tensors, so that the context can be written again.
void take_data(const Loaded & loaded);

} // namespace gguf_test
