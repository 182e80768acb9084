// test_backend_fakes.h - memory and queues under the test's control.
//
// FakeMemory is a buffer type over host memory that it does not admit to be host memory, unless told so. It can run
// out, refuse tensors, and counts what it has given away. FakeBackend writes down what it is asked for. Threading: one
// thread at a time.

#pragma once

#include "ggml-alloc.h"
#include "ggml-backend-impl.h"
#include "ggml-impl.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace fakes {

// Collects error messages instead of printing them.
class LogCapture {
  public:
    LogCapture() {
        ggml_log_get(&callback_, &data_);
        ggml_log_set(collect, this);
    }
    ~LogCapture() { ggml_log_set(callback_, data_); }
    LogCapture(const LogCapture &) = delete;
    LogCapture & operator=(const LogCapture &) = delete;

    int n_errors() const { return n_errors_; }
    const std::string & text() const { return text_; }

  private:
    static void collect(ggml_log_level level, const char * text, void * self) {
        auto * log = static_cast<LogCapture *>(self);
        log->n_errors_ += level == GGML_LOG_LEVEL_ERROR ? 1 : 0;
        log->text_ += text;
    }

    ggml_log_callback callback_ = nullptr;
    void * data_ = nullptr;
    int n_errors_ = 0;
    std::string text_;
};

struct FakeMemory {
    ggml_backend_buffer_type buft = {};
    size_t alignment = 32;
    size_t max_size = SIZE_MAX;
    size_t extra_per_tensor = 0; // alloc_size beyond ggml_nbytes
    size_t budget = SIZE_MAX;    // bytes of all buffers together
    bool is_host = false;
    bool copies = false;       // has a working cpy_tensor
    int refuse_tensor_at = -1; // how many init_tensor calls succeed before one fails; -1: all
    int n_buffers = 0;         // alive
    int n_allocations = 0;     // ever
    size_t n_bytes = 0;        // alive
    int n_resets = 0;
    std::vector<std::string> calls;

    FakeMemory() {
        buft.context = this;
        buft.iface.get_name = [](ggml_backend_buffer_type_t) { return "FAKE"; };
        buft.iface.alloc_buffer = alloc;
        buft.iface.get_alignment = [](ggml_backend_buffer_type_t t) { return of(t)->alignment; };
        buft.iface.get_max_size = [](ggml_backend_buffer_type_t t) { return of(t)->max_size; };
        buft.iface.get_alloc_size = [](ggml_backend_buffer_type_t t, const ggml_tensor * tensor) {
            return ggml_nbytes(tensor) + of(t)->extra_per_tensor;
        };
        buft.iface.is_host = [](ggml_backend_buffer_type_t t) { return of(t)->is_host; };
    }
    FakeMemory(const FakeMemory &) = delete;
    FakeMemory & operator=(const FakeMemory &) = delete;

    static FakeMemory * of(ggml_backend_buffer_type_t type) { return static_cast<FakeMemory *>(type->context); }
    static FakeMemory * of(ggml_backend_buffer_t buffer) { return of(buffer->buft); }
    static char * at(const ggml_tensor * tensor, size_t offset) { return static_cast<char *>(tensor->data) + offset; }

    static ggml_backend_buffer_t alloc(ggml_backend_buffer_type_t type, size_t size) {
        FakeMemory * self = of(type);
        if (size > self->budget - self->n_bytes) {
            return nullptr;
        }
        ggml_backend_buffer_i iface = {};
        iface.free_buffer = [](ggml_backend_buffer_t buffer) {
            of(buffer)->n_buffers--;
            of(buffer)->n_bytes -= buffer->size;
            ::operator delete(buffer->context, std::align_val_t(256));
        };
        iface.get_base = [](ggml_backend_buffer_t buffer) { return buffer->context; };
        iface.init_tensor = [](ggml_backend_buffer_t buffer, ggml_tensor *) {
            FakeMemory * memory = of(buffer);
            if (memory->refuse_tensor_at == 0) {
                return GGML_STATUS_FAILED;
            }
            memory->refuse_tensor_at -= memory->refuse_tensor_at > 0 ? 1 : 0;
            return GGML_STATUS_SUCCESS;
        };
        iface.memset_tensor = [](ggml_backend_buffer_t, ggml_tensor * t, uint8_t value, size_t offset, size_t n) {
            std::memset(at(t, offset), value, n);
        };
        iface.set_tensor = [](ggml_backend_buffer_t buffer, ggml_tensor * t, const void * data, size_t offset,
                              size_t n) {
            of(buffer)->calls.emplace_back("set");
            std::memcpy(at(t, offset), data, n);
        };
        iface.get_tensor = [](ggml_backend_buffer_t buffer, const ggml_tensor * t, void * data, size_t offset,
                              size_t n) {
            of(buffer)->calls.emplace_back("get");
            std::memcpy(data, at(t, offset), n);
        };
        iface.cpy_tensor = [](ggml_backend_buffer_t buffer, const ggml_tensor * src, ggml_tensor * dst) {
            of(buffer)->calls.emplace_back("cpy");
            if (of(buffer)->copies) {
                std::memcpy(dst->data, src->data, ggml_nbytes(src));
            }
            return of(buffer)->copies;
        };
        iface.clear = [](ggml_backend_buffer_t buffer, uint8_t value) {
            std::memset(buffer->context, value, buffer->size);
        };
        iface.reset = [](ggml_backend_buffer_t buffer) { of(buffer)->n_resets++; };
        self->n_buffers++;
        self->n_allocations++;
        self->n_bytes += size;
        return ggml_backend_buffer_init(type, iface, ::operator new(size, std::align_val_t(256)), size);
    }
};

