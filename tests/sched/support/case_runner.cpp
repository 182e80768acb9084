#include "support/case_runner.h"

#include <algorithm>
#include <map>

#include "handle.h"
#include "support/case_graph.h"
#include "support/case_reference.h"
#include "support/host_waits.h"
#include "support/scribbler.h"

namespace ggml_sched::test {

namespace {

RigOptions rig_options(const Case & job) {
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
    options.link_bytes_per_us = job.link;
    options.stream_lane_from = job.on_stream_lane ? 0 : SIZE_MAX;
    options.sets_ranges = options.registers_memory = job.merges;
    options.host_writes = job.adversary % 2 == 1;
    options.one_queue = job.adversary % 4 >= 2;
    // An observer is shown the nodes in the order in which they are computed, and the test expects that of the graph.
    const auto is_watched = [](const RunSpec & run) { return run.watch > 0; };
    options.reorders = job.adversary % 3 == 1 && std::none_of(job.runs.begin(), job.runs.end(), is_watched);
    options.seed = job.adversary;
    return options;
}

struct Pending {
    size_t run;
    std::string name;
    Bytes got; // written by the device until the next synchronize
    Bytes expected;
};

// Asks for nodes as a run says, and compares what it sees.
struct Watcher {
    const RunSpec & run;
    const Expected & expected;
    int n_asked = 0;
    int n_seen = 0;
    std::string difference = {};

    static bool call(ggml_tensor * tensor, bool ask, void * self) {
        Watcher & watcher = *static_cast<Watcher *>(self);
        return ask ? is_watched(watcher.run, watcher.n_asked++) : watcher.look(tensor);
    }

    bool look(const ggml_tensor * tensor) {
        const auto n = static_cast<size_t>(n_seen++);
        if (difference.empty() && (n >= expected.seen.size() || bytes_of(tensor) != expected.seen[n])) {
            difference = std::string("the eval callback sees a wrong '") + tensor->name + "'";
        }
        return n_seen != run.stop + 1;
    }
};

class Runner {
  public:
    Runner(const Case & job, const CaseChecks & checks, CaseReport & report)
        : job_(job)
        , report_(report)
        , refuse_host_waits_(checks.refuse_host_waits)
        , reference_(job)
        , rig_(rig_options(job))
        , scribbler_(job.data)
        , tensors_(make_persistent(places(), job.data, cpu_weights())) {
        if (job.scribbles) {
            scribbler_.attach_to(rig_.sched());
        }
        ggml_sched_set_verify(rig_.sched(), checks.verify);
        scheduler().set_reuse(checks.reuse);
        change_hooks(rig_.sched(), [&](TestHooks & hooks) {
            hooks.uploaded_percent = job_.uploaded_percent;
            hooks.runs_before_sharing = job_.uploaded_percent == 50 ? 1 : 0;
            hooks.refuses_superfluous_waits = checks.refuse_superfluous_waits;
            for (const KeyField field : checks.ignored) {
                hooks.ignored.ignore(field);
            }
            for (const plan::Rule rule : checks.off) {
                hooks.rules.switch_off(rule);
            }
        });
        graphs_.resize(1);
        size_t bytes = 0;
        for (const GraphSpec & graph : job.graphs) {
            bytes = std::max(bytes, graph_memory_size(graph));
        }
        graph_memory_.resize(bytes);
    }

    // A case that went wrong leaves runs in flight, which use what is freed next.
    ~Runner() { ggml_backend_sched_synchronize(rig_.sched()); }
    Runner(const Runner &) = delete;
    Runner & operator=(const Runner &) = delete;

    std::string run() {
        for (i_ = 0; i_ < job_.runs.size(); i_++) {
            std::string wrong = one_run(job_.runs[i_]);
            if (wrong.empty() && job_.runs[i_].synchronize) {
                wrong = finish();
            }
            if (!wrong.empty()) {
                return "run " + std::to_string(i_) + ": " + wrong;
            }
        }
        std::string wrong = finish();
        return wrong.empty() ? compare_caches() : wrong;
    }

  private:
    Scheduler & scheduler() const { return *rig_.sched()->scheduler; }
    ggml_backend_t backend(int place) const { return place == kOnCpu ? rig_.cpu() : rig_.device(place - 1); }
    BuiltGraph & graph() { return graphs_.back(); }

    ggml_backend_buffer_type_t cpu_weights() const {
        return job_.pinned_weights ? ggml_backend_dev_host_buffer_type(ggml_backend_get_device(rig_.device(0)))
                                   : nullptr;
    }

