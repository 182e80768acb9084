#include "gpu_job.h"

#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "support/case_reference.h"

namespace gpu_tests {

using namespace ggml_sched::test;

namespace {

using Random = std::mt19937_64;

int pick(Random & random, int n) {
    return static_cast<int>(random() % static_cast<uint64_t>(n));
}

// Neighbours tend to share a device, as layers do.
GraphSpec random_graph(Random & random, int max_ops, int n_queues) {
    GraphSpec graph;
    for (int i = pick(random, 3); i >= 0; i--) {
        graph.inputs.push_back(kAnywhere);
    }
    const int n_nodes = 3 + pick(random, max_ops - 2);
    int place = pick(random, n_queues + 1);
    for (int i = 0; i < n_nodes; i++) {
        if (pick(random, 4) == 0) {
            place = pick(random, n_queues + 1);
        }
        const int n_values = static_cast<int>(graph.inputs.size()) + i;
        NodeSpec node;
        node.op = static_cast<Op>(pick(random, static_cast<int>(Op::Count)));
        node.a = pick(random, n_values);
        node.b = pick(random, n_values);
        node.extra = pick(random, 100);
        node.place = pick(random, 3) == 0 ? kAnywhere : place;
        node.output = pick(random, 6) == 0;
        graph.nodes.push_back(node);
    }
    graph.nodes.back().output = true;
    return graph;
}

struct Timing {
    ggml_sched_sync_mode mode;
    bool parallel;
    bool is_reference; // wait after each run
};

using Floats = std::vector<float>;

// One performance of a job. All of its choices are drawn from the seed, in the same order whatever the timing.
class Performance {
  public:
    Performance(const Vendor & vendor, const GpuJob & job, const Timing & timing)
        : job_(job)
        , timing_(timing)
        , random_(job.seed)
        , delays_(job.seed * 31 + (timing.is_reference ? 0 : 1)) {
        const int n_queues = 1 + pick(random_, job.max_queues);
        for (int i = 0; i < n_queues; i++) {
            const int device = pick(random_, static_cast<int>(vendor.devices.size()));
            backends_.emplace_back(ggml_backend_dev_init(vendor.devices[static_cast<size_t>(device)], nullptr));
        }
        backends_.emplace_back(ggml_backend_cpu_init());
        ggml_backend_cpu_set_n_threads(backends_.back().get(), 1);
        const bool op_offload = pick(random_, 2) == 0;
        std::vector<ggml_backend_t> handles;
        for (const BackendPtr & backend : backends_) {
            handles.push_back(backend.get());
        }
        sched_.reset(ggml_backend_sched_new(handles.data(), nullptr, static_cast<int>(handles.size()),
                                            GGML_DEFAULT_GRAPH_SIZE, timing.parallel, op_offload));
        ggml_sched_set_sync_mode(sched_.get(), timing.mode);
        ggml_sched_set_verify(sched_.get(), true);
        const auto places = [&](int n) {
            std::vector<ggml_backend_t> result;
            for (int i = 0; i < n; i++) {
                result.push_back(at(pick(random_, n_queues + 1)));
            }
            return result;
        };
        PersistentPlaces persistent;
        persistent.weights = places(kWeights);
        persistent.caches = places(kCaches);
        persistent.experts = places(kExpertWeights);
        persistent.stored_ids = places(1).front();
        tensors_ = make_persistent(persistent, job.seed);
        graphs_to_build_.devices.assign(static_cast<size_t>(n_queues), GGML_SIM_PROFILE_CUDA); // their number counts
        for (int i = 0; i < 2; i++) {
            graphs_to_build_.graphs.push_back(random_graph(random_, job.max_ops, n_queues));
        }
        normalize(graphs_to_build_);
    }

    // What the job gave, in order; `error` where it failed
    std::vector<Floats> run(std::string & error) {
        for (int run = 0; run < job_.n_runs && error.empty(); run++) {
            if (!one_run()) {
                error = "run " + std::to_string(run) + ": " + ggml_sched_get_error(sched_.get());
            }
            if (pick(random_, 3) == 0 || timing_.is_reference) {
                finish();
            }
        }
        finish();
        for (const ggml_tensor * cache : tensors_.caches) {
            results_.push_back(read_floats(cache));
        }
        return std::move(results_);
    }

