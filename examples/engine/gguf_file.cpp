#include "gguf_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>

namespace engine {

Result<GgufFile> GgufFile::open(const std::string & path) {
    GgufFile file;
    file.path_ = path;
    file.file_.open(std::filesystem::u8path(path), std::ios::binary);
    if (!file.file_) {
        return failure("cannot open '" + path + "': " + std::strerror(errno));
    }
    ggml_context * tensors = nullptr;
    gguf_init_params params = {};
    params.no_alloc = true;
    params.ctx = &tensors;
    file.gguf_.reset(gguf_init_from_file(path.c_str(), params));
    file.tensors_.reset(tensors);
    if (!file.gguf_ || !file.tensors_) {
        return failure("'" + path + "' is not a readable GGUF file");
    }
    return file;
}

Status GgufFile::missing(const std::string & key) const {
    return failure(path_ + ": no value '" + key + "'");
}

Status GgufFile::wrong_type(const std::string & key, const char * expected) const {
    return failure(path_ + ": value '" + key + "' is not " + expected);
}

bool GgufFile::has(const std::string & key) const {
    return gguf_find_key(gguf_.get(), key.c_str()) >= 0;
}

Result<uint32_t> GgufFile::uint(const std::string & key) const {
    const gguf_context * g = gguf_.get();
    const int64_t id = gguf_find_key(g, key.c_str());
    if (id < 0) {
        return missing(key);
    }
    int64_t value = -1;
    switch (gguf_get_kv_type(g, id)) {
    case GGUF_TYPE_UINT8: value = gguf_get_val_u8(g, id); break;
    case GGUF_TYPE_INT8: value = static_cast<int>(gguf_get_val_i8(g, id)); break;
    case GGUF_TYPE_UINT16: value = gguf_get_val_u16(g, id); break;
    case GGUF_TYPE_INT16: value = gguf_get_val_i16(g, id); break;
    case GGUF_TYPE_UINT32: value = gguf_get_val_u32(g, id); break;
    case GGUF_TYPE_INT32: value = gguf_get_val_i32(g, id); break;
    case GGUF_TYPE_INT64: value = gguf_get_val_i64(g, id); break;
    case GGUF_TYPE_UINT64:
        // What does not fit turns negative, and is refused below.
        value = static_cast<int64_t>(gguf_get_val_u64(g, id));
        break;
    default: return wrong_type(key, "an integer");
    }
    if (value < 0 || value > std::numeric_limits<int32_t>::max()) {
        return failure(path_ + ": value '" + key + "' is out of range: " + std::to_string(value));
    }
    return static_cast<uint32_t>(value);
}

Result<uint32_t> GgufFile::uint_or(const std::string & key, uint32_t otherwise) const {
    return has(key) ? uint(key) : Result<uint32_t>(otherwise);
}

Result<float> GgufFile::real(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) {
        return missing(key);
    }
    switch (gguf_get_kv_type(gguf_.get(), id)) {
    case GGUF_TYPE_FLOAT32: return gguf_get_val_f32(gguf_.get(), id);
    case GGUF_TYPE_FLOAT64: return static_cast<float>(gguf_get_val_f64(gguf_.get(), id));
    default: return wrong_type(key, "a real number");
    }
}

Result<float> GgufFile::real_or(const std::string & key, float otherwise) const {
    return has(key) ? real(key) : Result<float>(otherwise);
}

Result<std::string> GgufFile::text(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) {
        return missing(key);
    }
    if (gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_STRING) {
        return wrong_type(key, "a string");
    }
    return std::string(gguf_get_val_str(gguf_.get(), id));
}

Result<std::vector<std::string>> GgufFile::texts(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) {
        return missing(key);
    }
    if (gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_ARRAY ||
        gguf_get_arr_type(gguf_.get(), id) != GGUF_TYPE_STRING) {
        return wrong_type(key, "an array of strings");
    }
    std::vector<std::string> all(gguf_get_arr_n(gguf_.get(), id));
    for (size_t i = 0; i < all.size(); i++) {
        all[i] = gguf_get_arr_str(gguf_.get(), id, i);
    }
    return all;
}

Result<std::vector<float>> GgufFile::reals(const std::string & key) const {
    const int64_t id = gguf_find_key(gguf_.get(), key.c_str());
    if (id < 0) {
        return missing(key);
    }
    if (gguf_get_kv_type(gguf_.get(), id) != GGUF_TYPE_ARRAY ||
        gguf_get_arr_type(gguf_.get(), id) != GGUF_TYPE_FLOAT32) {
        return wrong_type(key, "an array of 32-bit real numbers");
    }
    const auto * data = static_cast<const float *>(gguf_get_arr_data(gguf_.get(), id));
    return std::vector<float>(data, data + gguf_get_arr_n(gguf_.get(), id));
}

const ggml_tensor * GgufFile::find(const std::string & name) const {
    return ggml_get_tensor(tensors_.get(), name.c_str());
}

std::vector<std::string> GgufFile::tensor_names() const {
    std::vector<std::string> names;
    for (int64_t i = 0; i < gguf_get_n_tensors(gguf_.get()); i++) {
        names.emplace_back(gguf_get_tensor_name(gguf_.get(), i));
    }
    return names;
}

Result<std::vector<uint8_t>> GgufFile::read(const std::string & name) const {
    const int64_t id = gguf_find_tensor(gguf_.get(), name.c_str());
    if (id < 0) {
        return failure(path_ + ": no tensor '" + name + "'");
    }
    const size_t offset = gguf_get_data_offset(gguf_.get()) + gguf_get_tensor_offset(gguf_.get(), id);
    const size_t size = gguf_get_tensor_size(gguf_.get(), id);
    // The size is the file's claim: ask the file before memory is taken for it.
    file_.clear();
    const std::streamoff end = file_.seekg(0, std::ios::end).tellg();
    if (end < 0) {
        return failure(path_ + ": the file cannot be read at any position");
    }
    if (offset > static_cast<size_t>(end) || size > static_cast<size_t>(end) - offset) {
        return failure(path_ + ": tensor '" + name + "' ends behind the end of the file, which may be truncated");
    }
    std::vector<uint8_t> bytes(size);
    if (!file_.seekg(static_cast<std::streamoff>(offset))
             .read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(size))) {
        return failure(path_ + ": cannot read tensor '" + name + "'");
    }
    return bytes;
}

} // namespace engine
