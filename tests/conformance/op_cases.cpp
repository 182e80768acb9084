#include "op_cases.h"

#include <cstring>

namespace conformance {

namespace {

// What a backend that is not the CPU's twin may differ by. Quantized: activations may be quantized too.
constexpr double kMoved = 0; // bytes are moved, or integers computed
constexpr double kF32 = 1e-9;
constexpr double kF16 = 1e-5;
constexpr double kBf16 = 1e-4;
constexpr double kQuantized = 5e-4;

double tolerance_of(ggml_type type) {
    switch (type) {
    case GGML_TYPE_F32: return kF32;
    case GGML_TYPE_F16: return kF16;
    case GGML_TYPE_BF16: return kBf16;
    default: return kQuantized;
    }
}

void add_elementwise(std::vector<OpCase> & cases) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16}) {
        const std::string suffix = std::string(" ") + ggml_type_name(type);
        const double tolerance = tolerance_of(type);
        cases.push_back({"add" + suffix, tolerance, [type](Operands & o) {
                             return ggml_add(o.ctx(), o.floats(type, 33, 5), o.floats(type, 33, 5));
                         }});
        cases.push_back({"mul by a row" + suffix, tolerance, [type](Operands & o) {
                             return ggml_mul(o.ctx(), o.floats(type, 32, 4, 2), o.floats(GGML_TYPE_F32, 32));
                         }});
        cases.push_back(
            {"silu" + suffix, tolerance, [type](Operands & o) { return ggml_silu(o.ctx(), o.floats(type, 40, 3)); }});
        cases.push_back({"cont of a transposed matrix" + suffix, kMoved, [type](Operands & o) {
                             return ggml_cont(o.ctx(), ggml_transpose(o.ctx(), o.floats(type, 9, 7)));
                         }});
    }
    cases.push_back({"div", kF32, [](Operands & o) {
                         ggml_tensor * divisor = ggml_scale_bias(o.ctx(), o.floats(GGML_TYPE_F32, 33, 2), 0.1f, 2.0f);
                         return ggml_div(o.ctx(), o.floats(GGML_TYPE_F32, 33, 2), divisor);
                     }});
    cases.push_back({"dup", kMoved, [](Operands & o) { return ggml_dup(o.ctx(), o.floats(GGML_TYPE_F32, 33, 2)); }});
    cases.push_back(
        {"scale", kF32, [](Operands & o) { return ggml_scale(o.ctx(), o.floats(GGML_TYPE_F32, 31, 3), 0.3f); }});
    cases.push_back({"scale of no elements", kMoved,
                     [](Operands & o) { return ggml_scale(o.ctx(), o.floats(GGML_TYPE_F32, 31, 0), 0.3f); }});
    cases.push_back({"relu", kF32, [](Operands & o) { return ggml_relu(o.ctx(), o.floats(GGML_TYPE_F32, 40)); }});
    cases.push_back({"gelu", kF16, [](Operands & o) { return ggml_gelu(o.ctx(), o.floats(GGML_TYPE_F32, 40)); }});
    cases.push_back(
        {"swiglu", kF32, [](Operands & o) { return ggml_swiglu(o.ctx(), o.floats(GGML_TYPE_F32, 64, 3)); }});
    cases.push_back({"swiglu of two", kF32, [](Operands & o) {
                         return ggml_swiglu_split(o.ctx(), o.floats(GGML_TYPE_F32, 32, 3),
                                                  o.floats(GGML_TYPE_F32, 32, 3));
                     }});
}

void double_elements(ggml_tensor * dst, int ith, int nth, void *) {
    const auto * src = static_cast<const float *>(dst->src[0]->data);
    for (int64_t i = ith; i < ggml_nelements(dst); i += nth) {
        static_cast<float *>(dst->data)[i] = 2 * src[i];
    }
}

OpCase make_custom_case() {
    return {"custom", kMoved, [](Operands & o) {
                ggml_tensor * a = o.floats(GGML_TYPE_F32, 33, 3);
                return ggml_custom_4d(o.ctx(), GGML_TYPE_F32, 33, 3, 1, 1, &a, 1, double_elements, GGML_N_TASKS_MAX,
                                      nullptr);
            }};
}

void add_concat(std::vector<OpCase> & cases) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16}) {
        for (int dim = 0; dim < 4; dim++) {
            cases.push_back({std::string("concat ") + ggml_type_name(type) + ", dimension " + std::to_string(dim),
                             kMoved, [type, dim](Operands & o) {
                                 int64_t ne[] = {9, 5, 3, 2};
                                 ggml_tensor * a = o.floats(type, ne[0], ne[1], ne[2], ne[3]);
                                 ne[dim] += 4;
                                 return ggml_concat(o.ctx(), a, o.floats(type, ne[0], ne[1], ne[2], ne[3]), dim);
                             }});
        }
    }
    cases.push_back({"concat of transposed matrices", kMoved, [](Operands & o) {
                         return ggml_concat(o.ctx(), ggml_transpose(o.ctx(), o.floats(GGML_TYPE_F32, 9, 7)),
                                            ggml_transpose(o.ctx(), o.floats(GGML_TYPE_F32, 9, 2)), 0);
                     }});
}

