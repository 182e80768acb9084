#include "reference_llama.h"

#include <algorithm>
#include <cmath>

namespace tests {
namespace {

using Row = std::vector<double>;

Row multiply(const std::vector<float> & matrix, const Row & x, size_t n_out) {
    Row y(n_out, 0.0);
    for (size_t o = 0; o < n_out; o++) {
        for (size_t i = 0; i < x.size(); i++) {
            y[o] += static_cast<double>(matrix[o * x.size() + i]) * x[i];
        }
    }
    return y;
}

Row normalized(const Row & x, const std::vector<float> & weight) {
    double sum = 0;
    for (const double v : x) {
        sum += v * v;
    }
    const double scale = 1.0 / std::sqrt(sum / static_cast<double>(x.size()) + 1e-5);
    Row y(x.size());
    for (size_t i = 0; i < x.size(); i++) {
        y[i] = x[i] * scale * weight[i];
    }
    return y;
}

void rotate(Row & x, int head_dim, int position) {
    for (size_t i = 0; i < x.size(); i += 2) {
        const double pair = static_cast<double>(i % head_dim);
        const double angle = position * std::pow(10000.0, -pair / head_dim);
        const double a = x[i];
        const double b = x[i + 1];
        x[i] = a * std::cos(angle) - b * std::sin(angle);
        x[i + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
}

Row attend(const Row & q, const std::vector<Row> & keys, const std::vector<Row> & values, const TinyConfig & c) {
    const int head_dim = c.n_embd / c.n_head;
    Row mixed(q.size(), 0.0);
    for (int h = 0; h < c.n_head; h++) {
        const int kv_at = h / (c.n_head / c.n_head_kv) * head_dim;
        Row scores;
        for (const Row & key : keys) {
            double dot = 0;
            for (int d = 0; d < head_dim; d++) {
                dot += q[h * head_dim + d] * key[kv_at + d];
            }
            scores.push_back(dot / std::sqrt(static_cast<double>(head_dim)));
        }
        const double max = *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (double & s : scores) {
            s = std::exp(s - max);
            sum += s;
        }
        for (size_t p = 0; p < scores.size(); p++) {
            for (int d = 0; d < head_dim; d++) {
                mixed[h * head_dim + d] += scores[p] / sum * values[p][kv_at + d];
            }
        }
    }
    return mixed;
}

void add(Row & x, const Row & y) {
    for (size_t i = 0; i < x.size(); i++) {
        x[i] += y[i];
    }
}

} // namespace

std::vector<Row> reference_logits(const TinyModel & model, const std::vector<int32_t> & tokens) {
    const TinyConfig & c = model.config;
    const auto & w = model.weights;
    const size_t kv_dim = static_cast<size_t>(c.n_embd) / c.n_head * c.n_head_kv;
    std::vector<std::vector<Row>> keys(c.n_layer);
    std::vector<std::vector<Row>> values(c.n_layer);
    std::vector<Row> logits;
    for (size_t position = 0; position < tokens.size(); position++) {
        const float * embedding = w.at("token_embd.weight").data() + static_cast<size_t>(tokens[position]) * c.n_embd;
        Row x(embedding, embedding + c.n_embd);
        for (int i = 0; i < c.n_layer; i++) {
            const auto weight = [&](const char * name) -> const std::vector<float> & {
                return w.at("blk." + std::to_string(i) + "." + name + ".weight");
            };
            Row h = normalized(x, weight("attn_norm"));
            Row q = multiply(weight("attn_q"), h, c.n_embd);
            Row k = multiply(weight("attn_k"), h, kv_dim);
            rotate(q, c.n_embd / c.n_head, static_cast<int>(position));
            rotate(k, c.n_embd / c.n_head, static_cast<int>(position));
            keys[i].push_back(k);
            values[i].push_back(multiply(weight("attn_v"), h, kv_dim));
            add(x, multiply(weight("attn_output"), attend(q, keys[i], values[i], c), c.n_embd));
            h = normalized(x, weight("ffn_norm"));
            Row gate = multiply(weight("ffn_gate"), h, c.n_ff);
            const Row up = multiply(weight("ffn_up"), h, c.n_ff);
            for (size_t j = 0; j < gate.size(); j++) {
                gate[j] = gate[j] / (1.0 + std::exp(-gate[j])) * up[j];
            }
            add(x, multiply(weight("ffn_down"), gate, c.n_embd));
        }
        const auto & output = w.at(c.tied ? "token_embd.weight" : "output.weight");
        logits.push_back(multiply(output, normalized(x, w.at("output_norm.weight")), kTinyVocab));
    }
    return logits;
}

} // namespace tests
