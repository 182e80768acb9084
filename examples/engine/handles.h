// handles.h - owners for what the C API hands out.

#pragma once

#include "ggml-backend.h"
#include "ggml.h"
#include "gguf.h"

#include <memory>

namespace engine {

template <auto release> struct Releaser {
    template <typename T> void operator()(T * handle) const { release(handle); }
};

using ContextHandle = std::unique_ptr<ggml_context, Releaser<ggml_free>>;
using BackendHandle = std::unique_ptr<ggml_backend, Releaser<ggml_backend_free>>;
using BufferHandle = std::unique_ptr<ggml_backend_buffer, Releaser<ggml_backend_buffer_free>>;
using SchedHandle = std::unique_ptr<ggml_backend_sched, Releaser<ggml_backend_sched_free>>;
using GgufHandle = std::unique_ptr<gguf_context, Releaser<gguf_free>>;

} // namespace engine
