#include "support/scene.h"

#include <gtest/gtest.h>

namespace ggml_sched::test {

namespace {

constexpr int64_t kLargeRows = 2048; // of kWidth * kRows floats each: 2 MiB

} // namespace

Tensors::Tensors(const Scene & scene, const PersistentPlaces & places, ggml_backend_buffer_type_t cpu_weights)
    : scene_(scene)
    , persistent_(make_persistent(places, scene.job.data, cpu_weights)) {
    if (!scene.is_large) {
        return;
    }
    large_context_ = make_context(4);
    large_ = ggml_new_tensor_2d(large_context_.get(), GGML_TYPE_F32, kWidth * kRows, kLargeRows);
    ggml_set_name(large_, "large");
    large_buffer_.reset(ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), ggml_nbytes(large_)));
    ggml_backend_buffer_set_usage(large_buffer_.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    EXPECT_EQ(ggml_backend_tensor_alloc(large_buffer_.get(), large_, ggml_backend_buffer_get_base(large_buffer_.get())),
              GGML_STATUS_SUCCESS);
    write_floats(large_, ramp(static_cast<size_t>(ggml_nelements(large_)), -1.0f, 1e-6f));
}

BuiltGraph Tensors::build(size_t graph) const {
    return graph == 0 && scene_.is_large ? build_large() : test::build(scene_.job.graphs[graph], persistent_);
}

// The product with the large weight, on the first device
BuiltGraph Tensors::build_large() const {
    BuiltGraph built;
    built.context = make_context(64);
    ggml_context * ctx = built.context.get();
    built.graph = ggml_new_graph_custom(ctx, 64, false);
    ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, kWidth, kRows);
    ggml_set_input(input);
    built.inputs = {input};
    for (ggml_tensor ** ids : {&built.rows, &built.ids}) {
        *ids = ggml_new_tensor_1d(ctx, GGML_TYPE_I32, kRows);
        ggml_set_input(*ids);
    }
    ggml_tensor * product = ggml_mul_mat(ctx, large_, ggml_reshape_2d(ctx, input, kWidth * kRows, 1));
    built.placed = {{product, 1}};
    ggml_tensor * output = ggml_scale(ctx, product, 0.5f);
    ggml_set_output(output);
    built.outputs = {output};
    ggml_build_forward_expand(built.graph, output);
    return built;
}

void Tensors::write_kept() const {
    for (ggml_tensor * cache : persistent_.caches) {
        ggml_backend_tensor_memset(cache, 0, 0, ggml_nbytes(cache));
    }
    ggml_backend_tensor_memset(persistent_.stored_ids, 0, 0, ggml_nbytes(persistent_.stored_ids));
}

Inputs Tensors::inputs(const BuiltGraph & built) {
    return random_inputs(built.inputs.size(), 1 + built.inputs.size());
}

Results Tensors::read(const BuiltGraph & built) const {
    Results results;
    for (const ggml_tensor * output : built.outputs) {
        results.outputs.push_back(bytes_of(output));
    }
    for (const ggml_tensor * cache : persistent_.caches) {
        results.kept.push_back(bytes_of(cache));
    }
    results.kept.push_back(bytes_of(persistent_.stored_ids));
    return results;
}

Results results_of(const Scene & scene, size_t graph) {
    const BackendPtr cpu(ggml_backend_cpu_init());
    ggml_backend_cpu_set_n_threads(cpu.get(), 1);
    const auto on_cpu = [&](int n) { return std::vector<ggml_backend_t>(static_cast<size_t>(n), cpu.get()); };
    const Tensors tensors(scene, {on_cpu(kWeights), on_cpu(kCaches), on_cpu(kExpertWeights), cpu.get()}, nullptr);
    const BuiltGraph built = tensors.build(graph);
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(built.context.get(), cpu.get()));
    tensors.write_kept();
    write_inputs(built, Tensors::inputs(built));
    EXPECT_EQ(ggml_backend_graph_compute(cpu.get(), built.graph), GGML_STATUS_SUCCESS);
    return tensors.read(built);
}

} // namespace ggml_sched::test
