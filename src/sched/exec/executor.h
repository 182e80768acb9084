// Executor - performs a plan, step by step. It decides nothing: the plan gives the order, and the form of a copy says
// which parts it sends. A wait that is in no plan follows a failure, or is the stager's wait for a chunk.
//
// A record that the plan puts off is made when the next run begins, or never if the caller synchronizes before. Where a
// device keeps records, the host waits for an event before it records it again. The run of its last record is done
// then, so this call mostly just lets the device release that record.
//
// It owns the events of each lane, for as many runs as may be in flight. It also owns the ring of host memory for
// snapshots and for copies through the host. RunBindings says what the other numbers of a plan stand for.
//
// One thread at a time uses an Executor. Only its stager has threads of its own.

#pragma once

#include <array>
#include <string>
#include <vector>

#include "exec/ring.h"
#include "exec/slices.h"
#include "exec/stager.h"
#include "exec/step_listener.h"
#include "ggml-sched.h"
#include "host/execute.h"
#include "host/status.h"
#include "host/topology.h"
#include "lower/copy_parts.h"
#include "plan/plan.h"
#include "stream/kept_weights.h"

namespace ggml_sched {

class Executor {
  public:
    // `backends` and `topology` must stay.
    Executor(const std::vector<host::Backend> & backends, const Topology & topology, const plan::Machine & machine);
    // Waits for the events of what is in flight. It touches no backend of the caller: these may be gone.
    ~Executor();

    Executor(const Executor &) = delete;
    Executor & operator=(const Executor &) = delete;

    // Makes this backend the queue of a lane that streams weights. The backend must outlive the executor.
    void use_stream(plan::Lane lane, const host::Backend & backend);

    // Makes the events that the plan needs, so that none is made while the plan runs.
    Status prepare(const plan::Plan & plan);
    // Makes what copies out of pageable memory on this lane need. `bytes_waiting` of their bytes wait for other work
    // there. Returns false if there is no memory for it; plans with such copies must not be run then.
    bool prepare_staging(plan::Lane lane, size_t bytes_waiting);
    // Sends no weight again that a ring still holds; NULL: sends all. `kept` has the rings by backend. The caller
    // promises that weights do not change. The rings count as empty now, and after each failure of a device.
    void keep_weights(std::vector<KeptWeights> * kept);
    // Notes that the rings hold no weights, since copies to them may have failed.
    void forget_weights();
    // Makes the ring large enough for the next run.
    Status prepare_ring(size_t bytes);

    // Performs one run. The observer is asked only if the plan is for an observed run. After a failure the steps before
    // it are still in flight. Returns ABORTED if the observer stopped the run.
    Status run(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer);
    // Performs a plan without launches.
    Status run(const plan::Plan & plan, const std::vector<CopyBinding> & copies);

    // Waits for all lanes because the caller wants that. Nothing is in flight afterwards.
    void synchronize();
    // Waits for all lanes because of something that no plan knows: a run broke off, or memory ran out. Nothing is in
    // flight afterwards.
    void abandon(const char * why);

    // Tells the listener of each step from now on; NULL: tells nobody. The listener must stay until it is replaced or
    // the executor is gone.
    void set_listener(StepListener * listener);
    bool has_listener() const { return listener_ != nullptr; }

    // Returns the bytes of streamed experts that were sent by their ids in the last run.
    size_t bytes_by_ids() const { return bytes_by_ids_; }

    // Returns true if a backend refused an asynchronous copy since the last call, and says between which backends. The
    // executor made this copy by waiting, which is correct but slow.
    bool take_refusal(BackendId & src, BackendId & dst);

    // Failures - what backends have told of failures of their devices
    struct Failures {
        bool of_last_run = false; // true if a failure belongs to the run that was started last
        std::string text;         // "" if there is none
    };
    // Asks all backends. Returns the failures that nobody has been told of, and forgets them.
    Failures take_failures();
    // Returns the known failures if one belongs to an earlier run, else "". Forgets only the failures of earlier runs.
    std::string take_failures_of_earlier_runs();

    // The counters of the scheduler. The scheduler and streaming count here, too.
    ggml_sched_stats stats = {};

