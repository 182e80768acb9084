#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>

#include "files.h"
#include "ggml-impl.h"
#include "gguf/parse.h"

using namespace ggml_sched;
using namespace ggml_sched::core;
using gguf::Reader;
using gguf::Source;

namespace {

struct FreeGgml {
    void operator()(ggml_context * ctx) const { ggml_free(ctx); }
};
struct CloseFile {
    void operator()(FILE * file) const { std::fclose(file); }
};
using GgmlContext = std::unique_ptr<ggml_context, FreeGgml>;
using File = std::unique_ptr<FILE, CloseFile>;

// A context with room for the tensors and `bytes` of data
GgmlContext make_ggml_context(const gguf_context & ctx, uint64_t bytes) {
    const uint64_t overhead = (ctx.tensors.size() + 1) * static_cast<uint64_t>(ggml_tensor_overhead());
    const uint64_t room = GGML_PAD(bytes, GGML_MEM_ALIGN) + GGML_MEM_ALIGN;
    if (overhead > SIZE_MAX || room > SIZE_MAX - overhead) {
        return nullptr;
    }
    return GgmlContext(ggml_init({static_cast<size_t>(overhead + room), nullptr, bytes == 0}));
}

// The tensors in a new context, with their data unless no_alloc. NULL if something is wrong: reader.problem() says
// what.
GgmlContext load_tensors(Reader & reader, const gguf_context & ctx, bool no_alloc) {
    const uint64_t bytes = no_alloc ? 0 : gguf::data_size(ctx);
    if (!reader.has(bytes)) {
        reader.fail("the file is cut off: the tensor data has %" PRIu64 " bytes, but only %" PRIu64 " are left", bytes,
                    reader.remaining());
        return nullptr;
    }
    GgmlContext result = make_ggml_context(ctx, bytes);
    uint8_t * data = nullptr;
    if (result && bytes > 0) {
        ggml_tensor * blob = ggml_new_tensor_1d(result.get(), GGML_TYPE_I8, static_cast<int64_t>(bytes));
        data = blob ? static_cast<uint8_t *>(blob->data) : nullptr;
    }
    if (!result || (bytes > 0 && !data)) {
        reader.fail("no memory for the tensors and %" PRIu64 " bytes of data", bytes);
        return nullptr;
    }
    if (!reader.read(data, bytes)) {
        return nullptr;
    }
    ggml_set_no_alloc(result.get(), true);
    for (const gguf::TensorInfo & info : ctx.tensors) {
        ggml_tensor * tensor = ggml_new_tensor(result.get(), info.tensor.type, GGML_MAX_DIMS, info.tensor.ne);
        if (!tensor) {
            reader.fail("cannot make tensor '%s'", gguf::Printable(info.tensor.name).c_str());
            return nullptr;
        }
        ggml_set_name(tensor, info.tensor.name);
        if (data) {
            tensor->data = data + info.offset;
        }
    }
    ggml_set_no_alloc(result.get(), no_alloc);
    return result;
}

// `name` stands for the file in the log.
gguf_context * init_from_source(const Source & source, const gguf_init_params & params, const char * function,
                                const char * name) noexcept {
    if (params.ctx) {
        *params.ctx = nullptr;
    }
    try {
        Reader reader(source);
        auto ctx = std::make_unique<gguf_context>();
        GgmlContext tensors;
        bool ok = gguf::parse(reader, *ctx);
        if (ok && params.ctx) {
            tensors = load_tensors(reader, *ctx, params.no_alloc);
            ok = tensors != nullptr;
        }
        if (ok) {
            if (params.ctx) {
                *params.ctx = tensors.release();
            }
            return ctx.release();
        }
        GGML_LOG_ERROR("%s: '%s': %s\n", function, name, reader.problem().c_str());
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: '%s': out of memory (%s)\n", function, name, e.what());
    }
    return nullptr;
}

struct FileAt {
    FILE * file;
    uint64_t offset; // the file's position
};

size_t read_file(void * userdata, void * output, uint64_t offset, size_t len) {
    auto * at = static_cast<FileAt *>(userdata);
    if (at->offset != offset) {
        if (!seek_file(at->file, offset)) {
            return 0;
        }
        at->offset = offset;
    }
    const size_t n = std::fread(output, 1, len, at->file);
    at->offset += n;
    return n;
}

size_t read_buffer(void * userdata, void * output, uint64_t offset, size_t len) {
    std::memcpy(output, static_cast<const uint8_t *>(userdata) + offset, len);
    return len;
}

gguf_context * init_from_open_file(FILE * file, const gguf_init_params & params, const char * function,
                                   const char * name) {
    const int64_t begin = position_of(file);
    const int64_t end = begin >= 0 && seek_end(file) ? position_of(file) : -1;
    if (end < begin || begin < 0 || !seek_file(file, static_cast<uint64_t>(begin))) {
        GGML_LOG_ERROR("%s: '%s' cannot be read at any position: %s\n", function, name, std::strerror(errno));
        return nullptr;
    }
    FileAt at = {file, static_cast<uint64_t>(begin)};
    const Source source = {read_file, &at, at.offset, static_cast<uint64_t>(end), SIZE_MAX};
    return init_from_source(source, params, function, name);
}

} // namespace

