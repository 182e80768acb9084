// Streams - what it takes to copy weights to devices ahead of their use: for each backend a second one of the same
// device, whose queue makes the copies, and a ring of device memory that they are made to.
//
// The memory is not the graph allocator's, so that its reuse follows the order of the copies and not that of the nodes.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/topology.h"
#include "split/slots.h"
#include "stream/layout.h"
#include "stream/stream_settings.h"

namespace ggml_sched {

class Streams {
  public:
    // Both must stay. Waits for nothing, and makes nothing yet.
    Streams(const std::vector<host::Backend> & backends, const Topology & topology, const StreamSettings & settings);
    ~Streams();

    Streams(const Streams &) = delete;
    Streams & operator=(const Streams &) = delete;

    // Also frees the memory: nothing may be using it.
    void set(const StreamSettings & settings);
    // Nothing is streamed any more, and the memory is freed; nothing may be using it. The reason is logged.
    void give_up(const char * why);

    // What may be streamed now.
    const StreamLimits & limits();
    // Changes when the limits or the memory do.
    uint64_t number() const { return number_; }
    bool have_memory() const;

    // Lays out what of a graph is streamed, which has been cut by limits().
    void lay_out(const GraphView & graph, const Splits & splits);
    const std::vector<StreamSlots> & slots() const { return slots_; } // by backend
    // Returns the first difference between what was laid out and what the graph needs, or "".
    std::string find_stale(const GraphView & graph, const Splits & splits) const;

    // The memory that fit() frees, because the graph that was laid out needs more.
    std::vector<ggml_backend_buffer_t> in_the_way() const;
    // Makes queues and memory for the graph that was laid out. False: not all of them could be had; the limits are
    // lower now, and the graph has to be cut and laid out again.
    bool fit();

    // Gives the streamed slots of the graph that was laid out their addresses.
    Status place(const Slots & slots) const;

    // Finds out how fast weights get from host memory to the backend, unless that is known, with a graph that was laid
    // out. `send` copies a sample as a plan would, and waits for it.
    struct Sample {
        ggml_tensor * dst;
        const char * data;
        size_t bytes;
        bool pageable;
    };
    using Send = std::function<void(const Sample & sample)>;
    void measure(BackendId backend, const GraphView & graph, const Splits & splits, const Send & send);
    double slots_in_ring(BackendId backend) const; // of the largest weight that is streamed
    double bytes_per_us(BackendId backend) const { return streams_[backend].bytes_per_us; } // 0: not known

    // Makes the queues of all devices. False: not all of them.
    bool make_queues();
    // The backend that makes the copies; NULL before it was made, here or by fit().
    const host::Backend * queue(BackendId backend) const { return streams_[backend].queue.get(); }

  private:
    struct Stream {
        std::unique_ptr<host::Backend> queue;
        ggml_backend_buffer_t memory = nullptr;
        size_t capacity = 0; // the most that the memory may be
        size_t needed = 0;   // by the graph that was laid out
        double bytes_per_us = 0;
        bool has_said_why_not = false;
    };

    void find_capacities();
    void say_what_is_missing(const GraphView & graph, const Splits & splits);
    size_t budget_of(const host::Backend & backend) const;
    bool fit(BackendId backend);
    bool make_queue(BackendId backend);
    void lower_capacity(BackendId backend, size_t capacity);
    static size_t size_of(ggml_backend_buffer_t memory);

    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    StreamSettings settings_;
    std::vector<Stream> streams_; // by backend
    std::vector<StreamSlots> slots_;
    StreamLimits limits_; // empty: not known yet
    uint64_t number_ = 0;
};

} // namespace ggml_sched
