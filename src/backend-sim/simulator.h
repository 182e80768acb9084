// The queues of all simulated devices, the virtual clock, and the rule book.
//
// Nothing here runs by itself. Operations execute inside calls: those that someone waits for, with exactly what they
// need, and those that the adversary picks. When an operation ends on the virtual clock is known when it is enqueued,
// so the clock does not depend on when it really executes.
//
// Threading: one mutex over everything; Session takes it. The log callback is called with it held.
// Invariants: an operation waits only for operations that were enqueued before it, so there is always one that can run.

#pragma once

#include "adversary.h"
#include "copy_engine.h"
#include "ggml-backend-impl.h"
#include "ggml-sim.h"
#include "memory.h"
#include "operation.h"
#include "profile.h"

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace ggml_sched::sim {

struct Device {
    int index = 0;
    ggml_sim_config config = {};
    char name[8] = "";
    ggml_backend_device handle = {};
    ggml_backend_buffer_type device_buft = {};
    ggml_backend_buffer_type host_buft = {};

    size_t used_bytes = 0;
    int n_backends = 0;
    int n_buffers = 0;
    int n_events = 0;
    std::array<int, GGML_SIM_CALL_COUNT> calls_until_failure = {}; // by call; 0: none is to fail
    CopyEngine from_host;
    CopyEngine to_host;

    const ProfileTraits & traits() const { return traits_of(config.profile); }
};

// A backend is one queue.
struct Queue {
    explicit Queue(Device & device)
        : device(device) {}

    Device & device;
    std::deque<Operation> operations;
    CompletionRef last; // of what was enqueued last; NULL at first
    Temper temper = Temper::Mixed;
    bool has_failed = false; // the next launch says so
    bool was_told = false;   // by a launch that was not started
    uint64_t mark = 0;       // of what is enqueued now; see ggml_backend_take_failure_t
    uint64_t failed_mark = 0;

    void fail(uint64_t at_mark) {
        has_failed = true;
        was_told = false;
        failed_mark = at_mark;
    }
};

struct Event {
    ggml_backend_event handle;
    CompletionRef record;        // the current one; NULL before the first
    uint64_t n_kept_records = 0; // since the host last waited for the event
};

class Simulator {
  public:
    std::array<Device, GGML_SIM_MAX_DEVICES> devices;
    std::vector<Device *> listed; // those that the registry shows, in the order of their first use
    Memory memory;
    Adversary adversary;
    ggml_sim_counters counters = {};

    Simulator();

    // Queues
    void add_queue(Queue & queue);    // throws std::bad_alloc
    void remove_queue(Queue & queue); // executes what is left in it
    void set_seed(uint64_t seed);
    bool is_idle() const;
    // Called at the begin and at the end of each call into a device
    void let_adversary_act();
    // What is enqueued starts not before the call that enqueues it.
    void begin_enqueuing_call(const Queue & queue) { now_us_ += queue.device.config.host_call_us; }
    // A copy over the link also waits for the engine that makes it; NULL for everything else. Throws std::bad_alloc.
    CompletionRef enqueue(Queue & queue, Operation && operation, double cost_us, CopyEngine * engine = nullptr);
    // Executes `goal` and what it needs. Does not move the clock.
    void execute_until(const CompletionRef & goal);
    // Runs an operation at once, with the host waiting
    void run_now(Queue & queue, Operation && operation, double cost_us);

    // Events
    ggml_backend_event_t new_event(Device & device); // throws std::bad_alloc
    void free_event(ggml_backend_event_t event);
    Event * live_event(ggml_backend_event_t event) const; // NULL if it has been freed
    void forget_kept_records();                           // counts the kept records of all events from zero
    // True if a queue has yet to wait for a record of the event that is not the current one.
    bool has_wait_for_earlier_record(const Event & event) const;

    // Clock
    double now_us() const { return now_us_; }
    void advance(double us) { now_us_ += us; }
    bool wait_on_clock(const Completion & completion); // true if the host had to wait
    bool reset_clock();                                // false unless idle
    // Of what was enqueued last; false if nothing was since the clock was reset.
    bool last_operation_times(const Queue & queue, double & start_us, double & finish_us) const;

    // Counts the call, and returns true if it is the one that ggml_backend_sim_fail has told to fail.
    bool is_to_fail(Device & device, enum ggml_sim_call call);
    // Does the same for a call that can return nothing: the next launch of the queue fails.
    bool is_to_fail(Queue & queue, enum ggml_sim_call call);
    // Lets the next launch of the queue fail that this operation was enqueued on, if that queue still exists.
    void fail_queue_of(const Completion & completion);

    // A program broke the contract: log, count, and let the next launch of queue (may be NULL) fail.
    void violation(Queue * queue, const char * format, ...) GGML_ATTRIBUTE_FORMAT(3, 4);
    // Complains about each queue that has yet to use the allocation, which is being freed.
    void report_uses_in_flight(const Allocation & allocation);
    std::unique_ptr<GraphSnapshot> take_snapshot_storage();

  private:
    double finish_of(const Completion & completion) const {
        return completion.clock_epoch == clock_epoch_ ? completion.finish_us : 0.0;
    }
    static bool is_ready(const Queue & queue);
    void execute_head(Queue & queue);
    void execute(Queue & queue, Operation & operation);
    void compute(Queue & queue, Operation & operation);

    std::vector<Queue *> queues_; // in the order of their creation
    std::set<Event *> live_events_;
    std::array<std::unique_ptr<Event>, 1024> freed_events_; // kept for a while, so that a late use is noticed
    size_t next_freed_event_ = 0;
    std::vector<std::unique_ptr<GraphSnapshot>> snapshot_storage_;
    ggml_backend_t cpu_ = nullptr; // computes; while there are backends
    double now_us_ = 0;
    uint64_t clock_epoch_ = 0;
};

// The simulator, for the duration of one call.
class Session {
  public:
    Session();
    Simulator * operator->() const { return &simulator_; }
    Simulator & operator*() const { return simulator_; }

  private:
    Simulator & simulator_;
    std::unique_lock<std::mutex> lock_;
};

} // namespace ggml_sched::sim
