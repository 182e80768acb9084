// TensorContent - a copy of the fields of a tensor on which the scheduler depends, without its references to others.
//
// A Difference says in which respects two contents differ. Both are values.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "host/query.h"

namespace ggml_sched {

// Difference - the respects in which two tensors differ, or two graphs.
struct Difference {
    bool kind = false;       // operation, flags, buffer: all that decides splits without asking a backend
    bool parameters = false; // op_params; those of views do not count, since they repeat the offset
    bool layout = false;     // type, shape, strides
    bool place = false;      // addresses that the caller gave, and offsets of views
};

// TensorContent - the fields of one tensor.
class TensorContent {
  public:
    // Takes over the fields of the tensor, and sets `bytes` to its size. Returns false if it has gaps or blocks: then
    // only ggml_nbytes() gives the size.
    bool take(const ggml_tensor & tensor, size_t & bytes) {
        buffer_ = host::buffer_of(&tensor);
        place_ = place_of(tensor);
        type_ = tensor.type;
        op_ = tensor.op;
        flags_ = tensor.flags;
        has_buffer_ = tensor.buffer != nullptr;
        std::memcpy(ne_.data(), tensor.ne, sizeof(ne_));
        std::memcpy(nb_.data(), tensor.nb, sizeof(nb_));
        std::memcpy(op_params_.data(), tensor.op_params, sizeof(op_params_));
        bytes = tensor.nb[3] * static_cast<size_t>(tensor.ne[3]);
        return tensor.nb[1] == tensor.nb[0] * static_cast<size_t>(tensor.ne[0]) &&
               tensor.nb[2] == tensor.nb[1] * static_cast<size_t>(tensor.ne[1]) &&
               tensor.nb[3] == tensor.nb[2] * static_cast<size_t>(tensor.ne[2]);
    }
    // Takes over the fields of the tensor, sets `bytes` to its size, and adds what is new to `difference`. Takes
    // nothing over if the kind differs. Returns false if nothing was new.
    bool update(const ggml_tensor & tensor, size_t & bytes, Difference & difference) {
        if (equals(tensor)) {
            return false;
        }
        find_difference(tensor, bytes, difference);
        return true;
    }

    // Each returns true if two contents are equal in this part; see Difference.
    bool has_kind_of(const TensorContent & other) const {
        return op_ == other.op_ && flags_ == other.flags_ && buffer_ == other.buffer_ &&
               (has_buffer_ == other.has_buffer_ || !is_in_weights());
    }
    bool has_layout_of(const TensorContent & other) const {
        return type_ == other.type_ && ne_ == other.ne_ && nb_ == other.nb_;
    }
    bool has_parameters_of(const TensorContent & other) const { return op_params_ == other.op_params_; }
    bool has_place_of(const TensorContent & other) const { return place_ == other.place_; }

    ggml_backend_buffer_t buffer() const { return buffer_; } // holds the bytes; NULL before allocation
    ggml_op op() const { return op_; }
    int32_t flags() const { return flags_; }

  private:
    bool is_in_weights() const { return buffer_ && host::is_weights(buffer_); }
    // Compares without a branch for each field, since nearly always all are equal.
    bool equals(const ggml_tensor & tensor) const {
        const uint64_t difference =
            static_cast<uint64_t>(op_ ^ tensor.op) | static_cast<uint64_t>(flags_ ^ tensor.flags) |
            static_cast<uint64_t>(type_ ^ tensor.type) | (place_ ^ place_of(tensor)) | differing_bits(ne_, tensor.ne) |
            differing_bits(nb_, tensor.nb) | differing_bits(op_params_, tensor.op_params) |
            static_cast<uint64_t>(has_buffer_ ^ (tensor.buffer != nullptr));
        return difference == 0 && buffer_ == host::buffer_of(&tensor);
    }
    // Does what update() does if the contents differ.
    void find_difference(const ggml_tensor & tensor, size_t & bytes, Difference & difference);

    // Returns the address of a tensor, or the offset of a view.
    static uint64_t place_of(const ggml_tensor & tensor) {
        return tensor.view_src ? tensor.view_offs : reinterpret_cast<uintptr_t>(tensor.data);
    }
    // Returns 0 if the arrays are equal.
    template <typename T, size_t n> static uint64_t differing_bits(const std::array<T, n> & a, const T (&b)[n]) {
        uint64_t bits = 0;
        for (size_t i = 0; i < sizeof(b); i += sizeof(bits)) {
            uint64_t words[2];
            std::memcpy(&words[0], reinterpret_cast<const char *>(a.data()) + i, sizeof(bits));
            std::memcpy(&words[1], reinterpret_cast<const char *>(b) + i, sizeof(bits));
            bits |= words[0] ^ words[1];
        }
        return bits;
    }

    ggml_backend_buffer_t buffer_;
    uint64_t place_; // the address, or 0 before allocation; the offset of a view
    ggml_type type_;
    ggml_op op_;
    int32_t flags_;
    bool has_buffer_; // the tensor itself names one; a view need not, although its bytes lie in one
    std::array<int64_t, GGML_MAX_DIMS> ne_;
    std::array<size_t, GGML_MAX_DIMS> nb_;
    std::array<int32_t, GGML_MAX_OP_PARAMS / sizeof(int32_t)> op_params_;
};

} // namespace ggml_sched