void add_rows(std::vector<OpCase> & cases) {
    cases.push_back(
        {"sum_rows", kF32, [](Operands & o) { return ggml_sum_rows(o.ctx(), o.floats(GGML_TYPE_F32, 65, 3)); }});
    cases.push_back(
        {"rms_norm", kF32, [](Operands & o) { return ggml_rms_norm(o.ctx(), o.floats(GGML_TYPE_F32, 64, 3), 1e-5f); }});
    cases.push_back(
        {"soft_max", kF32, [](Operands & o) { return ggml_soft_max(o.ctx(), o.floats(GGML_TYPE_F32, 50, 4)); }});
    for (const ggml_type mask : {GGML_TYPE_F32, GGML_TYPE_F16}) {
        cases.push_back({std::string("soft_max with mask ") + ggml_type_name(mask), kF32, [mask](Operands & o) {
                             return ggml_soft_max_ext(o.ctx(), o.floats(GGML_TYPE_F32, 32, 4, 2), o.floats(mask, 32, 4),
                                                      0.5f, 0.0f);
                         }});
    }
    for (const int mode : {GGML_ROPE_TYPE_NORMAL, GGML_ROPE_TYPE_NEOX}) {
        cases.push_back({"rope of mode " + std::to_string(mode), 1e-7, [mode](Operands & o) {
                             return ggml_rope(o.ctx(), o.floats(GGML_TYPE_F32, 32, 2, 5),
                                              o.integers(GGML_TYPE_I32, 100, 3, 5), 32, mode);
                         }});
    }
    cases.push_back({"repeat", kMoved,
                     [](Operands & o) { return ggml_repeat_4d(o.ctx(), o.floats(GGML_TYPE_F32, 8, 1), 16, 6, 1, 1); }});
    cases.push_back(
        {"top_k", kMoved, [](Operands & o) { return ggml_top_k(o.ctx(), o.floats(GGML_TYPE_F32, 33, 3), 5); }, true});
    cases.push_back(
        {"argmax", kMoved, [](Operands & o) { return ggml_argmax(o.ctx(), o.floats(GGML_TYPE_F32, 70, 4)); }});
    for (const ggml_sort_order order : {GGML_SORT_ORDER_ASC, GGML_SORT_ORDER_DESC}) {
        cases.push_back({"argsort " + std::to_string(order), kMoved, [order](Operands & o) {
                             return ggml_argsort(o.ctx(), o.floats(GGML_TYPE_F32, 33, 3), order);
                         }});
    }
}

void add_mul_mat(std::vector<OpCase> & cases) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0}) {
        for (const int64_t n_rows : {1, 33}) {
            cases.push_back({std::string("mul_mat ") + ggml_type_name(type) + ", rows " + std::to_string(n_rows),
                             tolerance_of(type), [type, n_rows](Operands & o) {
                                 return ggml_mul_mat(o.ctx(), o.floats(type, 64, 17),
                                                     o.floats(GGML_TYPE_F32, 64, n_rows));
                             }});
        }
        cases.push_back({std::string("mul_mat_id ") + ggml_type_name(type), tolerance_of(type), [type](Operands & o) {
                             return ggml_mul_mat_id(o.ctx(), o.floats(type, 32, 8, 4),
                                                    o.floats(GGML_TYPE_F32, 32, 2, 5),
                                                    o.integers(GGML_TYPE_I32, 4, 3, 2, 5));
                         }});
        cases.push_back({std::string("get_rows ") + ggml_type_name(type), kMoved, [type](Operands & o) {
                             return ggml_get_rows(o.ctx(), o.floats(type, 32, 9), o.integers(GGML_TYPE_I32, 9, 4, 6));
                         }});
    }
    cases.push_back({"mul_mat of heads, one for two", kF32, [](Operands & o) {
                         return ggml_mul_mat(o.ctx(), o.floats(GGML_TYPE_F32, 16, 9, 2),
                                             o.floats(GGML_TYPE_F32, 16, 5, 4));
                     }});
    cases.push_back({"mul_mat of a permuted operand", kF32, [](Operands & o) {
                         ggml_tensor * heads = ggml_permute(o.ctx(), o.floats(GGML_TYPE_F32, 16, 2, 9), 0, 2, 1, 3);
                         return ggml_mul_mat(o.ctx(), heads, o.floats(GGML_TYPE_F32, 16, 5, 2));
                     }});
}

