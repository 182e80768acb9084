// OperandExchange - operands of nodes that are exchanged for other tensors while a call of the scheduler works.
//
// Between calls the nodes have the operands that the caller built. The nodes must exist wherever operands are exchanged
// or restored. It owns no tensor. One thread at a time.

#pragma once

#include <vector>

#include "ggml.h"

namespace ggml_sched {

class OperandExchange {
  public:
    // Gives the operands back, and forgets them.
    void clear() {
        restore();
        exchanges_.clear();
    }
    // Notes an operand of a node, and the tensor that the node is to read in its place.
    void add(ggml_tensor ** operand, ggml_tensor * other) { exchanges_.push_back({operand, *operand, other}); }

    // Exchange - an operand of a node, what the caller built there, and what is read in its place
    struct Exchange {
        ggml_tensor ** operand;
        ggml_tensor * original;
        ggml_tensor * other;
    };
    const std::vector<Exchange> & all() const { return exchanges_; }

    // Makes the nodes read the other tensors.
    void exchange() {
        is_exchanged_ = true;
        for (const Exchange & each : exchanges_) {
            *each.operand = each.other;
        }
    }
    // Gives the nodes the operands that the caller built.
    void restore() {
        for (size_t i = 0; is_exchanged_ && i < exchanges_.size(); i++) {
            *exchanges_[i].operand = exchanges_[i].original;
        }
        is_exchanged_ = false;
    }

  private:
    std::vector<Exchange> exchanges_;
    bool is_exchanged_ = false;
};

} // namespace ggml_sched