struct FakeDevice {
    ggml_backend_device device = {};
    FakeMemory memory;
    std::string name = "FAKE";
    enum ggml_backend_dev_type type = GGML_BACKEND_DEVICE_TYPE_ACCEL;

    FakeDevice() {
        device.context = this;
        memory.buft.device = &device;
        device.iface.get_name = [](ggml_backend_dev_t d) { return of(d)->name.c_str(); };
        device.iface.get_description = [](ggml_backend_dev_t) { return "a fake"; };
        device.iface.get_memory = [](ggml_backend_dev_t, size_t * free, size_t * total) {
            *free = 1;
            *total = 2;
        };
        device.iface.get_type = [](ggml_backend_dev_t d) { return of(d)->type; };
        device.iface.get_props = [](ggml_backend_dev_t d, ggml_backend_dev_props * props) {
            props->name = of(d)->name.c_str();
        };
        device.iface.init_backend = [](ggml_backend_dev_t, const char *) -> ggml_backend_t { return nullptr; };
        device.iface.get_buffer_type = [](ggml_backend_dev_t d) { return &of(d)->memory.buft; };
        device.iface.supports_op = [](ggml_backend_dev_t, const ggml_tensor *) { return true; };
        device.iface.supports_buft = [](ggml_backend_dev_t d, ggml_backend_buffer_type_t buft) {
            return buft == &of(d)->memory.buft;
        };
    }
    static FakeDevice * of(ggml_backend_dev_t device) { return static_cast<FakeDevice *>(device->context); }
};

// Begins without any optional member.
struct FakeBackend {
    ggml_backend backend = {};
    FakeDevice device;
    std::vector<std::string> calls;
    bool accepts_copies = true;

    FakeBackend() {
        backend.context = this;
        backend.device = &device.device;
        backend.iface.get_name = [](ggml_backend_t) { return "FAKE"; };
        backend.iface.free = [](ggml_backend_t b) { of(b)->calls.emplace_back("free"); };
        backend.iface.graph_compute = [](ggml_backend_t b, ggml_cgraph *) {
            of(b)->calls.emplace_back("graph");
            return GGML_STATUS_SUCCESS;
        };
        backend.iface.synchronize = [](ggml_backend_t b) { of(b)->calls.emplace_back("sync"); };
    }

    void enable_async() {
        backend.iface.set_tensor_async = [](ggml_backend_t b, ggml_tensor * t, const void * data, size_t offset,
                                            size_t n) {
            of(b)->calls.emplace_back("set_async");
            std::memcpy(FakeMemory::at(t, offset), data, n);
        };
        backend.iface.get_tensor_async = [](ggml_backend_t b, const ggml_tensor * t, void * data, size_t offset,
                                            size_t n) {
            of(b)->calls.emplace_back("get_async");
            std::memcpy(data, FakeMemory::at(t, offset), n);
        };
        backend.iface.cpy_tensor_async = [](ggml_backend_t, ggml_backend_t dst, const ggml_tensor * a,
                                            ggml_tensor * b) {
            of(dst)->calls.emplace_back("cpy_async");
            if (of(dst)->accepts_copies) {
                std::memcpy(b->data, a->data, ggml_nbytes(a));
            }
            return of(dst)->accepts_copies;
        };
    }

    static FakeBackend * of(ggml_backend_t backend) { return static_cast<FakeBackend *>(backend->context); }
};

struct FreeContext {
    void operator()(ggml_context * ctx) const { ggml_free(ctx); }
};
using Context = std::unique_ptr<ggml_context, FreeContext>;

inline Context make_context(size_t n_tensors = 64, size_t graph_size = 0) {
    const size_t graph_bytes = graph_size != 0 ? ggml_graph_overhead_custom(graph_size, false) : 0;
    return Context(ggml_init({n_tensors * ggml_tensor_overhead() + graph_bytes, nullptr, true}));
}

struct FreeBuffer {
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
};
using Buffer = std::unique_ptr<ggml_backend_buffer, FreeBuffer>;

struct FreeGallocr {
    void operator()(ggml_gallocr_t galloc) const { ggml_gallocr_free(galloc); }
};
using Gallocr = std::unique_ptr<ggml_gallocr, FreeGallocr>;

} // namespace fakes
