#include "support/random_case.h"

#include <cstring>
#include <memory>

#include "handle.h"
#include "support/random_graph.h"

namespace ggml_sched::test {

namespace {

constexpr int kWeights = 4;
constexpr int kCaches = 3;

struct Pending {
    int run;
    std::string name;
    std::unique_ptr<std::vector<float>> got; // written by the device until the next synchronize
    std::vector<float> expected;
};

// Weights and caches with the same values, each in a buffer of the backend that `places` names.
Persistent make_persistent(const std::vector<ggml_backend_t> & places, uint64_t seed) {
    Persistent result;
    result.context = make_context(64);
    Random random(seed);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    for (int i = 0; i < kWeights + kCaches; i++) {
        const bool is_weight = i < kWeights;
        ggml_tensor * tensor =
            ggml_new_tensor_2d(result.context.get(), GGML_TYPE_F32, kWidth, is_weight ? kWidth : kCacheRows);
        ggml_format_name(tensor, "%s%d", is_weight ? "weight" : "cache", i);
        result.buffers.emplace_back(ggml_backend_alloc_buffer(places[i], ggml_nbytes(tensor)));
        ggml_backend_buffer_t buffer = result.buffers.back().get();
        if (is_weight) {
            ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
        }
        if (ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer)) != GGML_STATUS_SUCCESS) {
            return {};
        }
        std::vector<float> values(ggml_nelements(tensor));
        for (float & value : values) {
            value = is_weight ? uniform(random) : 0.0f;
        }
        write_floats(tensor, values);
        (is_weight ? result.weights : result.caches).push_back(tensor);
    }
    return result;
}

class Case {
  public:
    explicit Case(const CaseOptions & options)
        : options_(options)
        , random_(options.seed) {
        RigOptions rig;
        const int n_devices = 1 + pick(random_, options.max_devices);
        for (int i = 0; i < n_devices; i++) {
            rig.devices.push_back(options.profiles[pick(random_, static_cast<int>(options.profiles.size()))]);
        }
        rig.mode = static_cast<ggml_sched_sync_mode>(pick(random_, 5) < 3 ? 0 : pick(random_, 3));
        rig.parallel = pick(random_, 2) == 0;
        rig.op_offload = pick(random_, 2) == 0;
        rig.offload = rig.op_offload;
        rig.seed = pick(random_, 4) == 0 ? 0 : random_();
        rig_ = std::make_unique<Rig>(rig);
        if (options.seed % 4 == 0 && options.max_ops <= 40) { // it takes time
            rig_->sched()->scheduler->refuse_superfluous_waits();
        }
        reference_cpu_.reset(ggml_backend_cpu_init());
        ggml_backend_cpu_set_n_threads(reference_cpu_.get(), 1);

        std::vector<ggml_backend_t> places;
        for (int i = 0; i < kWeights + kCaches; i++) {
            places.push_back(backend(pick(random_, n_backends())));
        }
        tensors_ = make_persistent(places, options.seed);
        reference_tensors_ =
            make_persistent(std::vector<ggml_backend_t>(kWeights + kCaches, reference_cpu_.get()), options.seed);
        for (int i = 0; i < 2; i++) {
            recipes_.push_back(random_recipe(random_, options.max_ops, n_backends(), kWeights, kCaches));
        }
    }

    std::string run() {
        for (run_ = 0; run_ < options_.n_runs; run_++) {
            if (!one_run()) {
                return "run " + std::to_string(run_) + ": " + ggml_sched_get_error(rig_->sched());
            }
            if (pick(random_, 3) == 0) {
                if (std::string difference = finish(); !difference.empty()) {
                    return difference;
                }
            }
        }
        std::string difference = finish();
        return difference.empty() ? compare_caches() : difference;
    }

  private:
    int n_backends() const { return rig_->n_devices() + 1; }
    ggml_backend_t backend(int i) const { return i < rig_->n_devices() ? rig_->device(i) : rig_->cpu(); }

    bool one_run() {
        if (graphs_.empty() || pick(random_, 3) > 0) {
            rebuild();
            if (!ggml_backend_sched_alloc_graph(rig_->sched(), graphs_.back().graph)) {
                return false;
            }
        }
        BuiltGraph & graph = graphs_.back();
        const std::vector<std::vector<float>> inputs = random_inputs(graph);
        const std::vector<int32_t> rows = random_rows();
        write_inputs(graph, inputs, rows);
        if (ggml_backend_sched_graph_compute_async(rig_->sched(), graph.graph) != GGML_STATUS_SUCCESS) {
            return false;
        }
        fetch(graph, expected_outputs(inputs, rows));
        write_inputs(graph, std::vector<std::vector<float>>(inputs.size(), ramp(kWidth * kRows, -1e6f)),
                     std::vector<int32_t>(kRows, 0));
        return true;
    }

