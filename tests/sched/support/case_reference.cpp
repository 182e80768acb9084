#include "support/case_reference.h"

#include <algorithm>
#include <random>

#include "ggml-impl.h"

namespace ggml_sched::test {

Bytes bytes_of(const ggml_tensor * tensor) {
    Bytes bytes(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
    return bytes;
}

Inputs random_inputs(size_t n, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
    Inputs inputs;
    inputs.values.assign(n, std::vector<float>(kWidth * kRows));
    for (std::vector<float> & input : inputs.values) {
        for (float & value : input) {
            value = uniform(random);
        }
    }
    // Distinct rows, so that their order does not matter
    const uint64_t first = random();
    for (uint64_t i = 0; i < kRows; i++) {
        inputs.rows.push_back(static_cast<int32_t>((first % kCacheRows + 5 * i) % kCacheRows));
    }
    const uint64_t some[] = {1, 2, 3, kExperts};
    const uint64_t n_experts = some[random() % 4];
    const uint64_t first_expert = random();
    for (uint64_t i = 0; i < kRows; i++) {
        inputs.ids.push_back(static_cast<int32_t>((first_expert + 3 * (random() % n_experts)) % kExperts));
    }
    return inputs;
}

Inputs garbage_inputs(size_t n) {
    return {std::vector<std::vector<float>>(n, ramp(kWidth * kRows, -1e6f)), std::vector<int32_t>(kRows, 0),
            std::vector<int32_t>(kRows, kExperts - 1)};
}

void write_inputs(const BuiltGraph & graph, const Inputs & inputs) {
    const auto write = [](ggml_tensor * tensor, const auto & values) { // as many as it has
        if (tensor->buffer) {
            ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor));
        }
    };
    for (size_t i = 0; i < graph.inputs.size(); i++) {
        write(graph.inputs[i], inputs.values[i]);
    }
    // Distinct in any part of a cache
    std::vector<int32_t> rows = inputs.rows;
    const auto n_used = static_cast<int32_t>(graph.rows->ne[0] * kCacheParts);
    std::for_each(rows.begin(), rows.end(), [n_used](int32_t & row) { row %= n_used; });
    write(graph.rows, rows);
    write(graph.ids, inputs.ids);
}

Reference::Reference(const Case & job)
    : job_(job)
    , cpu_(ggml_backend_cpu_init()) {
    ggml_backend_cpu_set_n_threads(cpu_.get(), 1);
    const auto on_cpu = [this](int n) { return std::vector<ggml_backend_t>(n, cpu_.get()); };
    tensors_ = make_persistent({on_cpu(kWeights), on_cpu(kCaches), on_cpu(kExpertWeights), cpu_.get()}, job.data);
}

Expected Reference::run(const RunSpec & run, const Inputs & inputs) {
    const BuiltGraph built = build(job_.graphs[run.graph], tensors_);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(built.context.get(), cpu_.get()));
    write_inputs(built, inputs);

    Expected expected;
    const int n = ggml_graph_n_nodes(built.graph);
    int done = 0;
    for (int i = 0; i < n && !expected.stopped; i++) {
        if (!is_watched(run, i) && i + 1 < n) {
            continue;
        }
        ggml_cgraph slice = ggml_graph_view(built.graph, done, i + 1);
        ggml_backend_graph_compute(cpu_.get(), &slice);
        done = i + 1;
        if (is_watched(run, i)) {
            expected.seen.push_back(bytes_of(ggml_graph_node(built.graph, i)));
            expected.stopped = static_cast<int>(expected.seen.size()) == run.stop + 1;
        }
    }
    ggml_tensor ** const nodes = ggml_graph_nodes(built.graph);
    for (ggml_tensor * output : built.outputs) {
        if (std::find(nodes, nodes + done, output) != nodes + done) {
            expected.outputs.push_back(bytes_of(output));
        }
    }
    return expected;
}

} // namespace ggml_sched::test
