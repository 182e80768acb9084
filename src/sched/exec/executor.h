// Executor - performs a plan, step by step, and decides nothing. Parts of a copy are what its form says. Waits that are
// in no plan follow a failure, or are the stager's for its own chunks.
//
// It owns what plans refer to by number: the events of each lane, for as many runs as may be in flight, and the ring of
// host memory through which inputs and staged copies pass.

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
    Executor(const std::vector<host::Backend> & backends, const Topology & topology, const plan::Machine & machine);
    // Waits for events of what is in flight; touches no backend.
    ~Executor();

    Executor(const Executor &) = delete;
    Executor & operator=(const Executor &) = delete;

    // From now on this backend is the queue of a lane that streams weights. It must outlive the executor.
    void use_stream(plan::Lane lane, const host::Backend & backend);

    // Makes the events that the plan needs. Nothing is allocated while a plan runs.
    Status prepare(const plan::Plan & plan);
    // For plans with copies out of pageable memory on this lane, of which so many bytes wait for others there. False:
    // there is no memory for it, and such plans must not be run.
    bool prepare_staging(plan::Lane lane, size_t bytes_waiting);
    // Does not copy again what is still in the rings, which are by backend; NULL: copies all. The caller promises that
    // weights do not change. They count as gone now, and when a device has failed.
    void keep_weights(std::vector<KeptWeights> * kept);
    // Makes the ring large enough for the next run.
    Status prepare_ring(size_t bytes);

    // Performs one run; the plan says whether the observer looks at it. On a failure what was started is still in
    // flight. ABORTED if the observer stopped it.
    Status run(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer);
    // A plan without launches
    Status run(const plan::Plan & plan, const std::vector<CopyBinding> & copies);

    // The host waits for all lanes, and nothing is in flight then: because the caller wants that, or because of
    // something that no plan can know: a run broke off, memory ran out.
    void synchronize();
    void abandon(const char * why);

    // NULL: none. It must stay until it is replaced or the executor is gone.
    void set_listener(StepListener * listener);
    bool has_listener() const { return listener_ != nullptr; }

    // Bytes of streamed experts that ids named in the last run
    size_t bytes_by_ids() const { return bytes_by_ids_; }

    // An asynchronous copy between these backends was refused: it was done by waiting, which is correct but slow.
    // Cleared by reading it.
    bool take_refusal(BackendId & src, BackendId & dst);

    // Failures that devices have met since they were asked last, as far as backends tell
    struct Failures {
        bool of_last_run = false; // one of them belongs to the run that was started last
        std::string text;         // "": none
    };
    Failures take_failures();
    std::string take_failures_of_earlier_runs(); // leaves those of the last run

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
    Status perform(const plan::Task & task, const RunBindings & bindings, const Slices * slices); // NULL: not observed
    struct Queue {
        const host::Backend * backend = nullptr;
        bool streams = false; // it carries nothing but what plans put there,
        bool idle = false;    // and has been waited for

        bool is_in_use() const { return backend && !idle; }
    };
    const char * source_of(const CopyBinding & copy) const;
    Status find_parts(const CopyBinding & copy, const RunBindings & bindings);
    Status set(const CopyBinding & copy, const plan::Task & task, const RunBindings & bindings);
    void set_range(const CopyBinding & first, const plan::Task & task);
    void send(const CopyBinding & copy, plan::Lane lane);
    Status copy_now(const CopyBinding & copy, const RunBindings & bindings);
    void offer(const CopyBinding & copy, const plan::Task & task, const RunBindings & bindings);
    void get_async(const CopyBinding & copy);
    void copy_async(const CopyBinding & copy);
    Status launch(const plan::Task & task, const RunBindings & bindings, const Slices * slices);
    static Status observe(const Slices * slices);
    // Asks the backend of the lane, and notes what it says. True: an earlier run has failed there.
    bool note_failure(plan::Lane lane);
    void note_failures(); // of all lanes
    std::string text_of_failures() const;
    void forget_failures_of(uint64_t run);
    void wait_unplanned(plan::Lane lane, const char * why); // after a failure
    class ChunkEvents;
    void synchronize(plan::Lane lane, const char * why);
    void forget_weights();
    void forget_runs();
    char * ring(const CopyBinding & copy) const { return ring_.at(run_, copy.ring_offset); }

    using Events = std::vector<ggml_backend_event_t>; // by number in a run
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    std::vector<Queue> queues_;                       // by lane
    std::vector<std::vector<Events>> events_;         // by lane, by run modulo window
    std::vector<std::vector<int16_t>> last_recorded_; // by lane, by run modulo window: kWholeLane if none
    const uint64_t window_;
    uint64_t run_ = 0;
    uint64_t mark_ = 0; // of this run, among those of all schedulers
    static constexpr uint64_t kNoRun = 0;
    uint64_t broken_off_ = kNoRun; // the mark of the last run, if it broke off
    size_t moved_bytes_ = 0;       // by the copy that was made last
    size_t bytes_by_ids_ = 0;      // of streamed experts, in the last run
    Ring ring_;
    Stager stager_;
    CopyParts parts_;                           // of the copy that is being made
    std::vector<KeptWeights> * kept_ = nullptr; // by backend; NULL: weights are not kept
    StepListener * listener_ = nullptr;
    bool refused_ = false;
    BackendId refused_src_ = kNoBackend;
    BackendId refused_dst_ = kNoBackend;
    struct FailedRun {
        uint64_t mark;
        const host::Backend * backend;
    };
    std::vector<FailedRun> failed_runs_; // those that nobody has been told of
};

} // namespace ggml_sched
