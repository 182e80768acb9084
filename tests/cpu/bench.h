// bench.h - builds one operation over tensors of chosen types and layouts, computes it, and compares with the
// reference.

#pragma once

#include "ggml-cpu.h"
#include "ggml.h"
#include "reference.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace bench {

using reference::Index;

// How a tensor lies in memory
enum class Layout {
    Contiguous,
    GapsBetweenRows, // a part of each row of a wider tensor
    SwappedPlanes,   // dimensions 1 and 2 permuted
    Transposed,      // dimensions 0 and 1 permuted: elements of a row are apart
};
constexpr Layout kAllLayouts[] = {Layout::Contiguous, Layout::GapsBetweenRows, Layout::SwappedPlanes,
                                  Layout::Transposed};
constexpr Layout kRowLayouts[] = {Layout::Contiguous, Layout::GapsBetweenRows, Layout::SwappedPlanes};
constexpr ggml_type kFloatTypes[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16};
constexpr ggml_type kWeightTypes[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0};

// How far a result may be from the reference: absolute + relative * |reference|
struct Tolerance {
    double absolute;
    double relative;
};
Tolerance tolerance_of(ggml_type result);

// A context with data, and a backend. The random numbers depend on the seed alone.
class Bench {
  public:
    explicit Bench(uint32_t seed = 1, int n_threads = 2, size_t mem_size = 4u << 20);

    ggml_context * ctx() { return ctx_.get(); }
    ggml_backend_t backend() { return backend_.get(); }

    // Uniform in [-2, 2]
    ggml_tensor * random(ggml_type type, const Index & shape, Layout layout = Layout::Contiguous);
    // I32 or I64, in [0, limit)
    ggml_tensor * random_indices(const Index & shape, int64_t limit, ggml_type type = GGML_TYPE_I32);
    ggml_tensor * indices(const std::vector<int32_t> & values);
    int random_int(int low, int high);

    ggml_status compute(ggml_tensor * node);
    // Computes node and compares it with the reference; no other byte of any tensor may change.
    void check(ggml_tensor * node);

  private:
    struct FreeContext {
        void operator()(ggml_context * ctx) const { ggml_free(ctx); }
    };
    struct FreeBackend {
        void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
    };

    std::mt19937 random_;
    std::unique_ptr<ggml_context, FreeContext> ctx_;
    std::unique_ptr<ggml_backend, FreeBackend> backend_;
};

// The bytes of a contiguous tensor
std::vector<uint8_t> bytes_of(const ggml_tensor * t);

std::string describe(const ggml_tensor * node);

// Silences the log while it lives and remembers what was said.
class LogCapture {
  public:
    LogCapture();
    ~LogCapture();
    LogCapture(const LogCapture &) = delete;
    LogCapture & operator=(const LogCapture &) = delete;

    std::string text;
};

} // namespace bench
