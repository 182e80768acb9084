// Tracer - listens to the executor and writes a trace: Chrome's JSON, which Perfetto reads, too. docs/tracing.md says
// what the slices mean.
//
// The file is opened at once, so that an unwritable path is noticed, and written at the end. The tracer owns the file
// and the trace. One thread at a time uses it, that of the scheduler.

#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "exec/step_listener.h"
#include "host/clock.h"
#include "host/status.h"
#include "host/topology.h"
#include "observe/trace.h"

namespace ggml_sched::observe {

class Tracer final : public StepListener {
  public:
    // Opens the file. Returns NULL, and says in `status` why, if it cannot be written. `backends` must stay. They are
    // asked for times while something runs, and not afterwards.
    static std::unique_ptr<Tracer> open(const std::string & path, const std::vector<host::Backend> & backends,
                                        const Topology & topology, const plan::Machine & machine, Status & status);
    // Writes the file if finish() has not done so, and logs a failure.
    ~Tracer() override;

    Tracer(const Tracer &) = delete;
    Tracer & operator=(const Tracer &) = delete;

    // Writes and closes the file. Fails if the file does not take all of the trace.
    Status finish();

    // The executor calls these; see StepListener.
    void stream_begins(plan::Lane lane, const host::Backend & backend) noexcept override;
    void run_begins(const plan::Plan & plan, const RunBindings & bindings) noexcept override;
    void call_begins() noexcept override;
    void waited(const plan::Wait & wait) noexcept override;
    void recorded(const plan::Step & step) noexcept override;
    void performed(const plan::Task & task, size_t bytes) noexcept override;
    void wait_begins() noexcept override;
    void synchronized(plan::Lane lane, const char * why) noexcept override;
    void chunk_sent(plan::Lane lane, ggml_backend_event_t event) noexcept override;
    void waited_for_chunk(plan::Lane lane, ggml_backend_event_t event) noexcept override;

  private:
    // Recorded - the slice that recorded an event last
    struct Recorded {
        uint64_t run = 0; // run that recorded it; 0 if none has
        SliceId slice = kNoSlice;
    };
    // LaneState - what the tracer knows of a lane
    struct LaneState {
        const host::Backend * backend = nullptr; // NULL for the host
        double last_us = 0;                      // end of the last slice; no slice begins earlier
        double begun_us = -1;                    // time at which a copy in chunks began; -1 if none is being made
        SliceId last = kNoSlice;
        SliceId before = kNoSlice;                   // the slice that stands for what was done before the trace began
        std::vector<SliceId> unfinished;             // slices of which the host does not know that they are done
        std::vector<TraceArrow> arriving;            // arrows to the next slice of the lane
        std::vector<std::vector<Recorded>> recorded; // by run modulo window, by event
        std::unordered_map<ggml_backend_event_t, SliceId> before_chunk; // by event: last slice before the chunk's copy
    };

    Tracer(std::FILE * file, std::string path, const std::vector<host::Backend> & backends, const Topology & topology,
           const plan::Machine & machine);

    template <typename Function> void unless_cut(Function function) noexcept;
    double now();
    SliceId add_on_host(TraceSlice slice, double start_us);
    SliceId add_on_lane(plan::Lane lane, TraceSlice slice);
    SliceId add_called(plan::Lane lane, const TraceSlice & slice);
    void add_begun_call(plan::Lane lane);
    void hand_over(const plan::Task & task, SliceId copy, const TraceSlice & slice);
    void done(plan::Lane lane, SliceId last);
    SliceId awaited(const plan::Wait & wait);
    SliceId before_trace(plan::Lane lane);
    void explain(const plan::Reason & reason, TraceArrow & arrow);
    TraceSlice slice_of(const plan::Task & task, size_t bytes);
    std::string task_text(const plan::Task & task) const;
    std::string target_text(const plan::Wait & wait) const;
    Status write();

    std::FILE * file_;
    const std::string path_;
    const std::vector<host::Backend> & backends_;
    const host::Clock clock_;
    const uint64_t window_;
    double offset_us_;     // time of the trace minus time of the clock
    double last_clock_us_; // last time of the clock
    double latest_us_ = 0; // latest time of the trace
    double call_start_us_ = 0;
    double wait_start_us_ = 0;
    uint64_t run_ = 0;                       // number of the run among all runs; the age of an event counts these
    uint32_t shown_run_ = 0;                 // number of the last run of a graph
    uint32_t slice_run_ = 0;                 // number of the run that new slices get
    const plan::Plan * plan_ = nullptr;      // plan of the current run, which is valid during the run only
    const RunBindings * bindings_ = nullptr; // its bindings, which are valid during the run only
    std::vector<LaneState> lanes_;
    Trace trace_;
};

} // namespace ggml_sched::observe