    std::vector<ggml_backend_t> backends(const std::vector<int> & places) const {
        std::vector<ggml_backend_t> result(places.size());
        std::transform(places.begin(), places.end(), result.begin(), [this](int place) { return backend(place); });
        return result;
    }
    PersistentPlaces places() const {
        return {backends(job_.weights), backends(job_.caches), backends(job_.experts), backend(job_.stored_ids)};
    }

    std::string one_run(const RunSpec & run) {
        if (run.rebuild && !rebuild(run)) {
            return ggml_sched_get_error(rig_.sched());
        }
        if (run.write) {
            inputs_ = random_inputs(graph().inputs.size(), job_.data + i_);
            write_inputs(graph(), inputs_);
        }
        const Expected expected = reference_.run(run, inputs_);
        if (std::string wrong = compute(run, expected); !wrong.empty()) {
            return wrong;
        }
        fetch(expected);
        if (run.spoil) {
            write_inputs(graph(), garbage_inputs(graph().inputs.size()));
        }
        return "";
    }

    bool rebuild(const RunSpec & run) {
        const GraphSpec & spec = job_.graphs[run.graph];
        if (job_.scribbles) {
            run.offers ? scribbler_.attach_to(rig_.sched()) : Scribbler::detach_from(rig_.sched());
        }
        if (run.ring > 0) {
            set_streaming(rig_.sched(), run.ring == kNoRing ? 0 : run.ring);
        }
        if (run.reserve) {
            const BuiltGraph measure = build_and_place(spec, nullptr);
            if (!ggml_backend_sched_reserve(rig_.sched(), measure.graph)) {
                return false;
            }
        }
        ggml_backend_sched_reset(rig_.sched());
        // Backends keep no description: the one of a graph whose runs are in flight may go.
        graphs_.clear();
        graphs_.push_back(build_and_place(spec, run.same_memory ? &graph_memory_ : nullptr));
        return ggml_backend_sched_alloc_graph(rig_.sched(), graph().graph);
    }

