// mul_mat_blas.h - products with large matrices through the vendor's BLAS.
//
// Whether a product goes this way depends on the matrix of weights alone, and the BLAS is always given panels of the
// same number of columns, the last one filled up with zeros. So it always does the same to a column, whatever else is
// in the batch.
// Threading: one thread at a time.

#pragma once

#include "ggml-impl.h"
#include "kernels/kernels.h"
#include "vendor.h"

#include <cstddef>
#include <vector>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

class BlasMultiplier {
  public:
    BlasMultiplier() = default;
    BlasMultiplier(const BlasMultiplier &) = delete;
    BlasMultiplier & operator=(const BlasMultiplier &) = delete;
    ~BlasMultiplier() { close(); }

    // Makes room for the products among the nodes. grew: captured launches have old addresses. An error means that
    // memory ran out. Call it before what is captured.
    Error reserve(Stream stream, const std::vector<ggml_tensor *> & nodes, bool & grew);
    // Is the product to be computed here? Only after reserve.
    bool takes(const ggml_tensor * node) const;
    // False, with a line in the log, on failure
    bool multiply(const Launch & launch, const ggml_tensor * node) const;
    void close();

  private:
    enum class State { Closed, Open, Unavailable };

    Blas blas_;
    State state_ = State::Closed;
    char * memory_ = nullptr; // the BLAS's own, then packed columns, then products of an incomplete panel
    size_t packed_bytes_ = 0;
    size_t product_bytes_ = 0;
};

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
