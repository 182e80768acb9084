// gguf_file.h - one GGUF file open for reading: values by key, tensors by name. Every error names the key or tensor.

#pragma once

#include "handles.h"
#include "result.h"

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace engine {

class GgufFile {
  public:
    static Result<GgufFile> open(const std::string & path);

    const std::string & path() const { return path_; }

    bool has(const std::string & key) const;
    Result<uint32_t> uint(const std::string & key) const; // any integer type
    Result<uint32_t> uint_or(const std::string & key, uint32_t otherwise) const;
    Result<float> real(const std::string & key) const;
    Result<float> real_or(const std::string & key, float otherwise) const;
    Result<std::string> text(const std::string & key) const;
    Result<std::vector<std::string>> texts(const std::string & key) const;
    Result<std::vector<float>> reals(const std::string & key) const;

    // The description of a tensor (without data); NULL if there is none. Valid as long as the file is open.
    const ggml_tensor * find(const std::string & name) const;
    std::vector<std::string> tensor_names() const;
    // The bytes of a tensor that find() knows.
    Result<std::vector<uint8_t>> read(const std::string & name) const;

  private:
    Status missing(const std::string & key) const;
    Status wrong_type(const std::string & key, const char * expected) const;

    std::string path_;
    mutable std::ifstream file_; // read() moves its position
    GgufHandle gguf_;
    ContextHandle tensors_;
};

} // namespace engine
