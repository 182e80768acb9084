// StreamRings - the queues and the memory that streaming needs. Each backend gets a second backend of the same device,
// whose queue makes the copies, and a ring of device memory as their target.
//
// StreamRings owns the second backends and the memory. The graph allocator does not know this memory, so the memory is
// used again in the order of the copies, not of the nodes. One thread at a time uses a StreamRings.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "split/slots.h"
#include "stream/kept_weights.h"
#include "stream/plan.h"
#include "stream/stream_settings.h"

namespace ggml_sched {

class StreamRings {
  public:
    // `backends` and `topology` must stay. The constructor makes no queue and no memory.
    StreamRings(const std::vector<host::Backend> & backends, const Topology & topology,
                const StreamSettings & settings);
    ~StreamRings();

    StreamRings(const StreamRings &) = delete;
    StreamRings & operator=(const StreamRings &) = delete;

    // Changes the settings, and frees the memory. Nothing may use the memory.
    void set(const StreamSettings & settings);
    // Ends streaming, frees the memory and logs the reason. Nothing may use the memory.
    void give_up(const char * why);

    // Returns what may be streamed now.
    const StreamLimits & limits();
    // Returns another number whenever the limits or the memory have changed.
    uint64_t number() const { return number_; }
    // Returns true if a backend has a ring.
    bool have_memory() const;

    // Returns the memory of each backend. plan_streams() takes it for a graph that was cut by limits().
    std::vector<RingMemory> memory() const;
    // Logs why weights that these splits copy to a backend are not streamed there. Logs once for each backend.
    void say_what_is_missing(const GraphView & graph, const Splits & splits);

    // Returns the memory that fit() frees because the plan needs more.
    std::vector<ggml_backend_buffer_t> in_the_way(const StreamPlan & plan) const;
    // Makes queues and memory for a plan. Returns false if a device refuses one of them. The limits are lower then, and
    // the graph has to be cut and planned again.
    bool fit(const StreamPlan & plan);

    // Gives the copies of a plan their addresses. fit() has returned true for the plan.
    Status place(const StreamPlan & plan, const Slots & slots) const;

    // Returns the weight to measure the link to the backend with. NULL if the speed is known, or no weight is streamed.
    ggml_tensor * sample_for(BackendId backend, const StreamPlan & plan, const GraphView & graph,
                             const Splits & splits) const;
    // Notes a measured speed. The highest one counts.
    void note_speed(BackendId backend, double bytes_per_us);
    // Returns the speed of the link to a backend; 0 if it is not known.
    double bytes_per_us(BackendId backend) const { return streams_[backend].bytes_per_us; }

    // Returns, by backend, what its ring holds.
    std::vector<KeptWeights> & kept() { return kept_; }

    // Makes the queues of all devices. Returns false if a device refuses one.
    bool make_queues();
    // Returns the second backend, which makes the copies. NULL if neither make_queues() nor fit() has made it yet.
    const host::Backend * queue(BackendId backend) const { return streams_[backend].queue.get(); }

  private:
    // Stream - what one backend has for streaming
    struct Stream {
        std::unique_ptr<host::Backend> queue;
        ggml_backend_buffer_t memory = nullptr; // the ring; NULL if there is none
        size_t capacity = 0;                    // most bytes that the ring may have
        double bytes_per_us = 0;                // speed of the link; 0 if it is not known
        bool has_said_why_not = false;
    };

    void forget_contents();
    void find_capacities();
    size_t budget_of(const host::Backend & backend) const;
    bool fit(BackendId backend, size_t needed);
    bool make_queue(BackendId backend);
    void lower_capacity(BackendId backend, size_t capacity);
    static size_t size_of(ggml_backend_buffer_t memory);

    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    StreamSettings settings_;
    std::vector<Stream> streams_;   // by backend
    std::vector<KeptWeights> kept_; // by backend
    StreamLimits limits_;           // empty if they are not known yet
    uint64_t number_ = 0;
};

} // namespace ggml_sched
