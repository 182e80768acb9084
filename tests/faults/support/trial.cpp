#include "support/trial.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "ggml-backend-impl.h"
#include "support/host_faults.h"

namespace ggml_sched::test {

namespace {

RigOptions rig_options(const Scene & scene) {
    const Case & job = scene.job;
    RigOptions options;
    options.devices = job.devices;
    options.parallel = job.n_copies > 0;
    options.n_copies = job.n_copies;
    options.snapshot_limit = job.snapshot_limit;
    options.op_offload = options.offload = job.op_offload;
    options.stream = job.stream;
    options.keep_weights = job.keep;
    options.experts = job.resident;
    options.misses = static_cast<ggml_sched_expert_misses>(job.misses);
    options.uploaded_percent = job.uploaded_percent;
    options.link_bytes_per_us = job.link;
    options.stream_lane_from = job.on_stream_lane ? 0 : SIZE_MAX;
    options.sets_ranges = job.merges;
    options.host_writes = !job.merges;
    options.inits_tensors = options.registers_memory = scene.inits_tensors;
    options.optimizes = scene.optimizes;
    options.seed = job.adversary;
    options.mode = static_cast<ggml_sched_sync_mode>(job.runs[0].mode);
    return options;
}

} // namespace

Trial::Trial(const Scene & scene)
    : scene_(scene)
    , rig_(rig_options(scene))
    , tensors_(scene, places(), cpu_weights()) {
    attach_callbacks();
    if (scene.traces) {
        trace_ = testing::TempDir() + "ggml-sched-faults.json";
        traces_ = ggml_sched_trace_start(sched(), trace_.c_str());
        EXPECT_TRUE(traces_);
    }
}

Trial::~Trial() {
    ggml_backend_sched_synchronize(sched());
    (void) ends_trace();
    if (!trace_.empty()) {
        (void) std::remove(trace_.c_str());
    }
}

bool Trial::ends_trace() {
    const bool was_on = std::exchange(traces_, false);
    return !was_on || ggml_sched_trace_stop(sched());
}

std::vector<ggml_backend_t> Trial::backends(const std::vector<int> & places) const {
    std::vector<ggml_backend_t> result;
    for (const int place : places) {
        result.push_back(backend(place));
    }
    return result;
}

PersistentPlaces Trial::places() const {
    const Case & job = scene_.job;
    return {backends(job.weights), backends(job.caches), backends(job.experts), backend(job.stored_ids)};
}

ggml_backend_buffer_type_t Trial::cpu_weights() const {
    const bool are_pinned = scene_.job.pinned_weights && rig_.n_devices() > 0;
    return are_pinned ? ggml_backend_dev_host_buffer_type(ggml_backend_get_device(rig_.device(0))) : nullptr;
}

// They belong to the test: no fault hits them.
void Trial::attach_callbacks() {
    if (scene_.job.runs[0].watch > 0) {
        const auto watch = [](ggml_tensor * tensor, bool ask, void * self) {
            const HostFaultPause pause;
            Trial & trial = *static_cast<Trial *>(self);
            if (ask) {
                return is_watched(trial.scene_.job.runs[0], trial.n_asked_++);
            }
            return !bytes_of(tensor).empty();
        };
        ggml_backend_sched_set_eval_callback(sched(), watch, this);
    }
    if (scene_.job.scribbles) {
        const auto copy = [](ggml_backend_t, const ggml_tensor *, ggml_tensor *, ggml_cgraph *, void *) {
            return false;
        };
        ggml_backend_sched_set_copy_callback(sched(), copy, nullptr);
    }
    if (scene_.tells_growth) {
        const auto tell = [](ggml_backend_sched_t, ggml_cgraph *, bool, bool, void *) {};
        ggml_backend_sched_set_realloc_callback(sched(), tell, nullptr);
    }
}

void Trial::describe() {
    built(0);
    if (scene_.reserves) {
        measured_.emplace(tensors_.build(1)); // smaller or larger
    }
}

BuiltGraph & Trial::built(size_t graph) {
    if (!built_[graph]) {
        built_[graph].emplace(tensors_.build(graph));
    }
    return *built_[graph];
}

// False if the text of a call says that it failed: set_tensor_backend can return nothing.
bool Trial::place(const BuiltGraph & built) {
    for (const auto & [tensor, where] : built.placed) {
        ggml_backend_sched_set_tensor_backend(sched(), tensor, backend(where));
        if (ggml_sched_get_error(sched())[0] != '\0') {
            return false;
        }
    }
    return true;
}

Outcome Trial::failure() const {
    const HostFaultPause pause;
    return {false, true, ggml_sched_get_error(sched())};
}

Outcome Trial::run(size_t graph, Again again, Compute compute) {
    if (measured_) {
        if (!place(*measured_) || !ggml_backend_sched_reserve(sched(), measured_->graph)) {
            const Outcome outcome = failure();
            measured_.reset();
            return outcome;
        }
    }
    {
        const HostFaultPause pause;
        measured_.reset();
        built(graph);
    }
    if (again == Again::Reset) {
        ggml_backend_sched_reset(sched());
    }
    const BuiltGraph & built = *built_[graph];
    if (!place(built) || !ggml_backend_sched_alloc_graph(sched(), built.graph)) {
        return failure();
    }
    {
        const HostFaultPause pause;
        tensors_.write_kept();
        write_inputs(built, Tensors::inputs(built));
        n_asked_ = 0;
    }
    if (compute == Compute::Blocking) {
        if (ggml_backend_sched_graph_compute(sched(), built.graph) != GGML_STATUS_SUCCESS) {
            return failure();
        }
        return {true, false, ""};
    }
    if (ggml_backend_sched_graph_compute_async(sched(), built.graph) != GGML_STATUS_SUCCESS) {
        return failure();
    }
    // A failure on a device is told by text, now or after waiting.
    std::string told = failure().text;
    ggml_backend_sched_synchronize(sched());
    const HostFaultPause pause;
    told += ggml_sched_get_error(sched());
    return {told.empty(), false, told};
}

} // namespace ggml_sched::test
