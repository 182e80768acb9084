// A sample of operations, with their operands: at least one of each operation that there is, in the layouts and types
// that graphs of language models have.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ggml-backend.h"

namespace conformance {

// Makes operands and remembers their content, which is the same for the same sequence of calls.
class Operands {
  public:
    explicit Operands(ggml_context * ctx)
        : ctx_(ctx) {}

    ggml_context * ctx() const { return ctx_; }
    // Values in [-1, 1)
    ggml_tensor * floats(ggml_type type, int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1, int64_t ne3 = 1);
    // I32 or I64 values 0, step, 2 * step, ... modulo bound
    ggml_tensor * integers(ggml_type type, int64_t bound, int64_t step, int64_t ne0, int64_t ne1 = 1);
    // Writes the contents to the tensors, which have been placed.
    void upload() const;

  private:
    struct Content {
        ggml_tensor * tensor;
        std::vector<uint8_t> bytes;
    };
    float next_float();

    ggml_context * ctx_;
    std::vector<Content> contents_;
    uint32_t state_ = 12345;
};

struct OpCase {
    std::string name;
    double tolerance; // normalized mean squared error against the CPU backend; 0: bit by bit
    std::function<ggml_tensor *(Operands & operands)> build;
    bool any_order = false; // The I32 values of a row have no order, by ggml's definition.
};

const std::vector<OpCase> & op_cases();

// A function of the program
const OpCase & custom_case();

// Operations that a backend may well refuse: types that nothing computes with
const std::vector<OpCase> & odd_cases();

} // namespace conformance
