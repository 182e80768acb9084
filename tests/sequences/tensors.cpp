#include "tensors.h"

#include <algorithm>
#include <random>

namespace sequences {

namespace {

// Row r of the result is weight times row r of `a`.
Values multiplied(const Values & weight, const Values & a) {
    Values result(kSize, 0.0F);
    for (size_t r = 0; r < kRows; r++) {
        for (size_t i = 0; i < kWidth; i++) {
            for (size_t k = 0; k < kWidth; k++) {
                result[r * kWidth + i] += weight[i * kWidth + k] * a[r * kWidth + k];
            }
        }
    }
    return result;
}

Values computed(const Tensors & tensors, const Tensor & node) {
    const auto operand = [&](size_t i) { return contents_of(tensors, node.src[i]); };
    Values result = operand(0);
    switch (node.op) {
    case Op::Add:
    case Op::AddInPlace: {
        const Values b = operand(1);
        std::transform(result.begin(), result.end(), b.begin(), result.begin(), [](float x, float y) { return x + y; });
        break;
    }
    case Op::Scale:
    case Op::ScaleInPlace: {
        const float factor = node.extra < 0 ? kStoreFactor : factor_of(node.extra);
        std::for_each(result.begin(), result.end(), [factor](float & x) { x *= factor; });
        break;
    }
    case Op::Rows: {
        const Values ids = operand(1);
        Values rows(kSize);
        for (size_t i = 0; i < kSize; i++) {
            rows[i] = result[static_cast<size_t>(ids[i / kWidth]) * kWidth + i % kWidth];
        }
        return rows;
    }
    case Op::MatMul: return multiplied(result, operand(1));
    default: break; // copies
    }
    return result;
}

} // namespace

int Tensors::add(Tensor tensor) {
    tensors_.push_back(std::move(tensor));
    return size() - 1;
}

int Tensors::find(const ggml_tensor * real) const {
    const auto found = std::find_if(tensors_.rbegin(), tensors_.rend(),
                                    [real](const Tensor & tensor) { return tensor.is_alive && tensor.real == real; });
    return found == tensors_.rend() ? -1 : static_cast<int>(tensors_.rend() - found) - 1;
}

std::string Tensors::name_of(int id) const {
    return (*this)[id].real->name;
}

void interpret(Tensors & tensors, int id) {
    const Tensor & node = tensors[id];
    if (node.kind != Tensor::Kind::Compute) {
        return;
    }
    const auto is_known = [&](int src) { return tensors.root_of(src).is_known; };
    const bool fails = node.op == Op::Rows && are_bad_ids(contents_of(tensors, node.src[1]));
    const bool operands_are_known = !fails && std::all_of(node.src.begin(), node.src.end(), is_known);
    Tensor & root = tensors.root_of(id);
    root.is_known = operands_are_known && (!node.writes_root || root.is_known);
    if (!root.is_known) {
        return;
    }
    const Values result = computed(tensors, node);
    root.values.resize(std::max(root.values.size(), node.offset + result.size()));
    std::copy(result.begin(), result.end(), root.values.begin() + static_cast<std::ptrdiff_t>(node.offset));
}

Values contents_of(const Tensors & tensors, int id) {
    const Tensor & root = tensors.root_of(id);
    if (tensors[id].root == id) {
        return root.values;
    }
    const auto first = root.values.begin() + static_cast<std::ptrdiff_t>(tensors[id].offset);
    return {first, first + kSize};
}

bool are_bad_ids(const Values & values) {
    return std::any_of(values.begin(), values.end(), [](float id) { return id < 0 || id >= kCacheRows; });
}

Values random_ids(uint64_t seed, bool is_bad) {
    std::mt19937_64 random(seed);
    Values ids(kRows);
    for (float & id : ids) {
        id = static_cast<float>(random() % kCacheRows);
    }
    ids[0] = is_bad ? 1000000 : ids[0];
    return ids;
}

Values random_values(size_t n, uint64_t seed) {
    std::mt19937_64 random(seed);
    Values values(n);
    for (float & value : values) {
        value = static_cast<float>(static_cast<int>(random() % 17) - 8);
    }
    return values;
}

float factor_of(int extra) {
    constexpr float kFactors[] = {0.5F, -1.0F, 0.25F};
    return kFactors[static_cast<size_t>(extra) % 3];
}

} // namespace sequences