  private:
    // Place 0 is the CPU, which comes last among the backends.
    ggml_backend_t at(int place) const {
        return place == kOnCpu ? backends_.back().get() : backends_[static_cast<size_t>(place - 1)].get();
    }

    bool one_run() {
        if (graphs_.empty() || pick(random_, 3) > 0) {
            const auto which = static_cast<size_t>(pick(random_, static_cast<int>(graphs_to_build_.graphs.size())));
            ggml_backend_sched_reset(sched_.get());
            graphs_.push_back(build(graphs_to_build_.graphs[which], tensors_));
            for (const auto & [node, place] : graphs_.back().placed) {
                ggml_backend_sched_set_tensor_backend(sched_.get(), node, at(place));
            }
            if (!ggml_backend_sched_alloc_graph(sched_.get(), graphs_.back().graph)) {
                return false;
            }
        }
        delay();
        BuiltGraph & graph = graphs_.back();
        write_inputs(graph, random_inputs(graph.inputs.size(), random_()));
        if (ggml_backend_sched_graph_compute_async(sched_.get(), graph.graph) != GGML_STATUS_SUCCESS) {
            return false;
        }
        delay();
        fetch(graph);
        write_inputs(graph, garbage_inputs(graph.inputs.size())); // they are the caller's again
        return true;
    }

    void fetch(const BuiltGraph & graph) {
        for (ggml_tensor * output : graph.outputs) {
            pending_.push_back(std::make_unique<Floats>(static_cast<size_t>(ggml_nelements(output))));
            ggml_backend_tensor_get_async(ggml_backend_sched_get_tensor_backend(sched_.get(), output), output,
                                          pending_.back()->data(), 0, pending_.back()->size() * sizeof(float));
        }
    }

    void finish() {
        ggml_backend_sched_synchronize(sched_.get());
        for (const std::unique_ptr<Floats> & got : pending_) {
            results_.push_back(*got);
        }
        pending_.clear();
        while (graphs_.size() > 1) {
            graphs_.erase(graphs_.begin());
        }
    }

    // The host is late now and then, by what a system that is busy would take.
    void delay() {
        if (!timing_.is_reference && pick(delays_, 8) == 0) {
            for (int i = pick(delays_, 2000); i > 0; i--) {
                std::this_thread::yield();
            }
        }
    }

    const GpuJob job_;
    const Timing timing_;
    Random random_;
    Random delays_;
    std::vector<BackendPtr> backends_;
    Persistent tensors_;
    SchedPtr sched_;
    Case graphs_to_build_;
    std::vector<BuiltGraph> graphs_; // the last one is allocated; earlier ones may be in flight
    std::vector<std::unique_ptr<Floats>> pending_;
    std::vector<Floats> results_;
};

std::string describe(const Timing & timing) {
    static const char * const names[] = {"auto", "barrier", "serial"};
    return std::string(names[timing.mode]) + (timing.parallel ? ", parallel" : "");
}

std::string difference(const std::vector<Floats> & a, const std::vector<Floats> & b) {
    if (a.size() != b.size()) {
        return "there are " + std::to_string(a.size()) + " results, not " + std::to_string(b.size());
    }
    for (size_t i = 0; i < a.size(); i++) {
        if (std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0) {
            return "result " + std::to_string(i) + " of " + std::to_string(a.size()) + " differs";
        }
    }
    return "";
}

} // namespace

std::string run_gpu_job(const Vendor & vendor, const GpuJob & job) {
    std::string error;
    const std::vector<Floats> expected = Performance(vendor, job, {GGML_SCHED_SYNC_SERIAL, false, true}).run(error);
    if (!error.empty()) {
        return "reference: " + error;
    }
    for (const Timing & timing :
         {Timing{GGML_SCHED_SYNC_AUTO, false, false}, Timing{GGML_SCHED_SYNC_AUTO, true, false},
          Timing{GGML_SCHED_SYNC_BARRIER, true, false}, Timing{GGML_SCHED_SYNC_SERIAL, true, false}}) {
        const std::vector<Floats> got = Performance(vendor, job, timing).run(error);
        const std::string what = error.empty() ? difference(got, expected) : error;
        if (!what.empty()) {
            return describe(timing) + ": " + what;
        }
    }
    return "";
}

} // namespace gpu_tests
