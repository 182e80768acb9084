// Scheduler - runs the stages in order and keeps their results:
//
//   graph -> assign -> split -> stream -> alloc -> lower -> plan -> (verify) -> exec
//
// Everything that can fail returns a Status; the C API in capi.cpp turns it into what ggml's signatures allow.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "exec/executor.h"
#include "observe/tracer.h"
#include "observe/verifier.h"
#include "plan/history.h"
#include "reuse/program_memo.h"
#include "reuse/split_memo.h"
#include "reuse/stream_memo.h"
#include "session/allocation.h"
#include "session/earlier_places.h"
#include "session/in_flight.h"
#include "session/reallocations.h"
#include "session/settings.h"
#include "session/streaming.h"
#include "session/test_hooks.h"

namespace ggml_sched {

class Scheduler {
  public:
    struct Options {
        bool parallel;
        bool op_offload;
    };

    static std::unique_ptr<Scheduler> create(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                             int n_backends, const Options & options, Status & status,
                                             const TestHooks & hooks = {});

    Status reserve_size(ggml_cgraph * graph, size_t * sizes);
    Status reserve(ggml_cgraph * graph);
    Status split(ggml_cgraph * graph);
    Status allocate(ggml_cgraph * graph) { return allocate(graph, Inputs::Writable); }
    // Makes the allocated graph what it was before; see ggml_sched_unalloc_graph.
    void unallocate();
    // Success with a text: an earlier run has failed on a device.
    Status compute_async(ggml_cgraph * graph);
    Status compute(ggml_cgraph * graph); // and waits; fails also if the run fails on a device
    Status synchronize();
    void wait() const; // as synchronize(), while a call of this scheduler runs
    void reset();
    // After an exception has left a call: nothing is in flight or kept, and no graph is allocated.
    void recover() noexcept;

    Status assign_by_user(ggml_tensor * tensor, ggml_backend_t backend);
    ggml_backend_t backend_of(const ggml_tensor * tensor) const;

    void set_observer(const Observer & observer) { observer_ = observer; }
    void set_copy_callback(const CopyCallback & callback) { copy_callback_ = callback; }
    void set_realloc_callback(const ReallocCallback & callback) { reallocations_.set_callback(callback); }
    void set_sync_mode(ggml_sched_sync_mode mode) { settings_.sync_mode = mode; }
    ggml_sched_sync_mode sync_mode() const { return settings_.sync_mode; }
    void set_streaming(const StreamSettings & settings); // waits for what is in flight
    void keep_weights(bool keep) { streaming_.keep_weights(keep); }
    void set_verify(bool verify) { settings_.verify = verify; }
    // False: every stage runs anew for each graph, and each run is lowered and planned anew.
    void set_reuse(bool reuse) { settings_.reuse = reuse; }
    void set_debug(int level) { settings_.debug = level; }
    void set_realloc_check(ReallocCheck check) { settings_.realloc_check = check; }
    Status start_trace(const std::string & path); // ends the trace that there may be
    Status stop_trace();
    void end_trace() noexcept; // if there is one; logs what fails
    // Graphs are prepared anew from now on. The number of copies stays.
    void set_test_hooks(const TestHooks & hooks);
    const TestHooks & test_hooks() const { return hooks_; }

    const std::vector<host::Backend> & backends() const { return backends_; }
    int index_of(ggml_backend_t backend) const; // -1 if it is none of ours
    int n_splits() const { return static_cast<int>(splits().splits.size()); }
    int n_copies() const { return n_copies_; }
    size_t buffer_size(int backend) const { return buffers_.size(static_cast<BackendId>(backend)); }
    ggml_sched_stats & stats() { return executor_->stats; }
    const plan::Plan * last_plan() const { return last_plan_.get(); } // NULL: no run yet; valid until the next one
    const plan::Machine & machine() const { return machine_; }

    std::string pattern(int split) const;
    std::string plan_text() const;

  private:
    Scheduler(std::vector<host::Backend> backends, const Options & options, const TestHooks & hooks);

