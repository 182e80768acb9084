#include "reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>

namespace reference {

namespace {

constexpr double kPi = 3.14159265358979323846;

double decode_half(uint16_t bits) {
    const int sign = bits >> 15;
    const int exponent = bits >> 10 & 31;
    const int fraction = bits & 1023;
    double value = 0;
    if (exponent == 31) {
        value = fraction != 0 ? NAN : INFINITY;
    } else if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else {
        value = std::ldexp(1024 + fraction, exponent - 25);
    }
    return sign != 0 ? -value : value;
}

template <class T> T read(const char * p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
}

double decode_element(const ggml_tensor * t, const Index & i) {
    const char * row = static_cast<const char *>(t->data) + static_cast<size_t>(i[1]) * t->nb[1] +
                       static_cast<size_t>(i[2]) * t->nb[2] + static_cast<size_t>(i[3]) * t->nb[3];
    const char * p = row + static_cast<size_t>(i[0]) * t->nb[0];
    const size_t in_block = static_cast<size_t>(i[0] % 32);
    const char * block = row + static_cast<size_t>(i[0] / 32) * t->nb[0];
    switch (t->type) {
    case GGML_TYPE_F32: return read<float>(p);
    case GGML_TYPE_F16: return decode_half(read<uint16_t>(p));
    case GGML_TYPE_BF16: {
        const uint32_t bits = static_cast<uint32_t>(read<uint16_t>(p)) << 16;
        float value;
        std::memcpy(&value, &bits, sizeof(value));
        return value;
    }
    case GGML_TYPE_I32: return read<int32_t>(p);
    case GGML_TYPE_I64: return static_cast<double>(read<int64_t>(p));
    case GGML_TYPE_Q8_0: return decode_half(read<uint16_t>(block)) * read<int8_t>(block + 2 + in_block);
    case GGML_TYPE_Q4_0: {
        const uint8_t byte = read<uint8_t>(block + 2 + in_block % 16);
        const int nibble = in_block < 16 ? byte & 15 : byte >> 4;
        return decode_half(read<uint16_t>(block)) * (nibble - 8);
    }
    default: throw std::logic_error("decode: a type that the tests do not use");
    }
}

double param(const ggml_tensor * t, int i) {
    float value;
    std::memcpy(&value, t->op_params + i, sizeof(value));
    return value;
}

Index shape_of(const ggml_tensor * t) {
    return {t->ne[0], t->ne[1], t->ne[2], t->ne[3]};
}

Array map(const ggml_tensor * node, const std::function<double(const Index &)> & f) {
    Array result(shape_of(node));
    for_each_index(result.shape, [&](const Index & i) { result[i] = f(i); });
    return result;
}

double silu(double x) {
    return x / (1 + std::exp(-x));
}

double apply_unary(ggml_unary_op op, double x) {
    switch (op) {
    case GGML_UNARY_OP_RELU: return std::max(x, 0.0);
    case GGML_UNARY_OP_GELU: return x / 2 * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
    default: return silu(x);
    }
}

Array evaluate_binary(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array b = decode(node->src[1]);
    return map(node, [&](const Index & i) {
        const double x = a[i];
        const double y = b.repeated(i);
        return node->op == GGML_OP_ADD ? x + y : node->op == GGML_OP_MUL ? x * y : x / y;
    });
}

Array evaluate_copy(const ggml_tensor * node) {
    Array result(shape_of(node));
    result.values = decode(node->src[0]).values; // the order of elements is kept, the shape may change
    return result;
}

Array evaluate_set(const ggml_tensor * node) {
    // As a flat array of bytes would see it: the element at byte o of a dense result
    Array result = decode(node->src[0]);
    const Array part = decode(node->src[1]);
    for_each_index(part.shape, [&](const Index & i) {
        size_t byte = static_cast<size_t>(node->op_params[3]) + static_cast<size_t>(i[0]) * node->nb[0];
        for (int d = 1; d < 4; ++d) {
            byte += static_cast<size_t>(i[static_cast<size_t>(d)] * node->op_params[d - 1]);
        }
        Index at = {};
        for (size_t d = 4; d-- > 0;) { // the tests' targets have growing strides
            if (node->ne[d] > 1) {
                at[d] = static_cast<int64_t>(byte / node->nb[d]);
                byte %= node->nb[d];
            }
        }
        result[at] = part[i];
    });
    return result;
}

Array evaluate_concat(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array b = decode(node->src[1]);
    const auto dim = static_cast<size_t>(node->op_params[0]);
    return map(node, [&](const Index & i) {
        Index in_b = i;
        in_b[dim] -= a.shape[dim];
        return in_b[dim] < 0 ? a[i] : b[in_b];
    });
}

Array evaluate_sum_rows(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    Array result(shape_of(node));
    for_each_index(a.shape, [&](const Index & i) { result[{0, i[1], i[2], i[3]}] += a[i]; });
    return result;
}

Array evaluate_rms_norm(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    Array squares({1, a.shape[1], a.shape[2], a.shape[3]});
    for_each_index(a.shape, [&](const Index & i) { squares[{0, i[1], i[2], i[3]}] += a[i] * a[i]; });
    return map(node, [&](const Index & i) {
        const double mean = squares[{0, i[1], i[2], i[3]}] / static_cast<double>(a.shape[0]);
        return a[i] / std::sqrt(mean + param(node, 0));
    });
}

double alibi_slope(double max_bias, int64_t n_head, int64_t head) {
    if (max_bias == 0) {
        return 1;
    }
    const double n = std::exp2(std::floor(std::log2(static_cast<double>(n_head))));
    const double h = static_cast<double>(head);
    return h < n ? std::pow(2, -max_bias / n * (h + 1)) : std::pow(2, -max_bias / (2 * n) * (2 * (h - n) + 1));
}

Array evaluate_soft_max(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array mask = node->src[1] != nullptr ? decode(node->src[1]) : Array({1, 1, 1, 1});
    Array logits(a.shape);
    Array greatest({1, a.shape[1], a.shape[2], a.shape[3]});
    Array sum(greatest.shape);
    std::fill(greatest.values.begin(), greatest.values.end(), -INFINITY);
    for_each_index(a.shape, [&](const Index & i) {
        const Index in_mask = {i[0] % mask.shape[0], i[1] % mask.shape[1], i[2] % mask.shape[2], i[3] % mask.shape[3]};
        logits[i] = a[i] * param(node, 0) + mask[in_mask] * alibi_slope(param(node, 1), a.shape[2], i[2]);
        double & top = greatest[{0, i[1], i[2], i[3]}];
        top = std::max(top, logits[i]);
    });
    const auto weight = [&](const Index & i) {
        return std::isinf(logits[i]) ? 0 : std::exp(logits[i] - greatest[{0, i[1], i[2], i[3]}]);
    };
    for_each_index(a.shape, [&](const Index & i) { sum[{0, i[1], i[2], i[3]}] += weight(i); });
    return map(node, [&](const Index & i) {
        const double total = sum[{0, i[1], i[2], i[3]}];
        return total > 0 ? weight(i) / total : 0;
    });
}

// The angle of pair i at a position, and the factor on both results
std::pair<double, double> rope_angle(const ggml_tensor * node, int64_t i, double position, double divisor) {
    const double n_dims = node->op_params[1];
    const double base = param(node, 5);
    const double scale = param(node, 6);
    const double mix_factor = param(node, 7);
    const double extrapolated = position * std::pow(base, -2.0 * static_cast<double>(i) / n_dims) / divisor;
    if (mix_factor == 0) {
        return {extrapolated * scale, param(node, 8)};
    }
    const auto dimension = [&](double turns) {
        return n_dims * std::log(node->op_params[4] / (turns * 2 * kPi)) / (2 * std::log(base));
    };
    const double low = std::max(0.0, std::floor(dimension(param(node, 9))));
    const double high = std::min(n_dims - 1, std::ceil(dimension(param(node, 10))));
    const double ramp = std::min(1.0, std::max(0.0, (static_cast<double>(i) - low) / std::max(0.001, high - low)));
    const double mix = (1 - ramp) * mix_factor;
    return {extrapolated * scale * (1 - mix) + extrapolated * mix, param(node, 8) * (1 - 0.1 * std::log(scale))};
}

Array evaluate_rope(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array positions = decode(node->src[1]);
    const int64_t half = node->op_params[1] / 2;
    Array result = a; // the dimensions from n_dims on stay
    for_each_index({half, a.shape[1], a.shape[2], a.shape[3]}, [&](const Index & i) {
        const double divisor = node->src[2] != nullptr ? decode(node->src[2])[{i[0], 0, 0, 0}] : 1;
        const auto [angle, magnitude] = rope_angle(node, i[0], positions[{i[2], 0, 0, 0}], divisor);
        const bool neox = node->op_params[2] == GGML_ROPE_TYPE_NEOX;
        const Index one = {neox ? i[0] : 2 * i[0], i[1], i[2], i[3]};
        const Index two = {neox ? i[0] + half : 2 * i[0] + 1, i[1], i[2], i[3]};
        result[one] = magnitude * (a[one] * std::cos(angle) - a[two] * std::sin(angle));
        result[two] = magnitude * (a[one] * std::sin(angle) + a[two] * std::cos(angle));
    });
    return result;
}

Array evaluate_glu(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const int64_t n = node->ne[0];
    if (node->src[1] != nullptr) {
        const Array b = decode(node->src[1]);
        return map(node, [&](const Index & i) { return silu(a[i]) * b[i]; });
    }
    const bool swapped = node->op_params[1] != 0;
    return map(node, [&](const Index & i) {
        const double first = a[i];
        const double second = a[{i[0] + n, i[1], i[2], i[3]}];
        return swapped ? silu(second) * first : silu(first) * second;
    });
}

Array evaluate_mul_mat(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array b = decode(node->src[1]);
    const int64_t repeat2 = b.shape[2] / a.shape[2];
    const int64_t repeat3 = b.shape[3] / a.shape[3];
    return map(node, [&](const Index & i) {
        double sum = 0;
        for (int64_t k = 0; k < a.shape[0]; ++k) {
            sum += a[{k, i[0], i[2] / repeat2, i[3] / repeat3}] * b[{k, i[1], i[2], i[3]}];
        }
        return sum;
    });
}

Array evaluate_mul_mat_id(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array b = decode(node->src[1]);
    const Array ids = decode(node->src[2]);
    return map(node, [&](const Index & i) {
        const int64_t expert = static_cast<int64_t>(ids[{i[1], i[2], 0, 0}]);
        double sum = 0;
        for (int64_t k = 0; k < a.shape[0]; ++k) {
            sum += a[{k, i[0], expert, 0}] * b.repeated({k, i[1], i[2], 0});
        }
        return sum;
    });
}

Array evaluate_get_rows(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const Array ids = decode(node->src[1]);
    return map(node, [&](const Index & i) {
        return a[{i[0], static_cast<int64_t>(ids[{i[1], i[2], i[3], 0}]), i[2], i[3]}];
    });
}

Array evaluate_set_rows(const ggml_tensor * node) {
    Array result = decode(node); // the rows that are not named stay
    const Array b = decode(node->src[0]);
    const Array ids = decode(node->src[1]);
    for_each_index(b.shape, [&](const Index & i) {
        result[{i[0], static_cast<int64_t>(ids.repeated({i[1], i[2], i[3], 0})), i[2], i[3]}] = b[i];
    });
    return result;
}

// ARGSORT, TOP_K, ARGMAX are beginnings of the same sorted sequence.
Array evaluate_sort(const ggml_tensor * node) {
    const Array a = decode(node->src[0]);
    const bool ascending = node->op == GGML_OP_ARGSORT && node->op_params[0] == GGML_SORT_ORDER_ASC;
    Array result(shape_of(node));
    for_each_index({1, a.shape[1], a.shape[2], a.shape[3]}, [&](const Index & row) {
        std::vector<int64_t> order(static_cast<size_t>(a.shape[0]));
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(), [&](int64_t x, int64_t y) {
            const double vx = a[{x, row[1], row[2], row[3]}];
            const double vy = a[{y, row[1], row[2], row[3]}];
            return ascending ? vx < vy : vx > vy;
        });
        if (node->op == GGML_OP_ARGMAX) {
            result[{row[1], 0, 0, 0}] = static_cast<double>(order[0]);
            return;
        }
        for (int64_t i = 0; i < node->ne[0]; ++i) {
            result[{i, row[1], row[2], row[3]}] = static_cast<double>(order[static_cast<size_t>(i)]);
        }
    });
    return result;
}

} // namespace

