#include "session/streaming.h"

#include "host/clock.h"
#include "host/log.h"
#include "lower/lower.h"

namespace ggml_sched {

Streaming::Streaming(const std::vector<host::Backend> & backends, const Topology & topology, const Settings & settings,
                     Spaces & spaces, Streams & streams, Executor & executor, Flight & flight)
    : backends_(backends)
    , topology_(topology)
    , settings_(settings)
    , spaces_(spaces)
    , streams_(streams)
    , executor_(executor)
    , flight_(flight) {}

bool Streaming::make_queues() {
    const bool all = streams_.make_queues();
    use_queues();
    return all;
}

void Streaming::use_queues() {
    for (size_t b = 0; b < backends_.size(); b++) {
        if (const host::Backend * queue = streams_.queue(static_cast<BackendId>(b))) {
            executor_.use_stream(topology_.stream_of[b], *queue);
        }
    }
}

void Streaming::set(const StreamSettings & settings) {
    streams_.set(settings);
    executor_.forget_weights();
}

const StreamLimits & Streaming::limits(plan::Mode mode) {
    static const StreamLimits kNothing;
    return mode == plan::Mode::Auto ? streams_.limits() : kNothing;
}

Status Streaming::get_memory(const GraphView & graph, const Splits & splits, bool & fits) {
    if (Status status = wait_for_old_memory(); !status.ok()) {
        return status;
    }
    const uint64_t before = streams_.number();
    fits = streams_.fit();
    if (streams_.number() != before) {
        executor_.forget_weights();
    }
    use_queues();
    if (fits) {
        measure_link(graph, splits);
    }
    return {};
}

Status Streaming::wait_for_old_memory() {
    const std::vector<ggml_backend_buffer_t> old = streams_.in_the_way();
    bool waited = false;
    return old.empty() ? Status{} : flight_.wait_before(lower_freeing(old, spaces_), plan::Rules(), waited);
}

bool Streaming::give_memory_back() {
    if (!streams_.have_memory()) {
        return false;
    }
    flight_.abandon("memory for streaming weights is given back");
    streams_.give_up("the memory is needed for something else");
    executor_.forget_weights();
    return true;
}

// Only the choice between ways to stream experts needs it.
void Streaming::measure_link(const GraphView & graph, const Splits & splits) {
    const StreamedExperts & experts = splits.experts;
    if (experts.bytes > 0 && experts.have_ids) {
        const plan::Lane lane = topology_.stream_of[experts.backend];
        const auto send = [&](const Streams::Sample & sample) {
            executor_.send_sample(lane, sample.dst, sample.data, sample.bytes, sample.pageable);
        };
        streams_.measure(experts.backend, graph, splits, send);
    }
}

Status Streaming::run(const plan::Plan & plan, Work work, const Observer & observer, const StreamedExperts & experts) {
    if (experts.bytes == 0) {
        return executor_.run(plan, work, observer);
    }
    if (executor_.has_listener()) {
        work.note = gate_.text_of(experts.batch);
    }
    if (experts.have_ids && !streams_whole(experts)) {
        return run_by_ids(plan, work, observer, experts);
    }
    gate_.note_whole(experts.batch);
    executor_.stats.expert_runs_whole++;
    return executor_.run(plan, work, observer);
}

Status Streaming::run_by_ids(const plan::Plan & plan, const Work & work, const Observer & observer,
                             const StreamedExperts & experts) {
    const host::Clock clock(backends_);
    const double begin = clock.now_us();
    Status status = executor_.run(plan, work, observer);
    executor_.stats.expert_runs_by_ids++;
    executor_.stats.expert_bytes_sent += executor_.bytes_by_ids();
    executor_.stats.expert_bytes_of_all += experts.bytes;
    const double rate = streams_.bytes_per_us(experts.backend);
    if (rate > 0 && status.ok()) { // 0: there was no memory to measure the link with
        const ExpertChoice::Run run = {clock.now_us() - begin, static_cast<double>(executor_.bytes_by_ids()) / rate,
                                     static_cast<double>(experts.bytes) / rate,
                                     streams_.slots_in_ring(experts.backend)};
        if (gate_.note_by_ids(experts.batch, run) && settings_.debug > 0) {
            host::log_debug("ggml-sched: " + gate_.text_of(experts.batch) + "\n");
        }
    }
    return status;
}

} // namespace ggml_sched