    enum class Goal { Split, Measure, Reserve, Allocate }; // what is wanted of a graph, and of its stages
    enum class Inputs { Writable, Written };               // by the caller, later or already
    Status take(ggml_cgraph * graph, EarlierPlaces & earlier);
    Status allocate(ggml_cgraph * graph, Inputs inputs);
    Status prepare(Goal goal, size_t * sizes = nullptr);
    Status assign_and_split();
    Status get_ring(Goal goal, bool & fits);
    Status make_copies(Goal goal);
    Status find_places(Goal goal, size_t * sizes);
    Status give_places(bool & is_told);
    bool has_made_room(Goal goal, const Status & status);
    Status wait_for_inputs();
    static bool needs_memory(Goal goal) { return goal == Goal::Reserve || goal == Goal::Allocate; }
    void wait_for_all();
    CutGraph cut_graph() const;
    ProgramKey key() const;
    bool is_streaming() const { return settings_.streaming.budget > 0 && mode() == plan::Mode::Auto; }
    const StreamLimits & limits();
    void plan_streaming();
    Lowered lower_afresh();
    bool prepare_staging(const Lowered & lowered);
    void lower_graph();
    Status stale(const std::string & what);
    Status prove_cut();
    Status prove_places();
    Status prove_streams();
    KeptPlan & find_plan(bool & is_kept);
    Status prove_program();
    Status prove_plan(const KeptPlan & kept);
    Status verify(KeptPlan & kept);
    Status run();
    RunBindings run_bindings();
    void find_copy_limits();
    void forget_results() noexcept;
    bool is_same_graph(const ggml_cgraph * graph) const;
    plan::Mode mode() const;
    const GraphView & view() const { return cut_.view(); }
    const Splits & splits() const { return *cut_.splits(); }
    const Assignment & assignment() const { return cut_.assignment(); }

    Settings settings_;
    TestHooks hooks_;
    bool has_unverified_runs_ = false; // Runs may be in flight that the verifier does not know.
    const bool is_parallel_;
    const int n_copies_;
    std::vector<host::Backend> backends_;
    Topology topology_;
    plan::Machine machine_;
    bool has_queues_ = false; // all devices have a second one
    CopyLimits copy_limits_;

    // The graph and what the stages made of it
    ggml_cgraph * graph_ = nullptr;
    uint64_t identity_ = 0;
    bool is_allocated_ = false;
    int cur_copy_ = 0;
    int next_copy_ = 0;
    UserAssignments user_;
    SplitMemo cut_;
    Slots slots_;
    SplitGraphs split_graphs_;
    ComputeBuffers buffers_;
    Spaces spaces_;
    StreamRings streams_;
    Memo<StreamKey, std::shared_ptr<const StreamPlan>> kept_streams_;
    const std::shared_ptr<const StreamPlan> nothing_streamed_ = std::make_shared<const StreamPlan>();
    std::shared_ptr<const StreamPlan> streamed_ = nothing_streamed_; // of this graph
    Memo<ProgramKey, KeptProgram> programs_;
    Memo<ProgramKey, std::shared_ptr<const plan::History>> free_inputs_; // after which no input is in use any more
    KeptProgram * program_ = nullptr;                                    // of this graph; NULL: not lowered
    bool are_places_proved_ = false;                                     // those of the allocated graph
    bool is_stale_ = false;                                              // what is kept was found to be wrong

    std::shared_ptr<const plan::Plan> last_plan_;
    std::shared_ptr<const observe::Names> last_names_;
    std::shared_ptr<const StreamPlan> last_streams_;
    observe::Verifier verifier_;
    Observer observer_;
    CopyCallback copy_callback_;
    Offered offered_ = Offered::Nothing; // of the graph that was cut last
    Reallocations reallocations_;
    std::unique_ptr<observe::Tracer> tracer_; // NULL: none
    std::unique_ptr<Executor> executor_;      // goes before the rest: it waits for what uses the memory above
    InFlight in_flight_;
    Allocation allocation_;
    Streaming streaming_;
};

} // namespace ggml_sched
