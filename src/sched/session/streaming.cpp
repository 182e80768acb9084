#include "session/streaming.h"

#include <algorithm>
#include <utility>

#include "host/clock.h"
#include "host/log.h"
#include "host/registered_buffers.h"
#include "host/tuning.h"
#include "lower/lower.h"

namespace ggml_sched {

namespace {

// SampleMemory - device memory to measure a link with. A failure may leave a copy to it in flight, so the destructor
// waits before it frees the memory.
class SampleMemory {
  public:
    SampleMemory(ggml_backend_buffer_type_t buft, size_t bytes, const host::Backend & queue)
        : queue_(queue)
        , buffer_(ggml_backend_buft_alloc_buffer(buft, bytes))
        , tensor_(host::bytes_at(nullptr, nullptr, bytes)) {}
    ~SampleMemory() {
        if (buffer_) {
            host::synchronize(queue_.handle);
            ggml_backend_buffer_free(buffer_);
        }
    }
    SampleMemory(const SampleMemory &) = delete;
    SampleMemory & operator=(const SampleMemory &) = delete;

    // Returns a tensor of all the memory; NULL if there is no memory.
    ggml_tensor * tensor() {
        const bool is_placed =
            buffer_ && host::place(&tensor_, buffer_, ggml_backend_buffer_get_base(buffer_)) == GGML_STATUS_SUCCESS;
        return is_placed ? &tensor_ : nullptr;
    }

  private:
    const host::Backend & queue_;
    ggml_backend_buffer_t buffer_;
    ggml_tensor tensor_;
};

} // namespace

Streaming::Streaming(const std::vector<host::Backend> & backends, const Topology & topology, const Settings & settings,
                     Spaces & spaces, StreamRings & streams, Executor & executor, InFlight & flight)
    : backends_(backends)
    , topology_(topology)
    , settings_(settings)
    , spaces_(spaces)
    , streams_(streams)
    , executor_(executor)
    , in_flight_(flight) {}

bool Streaming::make_queues() {
    const bool all = streams_.make_queues();
    use_queues();
    return all;
}

// Tells the executor of the queues that exist.
void Streaming::use_queues() {
    for (size_t b = 0; b < backends_.size(); b++) {
        if (const host::Backend * queue = streams_.queue(static_cast<BackendId>(b))) {
            executor_.use_stream(topology_.stream_of[b], *queue);
        }
    }
}

void Streaming::set(const StreamSettings & settings) {
    streams_.set(settings);
}

bool Streaming::register_sources(const GraphView & graph, const Splits & splits, size_t least_bytes) const {
    bool are_new = false;
    for (const bool are_caches : {true, false}) {
        ggml_backend_buffer_t last = nullptr;
        for (const InputCopy & copy : splits.copies) {
            const bool is_one = copy.streamed && copy.cache == are_caches;
            const ggml_backend_buffer_t buffer = is_one ? host::buffer_of(graph.tensor(copy.tensor)) : nullptr;
            if (buffer && std::exchange(last, buffer) != buffer) {
                are_new =
                    host::register_buffer(buffer, backends_[copy.backend], backends_.back(), least_bytes) || are_new;
            }
        }
    }
    return are_new;
}

Status Streaming::get_memory(const StreamPlan & plan, const GraphView & graph, const Splits & splits, bool & fits) {
    if (Status status = wait_for_old_memory(plan); !status.ok()) {
        return status;
    }
    fits = streams_.fit(plan);
    use_queues();
    if (fits) {
        measure_link(plan, graph, splits);
    }
    return {};
}

// Waits for what uses the memory that get_memory() frees.
Status Streaming::wait_for_old_memory(const StreamPlan & plan) {
    const std::vector<ggml_backend_buffer_t> old = streams_.in_the_way(plan);
    bool waited = false;
    return old.empty() ? Status{} : in_flight_.wait_before(lower_freeing(old, spaces_), plan::Rules(), waited);
}

bool Streaming::give_memory_back() {
    if (!streams_.have_memory()) {
        return false;
    }
    in_flight_.abandon("memory for streaming weights is given back");
    streams_.give_up("the memory is needed for something else");
    return true;
}

// Measures the speed of the link, which only ExpertChoice needs. Where a sample cannot be sent, it stays unknown.
void Streaming::measure_link(const StreamPlan & plan, const GraphView & graph, const Splits & splits) {
    const BackendId backend = plan.experts.backend;
    const bool has_choice = plan.experts.bytes > 0 && plan.experts.have_ids;
    ggml_tensor * const weight = has_choice ? streams_.sample_for(backend, plan, graph, splits) : nullptr;
    if (!weight) {
        return;
    }
    const size_t bytes = std::min(ggml_nbytes(weight), Tuning::kLinkSample);
    SampleMemory memory(backends_[backend].buft, bytes, *streams_.queue(backend));
    ggml_tensor * const target = memory.tensor();
    const host::Clock clock({*streams_.queue(backend)});
    for (int i = 0; target && i < Tuning::kLinkSamples; i++) {
        const double begin = clock.now_us();
        if (!send_sample(weight, target, bytes, backend).ok()) {
            return;
        }
        streams_.note_speed(backend, static_cast<double>(bytes) / (clock.now_us() - begin));
    }
}

// Copies a sample as a plan would, and waits until it has arrived.
Status Streaming::send_sample(ggml_tensor * weight, ggml_tensor * target, size_t bytes, BackendId backend) {
    const bool is_pinned = host::is_pinned_for(backends_[backend], host::memory_type_of(host::buffer_of(weight)));
    const bool is_staged = !is_pinned && executor_.prepare_staging(topology_.stream_of[backend], 0);
    return in_flight_.run(lower_sample(weight, target, bytes, backend, is_staged, topology_, spaces_));
}

Status Streaming::run(const plan::Plan & plan, RunBindings bindings, const Observer & observer,
                      const StreamPlan & streams, size_t in_banks) {
    if (executor_.has_listener()) {
        bindings.note = choice_.text_of(streams.experts.batch);
    }
    if (streams.experts.have_ids && !streams.whole_experts) {
        return run_by_ids(plan, bindings, observer, streams, in_banks);
    }
    choice_.note_whole(streams.experts.batch);
    executor_.stats.expert_runs_whole++;
    return executor_.run(plan, bindings, observer);
}

// Performs a plan that sends experts by their ids, and measures it.
Status Streaming::run_by_ids(const plan::Plan & plan, const RunBindings & bindings, const Observer & observer,
                             const StreamPlan & streams, size_t in_banks) {
    const StreamedExperts & experts = streams.experts;
    const size_t sent_whole = experts.bytes - std::min(experts.bytes, in_banks);
    const host::Clock clock(backends_);
    const double begin = clock.now_us();
    Status status = executor_.run(plan, bindings, observer);
    executor_.stats.expert_runs_by_ids++;
    executor_.stats.expert_bytes_sent += executor_.bytes_by_ids();
    executor_.stats.expert_bytes_of_all += experts.bytes;
    const double rate = streams_.bytes_per_us(experts.backend);
    if (rate > 0 && status.ok()) { // The rate is 0 if the link could not be measured.
        const ExpertChoice::Run run = {clock.now_us() - begin, static_cast<double>(executor_.bytes_by_ids()) / rate,
                                       static_cast<double>(sent_whole) / rate, streams.slots_in_ring(experts.backend),
                                       backends_[experts.backend].overlaps};
        if (choice_.note_by_ids(experts.batch, run) && settings_.debug > 0) {
            host::log_debug("ggml-sched: " + choice_.text_of(experts.batch) + "\n");
        }
    }
    return status;
}

} // namespace ggml_sched