// Operations that write into an operand
void add_writes(std::vector<OpCase> & cases) {
    for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0}) {
        // Rounding and quantization have one right answer, but not all hardware gives it in the last place.
        const double tolerance = type == GGML_TYPE_F32 ? kMoved : type == GGML_TYPE_F16 ? kF16 : kQuantized;
        cases.push_back({std::string("cpy to ") + ggml_type_name(type), tolerance, [type](Operands & o) {
                             return ggml_cpy(o.ctx(), o.floats(GGML_TYPE_F32, 32, 3), o.floats(type, 32, 3));
                         }});
        cases.push_back({std::string("set_rows of ") + ggml_type_name(type), tolerance, [type](Operands & o) {
                             return ggml_set_rows(o.ctx(), o.floats(type, 32, 9), o.floats(GGML_TYPE_F32, 32, 3),
                                                  o.integers(GGML_TYPE_I64, 9, 4, 3));
                         }});
    }
    cases.push_back({"cpy into a view", kMoved, [](Operands & o) {
                         ggml_tensor * cache = o.floats(GGML_TYPE_F32, 32, 8);
                         ggml_tensor * part = ggml_view_2d(o.ctx(), cache, 32, 2, cache->nb[1], 3 * cache->nb[1]);
                         return ggml_cpy(o.ctx(), o.floats(GGML_TYPE_F32, 32, 2), part);
                     }});
    cases.push_back({"set", kMoved, [](Operands & o) {
                         ggml_tensor * a = o.floats(GGML_TYPE_F32, 16, 4);
                         return ggml_set_1d(o.ctx(), a, o.floats(GGML_TYPE_F32, 8), 2 * a->nb[1]);
                     }});
    cases.push_back({"scale in place", kF32,
                     [](Operands & o) { return ggml_scale_inplace(o.ctx(), o.floats(GGML_TYPE_F32, 32, 2), 3.0f); }});
}

std::vector<OpCase> make_op_cases() {
    std::vector<OpCase> cases;
    add_elementwise(cases);
    add_concat(cases);
    add_rows(cases);
    add_mul_mat(cases);
    add_writes(cases);
    return cases;
}

std::vector<OpCase> make_odd_cases() {
    std::vector<OpCase> cases;
    for (const ggml_type type : {GGML_TYPE_I8, GGML_TYPE_I16, GGML_TYPE_F64}) {
        cases.push_back({std::string("add ") + ggml_type_name(type), kMoved, [type](Operands & o) {
                             return ggml_add(o.ctx(), ggml_new_tensor_1d(o.ctx(), type, 8),
                                             ggml_new_tensor_1d(o.ctx(), type, 8));
                         }});
        cases.push_back({std::string("scale ") + ggml_type_name(type), kMoved, [type](Operands & o) {
                             return ggml_scale(o.ctx(), ggml_new_tensor_1d(o.ctx(), type, 8), 2.0f);
                         }});
    }
    return cases;
}

} // namespace

float Operands::next_float() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<float>(state_ >> 8) / static_cast<float>(1u << 23) - 1.0f;
}

ggml_tensor * Operands::floats(ggml_type type, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3) {
    ggml_tensor * tensor = ggml_new_tensor_4d(ctx_, type, ne0, ne1, ne2, ne3);
    std::vector<float> values(static_cast<size_t>(ggml_nelements(tensor)));
    for (float & value : values) {
        value = next_float();
    }
    std::vector<uint8_t> bytes(ggml_nbytes(tensor));
    if (!values.empty()) {
        const auto n = static_cast<int64_t>(values.size());
        if (type == GGML_TYPE_F32) {
            std::memcpy(bytes.data(), values.data(), bytes.size());
        } else {
            ggml_get_type_traits(type)->from_float_ref(values.data(), bytes.data(), n);
        }
    }
    contents_.push_back({tensor, std::move(bytes)});
    return tensor;
}

ggml_tensor * Operands::integers(ggml_type type, int64_t bound, int64_t step, int64_t ne0, int64_t ne1) {
    ggml_tensor * tensor = ggml_new_tensor_2d(ctx_, type, ne0, ne1);
    std::vector<uint8_t> bytes(ggml_nbytes(tensor));
    for (int64_t i = 0; i < ne0 * ne1; i++) {
        const int64_t wide = i * step % bound;
        const auto narrow = static_cast<int32_t>(wide);
        const size_t size = ggml_type_size(type);
        std::memcpy(bytes.data() + static_cast<size_t>(i) * size,
                    type == GGML_TYPE_I64 ? static_cast<const void *>(&wide) : &narrow, size);
    }
    contents_.push_back({tensor, std::move(bytes)});
    return tensor;
}

void Operands::upload() const {
    for (const Content & content : contents_) {
        ggml_backend_tensor_set(content.tensor, content.bytes.data(), 0, content.bytes.size());
    }
}

const std::vector<OpCase> & op_cases() {
    static const std::vector<OpCase> cases = make_op_cases();
    return cases;
}

const OpCase & custom_case() {
    static const OpCase op = make_custom_case();
    return op;
}

const std::vector<OpCase> & odd_cases() {
    static const std::vector<OpCase> cases = make_odd_cases();
    return cases;
}

} // namespace conformance