Array::Array(const Index & shape_)
    : shape(shape_) {
    values.resize(static_cast<size_t>(shape[0] * shape[1] * shape[2] * shape[3]));
}

size_t Array::offset(const Index & i) const {
    for (size_t d = 0; d < 4; ++d) {
        if (i[d] < 0 || i[d] >= shape[d]) {
            throw std::out_of_range("Array: an index outside");
        }
    }
    return static_cast<size_t>(((i[3] * shape[2] + i[2]) * shape[1] + i[1]) * shape[0] + i[0]);
}

double Array::repeated(const Index & i) const {
    return (*this)[{i[0] % shape[0], i[1] % shape[1], i[2] % shape[2], i[3] % shape[3]}];
}

void for_each_index(const Index & shape, const std::function<void(const Index &)> & f) {
    Index i = {};
    for (i[3] = 0; i[3] < shape[3]; ++i[3]) {
        for (i[2] = 0; i[2] < shape[2]; ++i[2]) {
            for (i[1] = 0; i[1] < shape[1]; ++i[1]) {
                for (i[0] = 0; i[0] < shape[0]; ++i[0]) {
                    f(i);
                }
            }
        }
    }
}

Array decode(const ggml_tensor * t) {
    return map(t, [t](const Index & i) { return decode_element(t, i); });
}