    void rebuild() {
        recipe_ = pick(random_, static_cast<int>(recipes_.size()));
        ggml_backend_sched_reset(rig_->sched());
        graphs_.push_back(build(recipes_[recipe_], tensors_));
        for (const auto & [node, index] : graphs_.back().placed) {
            ggml_backend_sched_set_tensor_backend(rig_->sched(), node, backend(index));
        }
    }

    std::vector<std::vector<float>> random_inputs(const BuiltGraph & graph) {
        std::uniform_real_distribution<float> uniform(-2.0f, 2.0f);
        std::vector<std::vector<float>> inputs(graph.inputs.size(), std::vector<float>(kWidth * kRows));
        for (std::vector<float> & input : inputs) {
            for (float & value : input) {
                value = uniform(random_);
            }
        }
        return inputs;
    }

    // Distinct, so that their order does not matter
    std::vector<int32_t> random_rows() {
        std::vector<int32_t> rows(kRows);
        const int first = pick(random_, kCacheRows);
        for (int i = 0; i < kRows; i++) {
            rows[i] = static_cast<int32_t>((first + 5 * i) % kCacheRows);
        }
        return rows;
    }

    static void write_inputs(const BuiltGraph & graph, const std::vector<std::vector<float>> & inputs,
                             const std::vector<int32_t> & rows) {
        for (size_t i = 0; i < inputs.size(); i++) {
            if (graph.inputs[i]->buffer) { // an input that nothing reads has no memory
                write_floats(graph.inputs[i], inputs[i]);
            }
        }
        if (graph.rows->buffer) {
            ggml_backend_tensor_set(graph.rows, rows.data(), 0, rows.size() * sizeof(int32_t));
        }
    }

    std::vector<std::vector<float>> expected_outputs(const std::vector<std::vector<float>> & inputs,
                                                     const std::vector<int32_t> & rows) {
        const BuiltGraph graph = build(recipes_[recipe_], reference_tensors_);
        const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(graph.context.get(), reference_cpu_.get()));
        write_inputs(graph, inputs, rows);
        ggml_backend_graph_compute(reference_cpu_.get(), graph.graph);
        std::vector<std::vector<float>> outputs;
        for (const ggml_tensor * output : graph.outputs) {
            outputs.push_back(read_floats(output));
        }
        return outputs;
    }

    void fetch(const BuiltGraph & graph, const std::vector<std::vector<float>> & expected) {
        for (size_t i = 0; i < graph.outputs.size(); i++) {
            ggml_tensor * output = graph.outputs[i];
            Pending pending = {run_, output->name, std::make_unique<std::vector<float>>(kWidth * kRows), expected[i]};
            ggml_backend_tensor_get_async(ggml_backend_sched_get_tensor_backend(rig_->sched(), output), output,
                                          pending.got->data(), 0, pending.got->size() * sizeof(float));
            pending_.push_back(std::move(pending));
        }
    }

    std::string finish() {
        ggml_backend_sched_synchronize(rig_->sched());
        for (const Pending & pending : pending_) {
            if (std::memcmp(pending.got->data(), pending.expected.data(), pending.got->size() * sizeof(float)) != 0) {
                return "run " + std::to_string(pending.run) + ": output '" + pending.name + "' differs\n" +
                       rig_->plan();
            }
        }
        pending_.clear();
        while (graphs_.size() > 1) {
            graphs_.erase(graphs_.begin());
        }
        return "";
    }

    std::string compare_caches() const {
        for (int i = 0; i < kCaches; i++) {
            const std::vector<float> got = read_floats(tensors_.caches[i]);
            const std::vector<float> expected = read_floats(reference_tensors_.caches[i]);
            if (std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) != 0) {
                return "cache " + std::to_string(i) + " differs at the end";
            }
        }
        return "";
    }

    const CaseOptions options_;
    Random random_;
    BackendPtr reference_cpu_;
    Persistent reference_tensors_;
    std::unique_ptr<Rig> rig_; // goes last but for the memory that its devices own
    Persistent tensors_;
    std::vector<Recipe> recipes_;
    std::vector<BuiltGraph> graphs_; // the last one is allocated; earlier ones may be in flight
    std::vector<Pending> pending_;
    int recipe_ = 0;
    int run_ = 0;
};

} // namespace

std::string run_random_case(const CaseOptions & options) {
    return Case(options).run();
}

} // namespace ggml_sched::test
