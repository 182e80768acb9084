// StreamRings - what copies to devices ahead of their use need. Each backend gets a second backend of the same device,
// whose queue makes the copies, and a ring of device memory as their target.
//
// The graph allocator does not own this memory. So its reuse follows the order of the copies, not of the nodes.

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
    // The first two must stay. Makes no queue and no memory yet.
    StreamRings(const std::vector<host::Backend> & backends, const Topology & topology,
                const StreamSettings & settings);
    ~StreamRings();

    StreamRings(const StreamRings &) = delete;
    StreamRings & operator=(const StreamRings &) = delete;

    // Changes the settings, and frees the memory: nothing may be using it.
    void set(const StreamSettings & settings);
    // Ends streaming, frees the memory and logs the reason: nothing may be using the memory.
    void give_up(const char * why);

    // Returns what may be streamed now.
    const StreamLimits & limits();
    // Returns another number whenever the limits or the memory have changed.
    uint64_t number() const { return number_; }
    bool have_memory() const;

    // Returns the memory of each backend, for plan_streams() of a graph that was cut by limits().
    std::vector<RingMemory> memory() const;
    // Logs, once for each backend, why weights are not streamed to it although these splits copy some there.
    void say_what_is_missing(const GraphView & graph, const Splits & splits);

    // Returns the memory that fit() frees because the plan needs more.
    std::vector<ggml_backend_buffer_t> in_the_way(const StreamPlan & plan) const;
    // Makes queues and memory for a plan. False: not all of them could be had; the limits are lower now, and the graph
    // has to be cut and planned again.
    bool fit(const StreamPlan & plan);

    // Gives the streamed copies of a plan that fits their addresses.
    Status place(const StreamPlan & plan, const Slots & slots) const;

    // Returns the weight to measure the link to the backend with; NULL: the speed is known, or there is none.
    ggml_tensor * sample_for(BackendId backend, const StreamPlan & plan, const GraphView & graph,
                             const Splits & splits) const;
    void note_speed(BackendId backend, double bytes_per_us);
    double bytes_per_us(BackendId backend) const { return streams_[backend].bytes_per_us; } // 0: not known

    // By backend: what its ring holds.
    std::vector<KeptWeights> & kept() { return kept_; }

    // Makes the queues of all devices. False: not all of them.
    bool make_queues();
    // The backend that makes the copies; NULL before it was made, here or by fit().
    const host::Backend * queue(BackendId backend) const { return streams_[backend].queue.get(); }

  private:
    struct Stream {
        std::unique_ptr<host::Backend> queue;
        ggml_backend_buffer_t memory = nullptr;
        size_t capacity = 0; // the most that the memory may be
        double bytes_per_us = 0;
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
    std::vector<Stream> streams_; // by backend
    std::vector<KeptWeights> kept_;
    StreamLimits limits_; // empty: not known yet
    uint64_t number_ = 0;
};

} // namespace ggml_sched
