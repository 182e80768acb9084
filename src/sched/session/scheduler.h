// Scheduler - runs the stages in order and keeps their results:
//
//   graph -> assign -> split -> stream -> alloc -> lower -> plan -> (verify) -> exec
//
// Functions that can fail return a Status. The C API in capi.cpp turns it into what ggml's signatures allow.
//
// The scheduler owns all that is kept between calls: results, buffers, rings and events. It does not own backends,
// graphs and tensors. One thread at a time uses it. Any function may throw std::bad_alloc if it is not noexcept.

#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "exec/executor.h"
#include "experts/resident_experts.h"
#include "host/clock.h"
#include "observe/tracer.h"
#include "observe/verifier.h"
#include "plan/history.h"
#include "reuse/program_memo.h"
#include "reuse/split_memo.h"
#include "reuse/stream_memo.h"
#include "session/allocation.h"
#include "session/earlier_places.h"
#include "session/in_flight.h"
#include "session/operands_guard.h"
#include "session/reallocations.h"
#include "session/settings.h"
#include "session/streaming.h"
#include "session/test_hooks.h"

namespace ggml_sched {

class Scheduler {
  public:
    // Options - the flags of ggml_backend_sched_new
    struct Options {
        bool parallel;
        bool op_offload;
    };

    // Makes a scheduler. Returns NULL, and says in `status` why, if it cannot work with these backends. `bufts` may be
    // NULL.
    static std::unique_ptr<Scheduler> create(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                             int n_backends, const Options & options, Status & status,
                                             const TestHooks & hooks = {});

    // These are reserve_size, reserve, split_graph and alloc_graph of ggml_backend_sched_*.
    Status reserve_size(ggml_cgraph * graph, size_t * sizes);
    Status reserve(ggml_cgraph * graph);
    Status split(ggml_cgraph * graph);
    Status allocate(ggml_cgraph * graph) { return allocate(graph, Inputs::Writable); }
    // Makes the allocated graph what it was before; see ggml_sched_unalloc_graph.
    void unallocate();
    // Starts a run of the graph. A success with a text means that an earlier run has failed on a device.
    Status compute_async(ggml_cgraph * graph);
    // Runs the graph, and waits. Fails also if the run fails on a device.
    Status compute(ggml_cgraph * graph);
    // Waits for all runs. A success with a text means that a run has failed on a device.
    Status synchronize();
    // Waits for all backends, and changes nothing. A callback may call it while a call of this scheduler runs.
    void wait() const;
    // Forgets the graph and what the user has assigned. Kept results stay.
    void reset();
    // Makes the scheduler usable after an exception has left a call: waits for all runs, and forgets all results.
    void recover() noexcept;

    // Assigns a tensor to a backend, until reset().
    Status assign_by_user(ggml_tensor * tensor, ggml_backend_t backend);
    // Returns the backend of a tensor: what the last split has found, or what the user has assigned; NULL if neither.
    ggml_backend_t backend_of(const ggml_tensor * tensor) const;

    // These set what later calls use; see the functions of the C API with these names. A callback may be NULL.
    void set_observer(const Observer & observer) { observer_ = observer; }
    void set_copy_callback(const CopyCallback & callback) { copy_callback_ = callback; }
    void set_realloc_callback(const ReallocCallback & callback) { reallocations_.set_callback(callback); }
    void set_sync_mode(ggml_sched_sync_mode mode) { settings_.sync_mode = mode; }
    ggml_sched_sync_mode sync_mode() const { return settings_.sync_mode; }
    // Waits for all runs, and forgets the graph.
    void set_streaming(const StreamSettings & settings);
    // Sets how much memory of each device resident experts may use. Waits for all runs, and forgets the graph.
    Status set_experts(const ggml_sched_expert_params & params);
    void keep_weights(bool keep) { streaming_.keep_weights(keep); }
    void set_verify(bool verify) { settings_.verify = verify; }
    // Lets results be kept for later graphs. Without reuse, every stage runs anew for each graph and each run.
    void set_reuse(bool reuse) { settings_.reuse = reuse; }
    void set_debug(int level) { settings_.debug = level; }
    void set_realloc_check(ReallocCheck check) { settings_.realloc_check = check; }
    // Begins a trace, and ends the one before.
    Status start_trace(const std::string & path);
    // Ends the trace, and writes it. Fails if there is none.
    Status stop_trace();
    // Ends the trace if there is one, and logs a failure.
    void end_trace() noexcept;
    // Changes the hooks, and forgets all results. The number of copies stays.
    void set_test_hooks(const TestHooks & hooks);
    const TestHooks & test_hooks() const { return hooks_; }

    const std::vector<host::Backend> & backends() const { return backends_; }
    // Returns the index of a backend; -1 if this scheduler does not have it.
    int index_of(ggml_backend_t backend) const;
    int n_splits() const { return static_cast<int>(splits().splits.size()); }
    int n_copies() const { return n_copies_; }
    size_t buffer_size(int backend) const { return buffers_.size(static_cast<BackendId>(backend)); }
    ggml_sched_stats & stats() { return executor_->stats; }
    // Sets to zero what counts, in the stats and for each bank of experts.
    void reset_stats();
    // Writes the counters of the first `n` banks to structs of the caller, `size` bytes apart. Returns how many banks
    // there are. `stats` may be NULL if `n` is 0.
    int write_expert_stats(ggml_sched_expert_stats * stats, int n, size_t size) const;
    // Returns the plan of the last run, which is valid until the next run; NULL if there was none.
    const plan::Plan * last_plan() const { return last_plan_.get(); }
    const plan::Machine & machine() const { return machine_; }

