// Streaming - brings what is decided in stream/ together with what is in flight: gets memory when nothing uses the old
// one any more, gives it back when it is needed elsewhere, and measures what the choice between ways to stream experts
// depends on. Where streaming is off, nothing here runs but what makes queues for other large inputs.

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
    // All arguments must stay; the rings must outlive the executor, which uses their queues.
    Streaming(const std::vector<host::Backend> & backends, const Topology & topology, const Settings & settings,
              Spaces & spaces, StreamRings & streams, Executor & executor, InFlight & flight);

    // Makes the queues of all devices, for more than weights. False: not all of them.
    bool make_queues();

    // Nothing may be in flight.
    void set(const StreamSettings & settings);
    void keep_weights(bool keep) { executor_.keep_weights(keep ? &streams_.kept() : nullptr); }

    // Gets the memory that a plan needs, and measures the link to its experts. `fits` says if there was enough; if not,
    // the limits are lower now, and the graph has to be cut and planned again.
    Status get_memory(const StreamPlan & plan, const GraphView & graph, const Splits & splits, bool & fits);
    // Memory for something else has run out: what streaming has is given back, and it ends. False: it has none.
    bool give_memory_back();

    bool streams_whole(const StreamedExperts & experts) const { return choice_.streams_whole(experts.batch); }
    // Performs the plan of a graph that streams experts, and measures it if they are sent by their ids.
    Status run(const plan::Plan & plan, RunBindings bindings, const Observer & observer, const StreamPlan & streams);

  private:
    Status run_by_ids(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer,
                      const StreamPlan & streams);
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