  private:
    template <bool kListened>
    Status run_steps(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer);
    template <bool kListened>
    Status run_slices(const plan::Plan & plan, size_t launch, size_t observe, const RunBindings & bindings,
                      const Observer & observer);
    template <bool kListened>
    Status run_step(const plan::Plan & plan, const plan::Step & step, const RunBindings & bindings, Slices * slices);
    void wait(const plan::Wait & wait);
    void record(const plan::Step & step);
    static void record(ggml_backend_event_t event, const host::Backend & backend);
    void make_owed_records();
    // `slices` are those of an observed launch; NULL if nobody observes.
    Status perform(const plan::Task & task, const RunBindings & bindings, const Slices * slices);
    // Queue - the backend of a lane
    struct Queue {
        const host::Backend * backend = nullptr;
        bool streams = false;                // true if the queue carries nothing but what plans put there
        bool idle = false;                   // true if nothing was put there since the last wait for all of it
        ggml_backend_event_t owed = nullptr; // to be recorded when the next run begins

        bool is_in_use() const { return backend && !idle; }
    };
    const char * source_of(const CopyBinding & copy) const;
    Status find_parts(const CopyBinding & copy, const RunBindings & bindings);
    Status set(const CopyBinding & copy, const plan::Task & task, const RunBindings & bindings);
    void set_range(const CopyBinding & first, const plan::Task & task);
    void take_snapshot(const CopyBinding & copy);
    void send(const CopyBinding & copy, plan::Lane lane);
    size_t copy_entries(const CopyBinding & copy, Queue & queue);
    void copy_now(const CopyBinding & copy);
    Status set_now(const CopyBinding & copy, const RunBindings & bindings);
    void offer(const CopyBinding & copy, const plan::Task & task, const RunBindings & bindings);
    void get_async(const CopyBinding & copy);
    void copy_async(const CopyBinding & copy);
    Status launch(const plan::Task & task, const RunBindings & bindings, const Slices * slices);
    static Status observe(const Slices * slices);
    // Asks the backend of the lane, and notes its failure. Returns true if an earlier run has failed there.
    bool note_failure(plan::Lane lane);
    void note_failures();
    std::string text_of_failures() const;
    void forget_failures_of(uint64_t run);
    // Waits for all of a lane, and counts the wait as unplanned.
    void wait_unplanned(plan::Lane lane, const char * why);
    class ChunkEvents;
    void synchronize(plan::Lane lane, const char * why);
    void forget_runs();
    char * ring(const CopyBinding & copy) const { return ring_.at(run_, copy.ring_offset); }

    using Events = std::vector<ggml_backend_event_t>; // by number of the event in a run
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    std::vector<Queue> queues_; // by lane
    const uint64_t window_;
    // A queue waits for events of at most window_ - 1 runs before, and a run is done window_ runs later. So with that
    // many sets no queue has yet to wait for the last record of an event when it is recorded again.
    const uint64_t n_sets_;
    std::vector<std::vector<Events>> events_;         // by lane, by run modulo n_sets_
    std::vector<std::vector<int16_t>> last_recorded_; // by lane, by run modulo n_sets_; kWholeLane if none
    uint64_t run_ = 0;                                // number of the last run of this executor
    uint64_t mark_ = 0;                               // number of the last run among the runs of all schedulers
    static constexpr uint64_t kNoRun = 0;
    uint64_t broken_off_ = kNoRun; // mark of the last run if it broke off
    size_t moved_bytes_ = 0;       // bytes that the last copy moved
    size_t bytes_by_ids_ = 0;      // bytes of streamed experts that were sent by their ids in the last run
    Ring ring_;
    Stager stager_;
    CopyParts parts_;                           // parts of the copy that is being made
    std::vector<KeptWeights> * kept_ = nullptr; // by backend; NULL if weights are not kept
    StepListener * listener_ = nullptr;
    bool refused_ = false; // true if a refusal has not been taken yet
    BackendId refused_src_ = kNoBackend;
    BackendId refused_dst_ = kNoBackend;
    // FailedRun - a run that a backend says has failed
    struct FailedRun {
        uint64_t mark;
        const host::Backend * backend;
    };
    std::vector<FailedRun> failed_runs_; // failed runs that nobody has been told of
};

} // namespace ggml_sched