    // Return texts about the last run; "" if there was none. See ggml_sched_get_pattern and ggml_sched_get_plan_text.
    std::string pattern(int split) const;
    std::string plan_text() const;

  private:
    Scheduler(std::vector<host::Backend> backends, const Options & options, const TestHooks & hooks);

    // Goal - how far the stages go: split_graph, reserve_size, reserve or alloc_graph
    enum class Goal { Split, Measure, Reserve, Allocate };
    // Inputs - whether the caller writes the inputs after the allocation, or has written them before
    enum class Inputs { Writable, Written };
    Status take(ggml_cgraph * graph, EarlierPlaces & earlier, Goal goal);
    Status take_experts(Goal goal);
    void exchange_experts();
    void make_queues_of_banks();
    const char * find_changed_expert();
    void find_splits_of_missing();
    const UserAssignments & assignments() const { return experts_.parted().is_empty() ? user_ : placed_; }
    Status count_experts();
    Status allocate(ggml_cgraph * graph, Inputs inputs);
    Status prepare(Goal goal, size_t * sizes = nullptr);
    Status assign_and_split();
    Status get_ring(Goal goal, bool & fits);
    Status make_copies(Goal goal);
    void note_decision();
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
    Status prove_stream_plan();
    KeptPlan & find_plan(bool & is_kept);
    Status prove_program();
    Status prove_plan(const KeptPlan & kept);
    Status verify(KeptPlan & kept);
    Status run();
    Status perform_with_experts(const plan::Plan & plan, const Observer & observer);
    Status perform(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer);
    RunBindings run_bindings();
    void find_copy_limits();
    void forget_programs() noexcept;
    void forget_copies() noexcept;
    void forget_results() noexcept;
    bool is_same_graph(const ggml_cgraph * graph) const;
    bool has_memory_changed();
    plan::Mode mode() const;
    const GraphView & view() const { return cut_.view(); }
    const Splits & splits() const { return *cut_.splits(); }
    const Assignment & assignment() const { return cut_.assignment(); }

    Settings settings_;
    TestHooks hooks_;
    bool has_unverified_runs_ = false; // true if runs may be in flight that the verifier does not know
    const bool is_parallel_;
    const int n_copies_;
    std::vector<host::Backend> backends_;
    const host::Clock clock_;
    Topology topology_;
    plan::Machine machine_;
    bool has_queues_ = false; // true if all devices have a second queue
    CopyLimits copy_limits_;

    // The graph and what the stages made of it
    ggml_cgraph * graph_ = nullptr;
    uint64_t identity_ = 0; // identity of graph_: another graph may come to lie at its address
    bool is_allocated_ = false;
    uint64_t n_registered_ = 0; // host::n_registered() when graph_ was taken
    int cur_copy_ = 0;
    int next_copy_ = 0;
    ggml_cgraph * worked_on_ = nullptr; // graph_, or a graph of experts_ in which pairs are parted
    UserAssignments user_;
    UserAssignments placed_; // user_, and the nodes of worked_on_ that have their place
    ResidentExperts experts_;
    std::vector<bool> computes_missing_; // by split: the CPU computes missing pairs in it; empty if none are parted
    SplitMemo cut_;
    Slots slots_;
    SplitGraphs split_graphs_;
    ComputeBuffers buffers_;
    Spaces spaces_;
    StreamRings streams_;
    Memo<StreamKey, std::shared_ptr<const StreamPlan>> kept_streams_;
    const std::shared_ptr<const StreamPlan> nothing_streamed_ = std::make_shared<const StreamPlan>();
    std::shared_ptr<const StreamPlan> streamed_ = nothing_streamed_; // stream plan of graph_
    Memo<ProgramKey, KeptProgram> programs_;
    Memo<ProgramKey, std::shared_ptr<const plan::History>> free_inputs_; // history after which no input is in use
    KeptProgram * program_ = nullptr; // program of graph_, one of programs_; NULL if the graph is not lowered
    bool are_places_proved_ = false;  // true if the places of the allocated graph are proved
    bool is_stale_ = false;           // true if a kept result was found to be wrong

    std::shared_ptr<const plan::Plan> last_plan_;
    std::shared_ptr<const observe::Names> last_names_;
    std::shared_ptr<const StreamPlan> last_streams_;
    observe::Verifier verifier_;
    Observer observer_;
    CopyCallback copy_callback_;
    Offered offered_ = Offered::Nothing; // weights of graph_ that are offered to the copy callback
    Reallocations reallocations_;
    std::unique_ptr<observe::Tracer> tracer_; // NULL if there is no trace
    std::unique_ptr<Executor> executor_;      // its destructor waits for what uses the memory of the members above
    InFlight in_flight_;
    Allocation allocation_;
    Streaming streaming_;
};

} // namespace ggml_sched