Array evaluate(const ggml_tensor * node) {
    switch (node->op) {
    case GGML_OP_DUP:
    case GGML_OP_CPY:
    case GGML_OP_CONT: return evaluate_copy(node);
    case GGML_OP_ADD:
    case GGML_OP_MUL:
    case GGML_OP_DIV: return evaluate_binary(node);
    case GGML_OP_SUM_ROWS: return evaluate_sum_rows(node);
    case GGML_OP_RMS_NORM: return evaluate_rms_norm(node);
    case GGML_OP_MUL_MAT: return evaluate_mul_mat(node);
    case GGML_OP_MUL_MAT_ID: return evaluate_mul_mat_id(node);
    case GGML_OP_CONCAT: return evaluate_concat(node);
    case GGML_OP_SET: return evaluate_set(node);
    case GGML_OP_GET_ROWS: return evaluate_get_rows(node);
    case GGML_OP_SET_ROWS: return evaluate_set_rows(node);
    case GGML_OP_SOFT_MAX: return evaluate_soft_max(node);
    case GGML_OP_ROPE: return evaluate_rope(node);
    case GGML_OP_ARGMAX:
    case GGML_OP_ARGSORT:
    case GGML_OP_TOP_K: return evaluate_sort(node);
    case GGML_OP_GLU: return evaluate_glu(node);
    default: break;
    }
    const Array a = decode(node->src[0]);
    return map(node, [&](const Index & i) {
        switch (node->op) {
        case GGML_OP_REPEAT: return a.repeated(i);
        case GGML_OP_SCALE: return param(node, 0) * a[i] + param(node, 1);
        case GGML_OP_UNARY: return apply_unary(ggml_get_unary_op(node), a[i]);
        default: throw std::logic_error("evaluate: an operation without a reference");
        }
    });
}

} // namespace reference