    BuiltGraph build_and_place(const GraphSpec & spec, GraphMemory * memory) {
        BuiltGraph built = build(spec, tensors_, memory);
        for (const auto & [tensor, place] : built.placed) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), tensor, backend(place));
        }
        if (job_.caller_ids != kOnCpu) {
            ggml_backend_sched_set_tensor_backend(rig_.sched(), built.ids, backend(job_.caller_ids));
        }
        return built;
    }

    std::string compute(const RunSpec & run, const Expected & expected) {
        ggml_sched_set_sync_mode(rig_.sched(), static_cast<ggml_sched_sync_mode>(run.mode));
        Watcher watcher = {run, expected};
        ggml_backend_sched_set_eval_callback(rig_.sched(), run.watch > 0 ? Watcher::call : nullptr, &watcher);
        const ggml_sched_stats before = rig_.stats();
        scribbler_.begin_run();
        const ggml_status status = compute_async(run);
        report_.offered = scribbler_.n_asked();
        if (!scribbler_.mistake().empty()) {
            return scribbler_.mistake() + "\n" + rig_.plan();
        }
        if (!watcher.difference.empty()) {
            return watcher.difference + "\n" + rig_.plan();
        }
        if (status != (expected.stopped ? GGML_STATUS_ABORTED : GGML_STATUS_SUCCESS)) {
            return std::string("graph_compute_async returns ") + ggml_status_to_string(status) + ": " +
                   ggml_sched_get_error(rig_.sched());
        }
        note_experts(before);
        if (run.mode != GGML_SCHED_SYNC_AUTO || expected.stopped) {
            return "";
        }
        if (std::string wait = avoidable_host_wait(*scheduler().last_plan(), scheduler().machine()); !wait.empty()) {
            return wait + "\n" + rig_.plan();
        }
        return run.watch > 0 || run.refuses ? "" : check_host_waits(before.host_waits);
    }

    ggml_status compute_async(const RunSpec & run) {
        if (!run.refuses) {
            return ggml_backend_sched_graph_compute_async(rig_.sched(), graph().graph);
        }
        const LogCapture log; // devices say that they refuse
        const auto refuse_nth = [this](int n) {
            for (int device = 0; device < rig_.n_devices(); device++) {
                ggml_backend_sim_fail(device, GGML_SIM_CALL_COPY_ASYNC, n);
            }
        };
        refuse_nth(1);
        const ggml_status status = ggml_backend_sched_graph_compute_async(rig_.sched(), graph().graph);
        refuse_nth(0);
        return status;
    }

    void note_experts(const ggml_sched_stats & before) {
        const ggml_sched_stats now = rig_.stats();
        const bool streamed_by_ids = now.expert_runs_by_ids > before.expert_runs_by_ids;
        const bool streamed_whole = now.expert_runs_whole > before.expert_runs_whole;
        if (streamed_by_ids || streamed_whole) {
            const auto [known, is_new] = streamed_whole_.insert({job_.runs[i_].graph, streamed_whole});
            report_.changed += known->second != streamed_whole;
            known->second = streamed_whole;
        }
        report_.streamed_by_ids += streamed_by_ids;
        report_.streamed_whole += streamed_whole;
        report_.resident += now.resident_bytes > 0;
        report_.parted += now.expert_misses > before.expert_misses;
        report_.uploaded += now.expert_pairs > before.expert_pairs && job_.misses == GGML_SCHED_EXPERT_MISSES_UPLOAD;
        report_.in_banks += now.expert_bytes_in_banks > before.expert_bytes_in_banks;
        report_.kept += now.kept_bytes > before.kept_bytes;
        report_.caches_ahead += now.cache_bytes > before.cache_bytes;
        const plan::Program & program = scheduler().last_plan()->program;
        bool whole = false;
        bool by_ids = false;
        for (const plan::Task & task : program.tasks) {
            const bool is_copy = task.kind == plan::TaskKind::SetAsync && task.bytes == kExpertsBytes;
            by_ids = by_ids || (is_copy && task.n_accesses == 3); // it reads the ids, too
            whole = whole || (is_copy && task.n_accesses == 2);
        }
        report_.merged += rig_.plan().find(" more from host") != std::string::npos;
        const bool streams = now.streamed_bytes > before.streamed_bytes;
        report_.copied_by_ids += by_ids && !streams;
        report_.copied_whole += whole && !streams;
    }

    // In mode auto, and nobody watches: then each wait of the plan is done once.
    std::string check_host_waits(uint64_t host_waits_before) const {
        const plan::Plan & plan = *scheduler().last_plan();
        const uint64_t counted = rig_.stats().host_waits - host_waits_before;
        const auto planned = static_cast<uint64_t>(refuse_host_waits_ ? n_waits_for_reads(plan) : n_host_waits(plan));
        return counted == planned ? ""
                                  : "the host waited " + std::to_string(counted) + " times, planned are " +
                                        std::to_string(planned) + "\n" + rig_.plan();
    }

    // After a run that was stopped nothing is in flight, and what it did compute may be read at once.
    void fetch(const Expected & expected) {
        for (size_t i = 0; i < expected.outputs.size(); i++) {
            ggml_tensor * output = graph().outputs[i];
            pending_.push_back({i_, output->name, Bytes(ggml_nbytes(output)), expected.outputs[i]});
            Bytes & got = pending_.back().got;
            if (expected.stopped) {
                got = bytes_of(output);
            } else {
                ggml_backend_tensor_get_async(ggml_backend_sched_get_tensor_backend(rig_.sched(), output), output,
                                              got.data(), 0, got.size());
            }
        }
    }

    std::string finish() {
        ggml_backend_sched_synchronize(rig_.sched());
        for (const Pending & pending : pending_) {
            if (pending.got != pending.expected) {
                return "output '" + pending.name + "' of run " + std::to_string(pending.run) + " differs\n" +
                       rig_.plan();
            }
        }
        pending_.clear();
        return "";
    }

    std::string compare_caches() const {
        for (size_t i = 0; i < tensors_.caches.size(); i++) {
            if (bytes_of(tensors_.caches[i]) != bytes_of(reference_.tensors().caches[i])) {
                return "cache " + std::to_string(i) + " differs at the end";
            }
        }
        return bytes_of(tensors_.stored_ids) == bytes_of(reference_.tensors().stored_ids)
                   ? ""
                   : "the stored ids differ at the end";
    }

    const Case & job_;
    CaseReport & report_;
    const bool refuse_host_waits_;
    Reference reference_;
    GraphMemory graph_memory_;
    std::vector<Pending> pending_; // stays while devices write there
    Rig rig_;
    Scribbler scribbler_;
    Persistent tensors_;
    std::vector<BuiltGraph> graphs_;     // the one that is allocated
    Inputs inputs_;                      // what is in them, if they are not spoiled
    size_t i_ = 0;                       // of the run
    std::map<int, bool> streamed_whole_; // by graph: the experts of its last run
};

} // namespace

std::string run_case(const Case & job, const CaseChecks & checks, CaseReport * report) {
    const LogCapture log; // what goes wrong is returned
    CaseReport unused;
    return Runner(job, checks, report ? *report : unused).run();
}

} // namespace ggml_sched::test
