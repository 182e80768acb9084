#include "support/rig.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ggml-backend-impl.h"
#include "handle.h"

namespace ggml_sched::test {

ContextPtr make_context(size_t n_tensors) {
    const size_t bytes = n_tensors * ggml_tensor_overhead() + ggml_graph_overhead_custom(n_tensors, false);
    return ContextPtr(ggml_init({bytes, nullptr, true}));
}

void change_hooks(ggml_backend_sched_t sched, const std::function<void(TestHooks &)> & change) {
    TestHooks hooks = sched->scheduler->test_hooks();
    change(hooks);
    sched->scheduler->set_test_hooks(hooks);
}

void set_streaming(ggml_backend_sched_t sched, size_t budget, size_t lookahead) {
    ggml_sched_stream_params params = ggml_sched_stream_default_params();
    params.budget_bytes = budget;
    params.lookahead_bytes = lookahead;
    ggml_sched_set_streaming(sched, &params);
}

void set_experts(ggml_backend_sched_t sched, size_t budget, ggml_sched_expert_misses misses) {
    ggml_sched_expert_params params = ggml_sched_expert_default_params();
    params.budget_bytes = budget;
    params.misses = misses;
    ggml_sched_set_experts(sched, &params);
}

namespace {

// As a backend that computes another order of the nodes, and finds the one that they have.
void put_nodes_back(ggml_backend_t, ggml_cgraph * graph, ggml_backend_graph_optimize_params *) {
    ggml_tensor ** nodes = ggml_graph_nodes(graph);
    const std::vector<ggml_tensor *> order(nodes, nodes + ggml_graph_n_nodes(graph));
    std::copy(order.begin(), order.end(), nodes);
}

int n_reordered = 0; // calls of exchange_neighbours() since the last rig was made

bool are_in_order(const ggml_tensor * a, const ggml_tensor * b) {
    const auto is_a = [a](const ggml_tensor * source) { return source == a || (source && source->view_src == a); };
    return a->view_src || b->view_src || std::any_of(std::begin(b->src), std::end(b->src), is_a);
}

// As a backend that moves nodes, and computes some of them at the same time. It exchanges neighbours that do not depend
// on each other: none in some calls, and then others in the next calls. Of two in three nodes it keeps the result, or
// an operand, until a later node.
void exchange_neighbours(ggml_backend_t, ggml_cgraph * graph, ggml_backend_graph_optimize_params * params) {
    ggml_tensor ** nodes = ggml_graph_nodes(graph);
    const int n = ggml_graph_n_nodes(graph);
    const int phase = n_reordered++ / 5 % 3;
    for (int i = phase; phase > 0 && i < n; i += 2) {
        if (!are_in_order(nodes[i - 1], nodes[i])) {
            std::swap(nodes[i - 1], nodes[i]);
        }
    }
    for (int i = 0; phase > 0 && i < n; i++) {
        ggml_tensor * const kept = (i + phase) % 3 == 0 ? nodes[i] : nodes[i]->src[0];
        if (kept && (i + phase) % 3 < 2) {
            params->add_alloc_dep(params->user_data, kept, nodes[std::min(i + 1 + i % 7, n - 1)]);
        }
    }
}

SchedPtr make_sched(std::vector<ggml_backend_t> & backends, const RigOptions & options) {
    const int n = static_cast<int>(backends.size());
    const size_t size = GGML_DEFAULT_GRAPH_SIZE;
    if (options.n_copies == 0 && options.snapshot_limit == SIZE_MAX && options.stream_lane_from == SIZE_MAX &&
        !options.one_queue) {
        return SchedPtr(
            ggml_backend_sched_new(backends.data(), nullptr, n, size, options.parallel, options.op_offload));
    }
    Status status; // what the C API does not offer
    SchedPtr sched(new ggml_backend_sched);
    TestHooks hooks;
    hooks.n_copies = options.n_copies;
    hooks.snapshot_limit = options.snapshot_limit;
    hooks.stream_lane_from = options.stream_lane_from;
    hooks.devices_have_one_queue = options.one_queue;
    sched->scheduler =
        Scheduler::create(backends.data(), nullptr, n, {options.parallel, options.op_offload}, status, hooks);
    EXPECT_TRUE(status.ok()) << status.message;
    return sched;
}

} // namespace

Rig::Rig(const RigOptions & options)
    : expect_violations_(options.expect_violations) {
    ggml_backend_sim_set_seed(options.seed);
    n_reordered = 0;
    ggml_backend_sim_reset_counters();
    for (size_t i = 0; i < options.devices.size(); i++) {
        ggml_sim_config config = ggml_sim_config_default(options.devices[i]);
        config.offload = options.offload;
        config.sets_ranges = options.sets_ranges;
        config.host_writes = options.host_writes;
        config.inits_tensors = options.inits_tensors;
        config.registers_memory = options.registers_memory;
        config.one_queue = options.one_queue;
        config.memory_bytes = options.memory_bytes ? options.memory_bytes : config.memory_bytes;
        if (options.link_bytes_per_us > 0) {
            config.link_bytes_per_us = options.link_bytes_per_us;
        }
        config.flops_per_us = options.flops_per_us > 0 ? options.flops_per_us : config.flops_per_us;
        const int index = static_cast<int>(i);
        EXPECT_TRUE(ggml_backend_sim_configure(index, &config));
        backends_.emplace_back(ggml_backend_dev_init(ggml_backend_sim_device(index), nullptr));
        EXPECT_NE(backends_.back(), nullptr);
        if (options.optimizes) {
            backends_.back()->iface.graph_optimize = put_nodes_back;
        }
        if (options.reorders) {
            backends_.back()->iface.graph_optimize = exchange_neighbours;
        }
        if (options.only_launches) {
            backends_.back()->iface.set_tensor_async = nullptr;
            backends_.back()->iface.get_tensor_async = nullptr;
        }
    }
    backends_.emplace_back(ggml_backend_cpu_init());
    ggml_backend_cpu_set_n_threads(cpu(), 1);

    std::vector<ggml_backend_t> handles;
    for (const BackendPtr & backend : backends_) {
        handles.push_back(backend.get());
    }
    sched_ = make_sched(handles, options);
    EXPECT_NE(sched_, nullptr);
    if (sched_) {
        ggml_sched_set_sync_mode(sched(), options.mode);
        ggml_sched_set_verify(sched(), true);
        if (options.stream != SIZE_MAX) {
            set_streaming(sched(), options.stream);
        }
        if (options.experts > 0) {
            set_experts(sched(), options.experts, options.misses);
        }
        change_hooks(sched(), [&](TestHooks & hooks) {
            hooks.uploaded_percent = options.uploaded_percent;
            hooks.registered_from = options.registers_memory ? 0 : hooks.registered_from;
        });
        if (options.keep_weights) { // else what the environment says
            ggml_sched_keep_weights(sched(), true);
        }
    }
}

Rig::~Rig() {
    sched_.reset();
    backends_.clear();
    ggml_sim_counters counters;
    ggml_backend_sim_get_counters(&counters);
    EXPECT_EQ(counters.contract_violations > 0, expect_violations_) << counters.contract_violations << " violations";
    EXPECT_EQ(counters.lost_waits, 0U) << "an event was recorded again too early for ggml's Vulkan backend";
}

std::string Rig::pattern(int split) const {
    char text[4096];
    ggml_sched_get_pattern(sched(), split, text, sizeof(text));
    return text;
}

std::string Rig::plan() const {
    std::string text(ggml_sched_get_plan_text(sched(), nullptr, 0), '\0');
    ggml_sched_get_plan_text(sched(), text.data(), text.size() + 1);
    return text;
}

ggml_sched_stats Rig::stats() const {
    ggml_sched_stats stats;
    ggml_sched_get_stats(sched(), &stats, sizeof(stats));
    return stats;
}

std::vector<float> read_floats(const ggml_tensor * tensor) {
    std::vector<float> values(ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, values.data(), 0, values.size() * sizeof(float));
    return values;
}

void write_floats(ggml_tensor * tensor, const std::vector<float> & values) {
    ggml_backend_tensor_set(tensor, values.data(), 0, values.size() * sizeof(float));
}

std::vector<float> random_floats(size_t n, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
    std::vector<float> values(n);
    std::generate(values.begin(), values.end(), [&] { return uniform(random); });
    return values;
}

std::vector<float> ramp(size_t n, float first, float step) {
    std::vector<float> values(n);
    for (size_t i = 0; i < n; i++) {
        values[i] = first + step * static_cast<float>(i);
    }
    return values;
}

LogCapture::LogCapture() {
    ggml_log_get(&previous_, &previous_data_);
    ggml_log_set(append, this);
}

LogCapture::~LogCapture() {
    ggml_log_set(previous_, previous_data_);
}

void LogCapture::append(ggml_log_level, const char * text, void * self) {
    static_cast<LogCapture *>(self)->text_ += text;
}

} // namespace ggml_sched::test
