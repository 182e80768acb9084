// Streaming - brings what stream/ decides together with what is in flight. It gets memory when nothing uses the old
// memory any more, and gives memory back that is needed elsewhere. It also measures the times that ExpertChoice needs.
// Where streaming is off, it only makes queues for other large inputs.
//
// Streaming owns the ExpertChoice; the scheduler owns the rings and the executor. One thread at a time uses it.

#pragma once

#include <memory>

#include "exec/executor.h"
#include "lower/spaces.h"
#include "session/in_flight.h"
#include "session/settings.h"
#include "stream/expert_choice.h"
#include "stream/rings.h"

namespace ggml_sched {

class Streaming {
  public:
    // All arguments must stay. The rings must outlive the executor, which uses their queues.
    Streaming(const std::vector<host::Backend> & backends, const Topology & topology, const Settings & settings,
              Spaces & spaces, StreamRings & streams, Executor & executor, InFlight & flight);

    // Makes the queues of all devices, which then carry other large inputs, too. Returns false if a device refuses one.
    bool make_queues();

    // Changes the settings. Nothing may be in flight.
    void set(const StreamSettings & settings);
    // Lets the executor keep weights in the rings; see Executor::keep_weights().
    void keep_weights(bool keep) { executor_.keep_weights(keep ? &streams_.kept() : nullptr); }

    // Registers caches and weights in pageable memory with the device that they are streamed to, so that it reads them
    // by itself. Returns true if there are new ones. What is known of the graph's buffers is then out of date.
    // Buffers of less than `least_bytes` stay as they are.
    bool register_sources(const GraphView & graph, const Splits & splits, size_t least_bytes) const;

    // Gets the memory that a plan needs, and measures the link to its experts. If there is too little memory, `fits` is
    // false and the limits are lower. The graph then has to be cut and planned again.
    Status get_memory(const StreamPlan & plan, const GraphView & graph, const Splits & splits, bool & fits);
    // Gives all memory back and ends streaming, since memory for something else has run out. Returns false if streaming
    // has no memory.
    bool give_memory_back();

    // Returns true if all experts are to be sent ahead; see ExpertChoice.
    bool streams_whole(const StreamedExperts & experts) const { return choice_.streams_whole(experts.batch); }
    // Performs the plan of a graph that streams experts, and measures it if they are sent by their ids. Of all experts,
    // `in_banks` bytes lie in banks of the device, and are not sent.
    Status run(const plan::Plan & plan, RunBindings bindings, const Observer & observer, const StreamPlan & streams,
               size_t in_banks);

  private:
    Status run_by_ids(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer,
                      const StreamPlan & streams, size_t in_banks);
    void use_queues();
    Status wait_for_old_memory(const StreamPlan & plan);
    void measure_link(const StreamPlan & plan, const GraphView & graph, const Splits & splits);
    Status send_sample(ggml_tensor * weight, ggml_tensor * target, size_t bytes, BackendId backend);

    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    const Settings & settings_;
    Spaces & spaces_;
    StreamRings & streams_;
    Executor & executor_;
    InFlight & in_flight_;
    ExpertChoice choice_;
};

} // namespace ggml_sched