extern "C" {

gguf_context * gguf_init_from_file(const char * fname, gguf_init_params params) {
    if (params.ctx) {
        *params.ctx = nullptr;
    }
    if (!fname) {
        GGML_LOG_ERROR("%s: the file name is NULL\n", __func__);
        return nullptr;
    }
    try {
        // Opening a pipe would wait for its writer.
        std::error_code error;
        const auto status = std::filesystem::status(std::filesystem::u8path(fname), error);
        if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
            GGML_LOG_ERROR("%s: '%s' is not a regular file\n", __func__, fname);
            return nullptr;
        }
        const File file(open_file(fname, "rb"));
        if (!file) {
            GGML_LOG_ERROR("%s: cannot open '%s': %s\n", __func__, fname, std::strerror(errno));
            return nullptr;
        }
        return init_from_open_file(file.get(), params, __func__, fname);
    } catch (const std::exception & e) {
        GGML_LOG_ERROR("%s: cannot open '%s': %s\n", __func__, fname, e.what());
        return nullptr;
    }
}

gguf_context * gguf_init_from_file_ptr(FILE * file, gguf_init_params params) {
    if (params.ctx) {
        *params.ctx = nullptr;
    }
    if (!file) {
        GGML_LOG_ERROR("%s: the file is NULL\n", __func__);
        return nullptr;
    }
    return init_from_open_file(file, params, __func__, "open file");
}

gguf_context * gguf_init_from_buffer(const void * data, size_t size, gguf_init_params params) {
    if (!data) {
        if (params.ctx) {
            *params.ctx = nullptr;
        }
        GGML_LOG_ERROR("%s: the buffer is NULL\n", __func__);
        return nullptr;
    }
    // Only read from.
    const Source source = {read_buffer, const_cast<void *>(data), 0, size, SIZE_MAX};
    return init_from_source(source, params, __func__, "buffer");
}

gguf_context * gguf_init_from_callback(gguf_reader_callback_t callback, void * userdata, size_t max_chunk_read,
                                       uint64_t max_expected_size, gguf_init_params params) {
    if (!callback) {
        if (params.ctx) {
            *params.ctx = nullptr;
        }
        GGML_LOG_ERROR("%s: the callback is NULL\n", __func__);
        return nullptr;
    }
    const size_t max_chunk = max_chunk_read == 0 ? SIZE_MAX : max_chunk_read;
    const Source source = {callback, userdata, 0, max_expected_size, max_chunk};
    return init_from_source(source, params, __func__, "callback");
}

} // extern "C"
