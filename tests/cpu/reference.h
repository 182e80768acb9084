// reference.h - what every operation means, in double precision.
//
// Naive loops over indices, with nothing in common with the backend: tensors are decoded here, element by element.

#pragma once

#include "ggml.h"

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace reference {

using Index = std::array<int64_t, 4>;

// A dense array of doubles, in ggml's order of dimensions
class Array {
  public:
    explicit Array(const Index & shape);

    double & operator[](const Index & i) { return values[offset(i)]; }
    double operator[](const Index & i) const { return values[offset(i)]; }
    // The element at i modulo this array's shape
    double repeated(const Index & i) const;

    Index shape;
    std::vector<double> values;

  private:
    size_t offset(const Index & i) const;
};

void for_each_index(const Index & shape, const std::function<void(const Index &)> & f);

// The elements of a tensor in host memory, of any type and strides
Array decode(const ggml_tensor * t);

// What computing node must give. For an operation that writes into an operand (CPY, SET, SET_ROWS), that is the whole
// result; call it before computing. Integers are exact.
Array evaluate(const ggml_tensor * node);

} // namespace reference
