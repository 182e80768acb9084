#include "stream/rings.h"

#include <algorithm>
#include <utility>

#include "host/execute.h"
#include "host/log.h"
#include "host/tuning.h"

namespace ggml_sched {

namespace {

// Frees a second backend.
struct Free {
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
};
using BackendPtr = std::unique_ptr<ggml_backend, Free>;

// Returns the limits of a ring of at most `capacity` bytes. A ring of no bytes streams nothing.
StreamLimit limit_of(size_t capacity, bool is_auto) {
    return {std::min(Tuning::kMostPerSplit, capacity / Tuning::kSplitsInRing), capacity / 2,
            is_auto ? Tuning::kLeastMean : 0, is_auto ? Tuning::kLeastCache : 0};
}

std::string mib(size_t bytes) {
    return std::to_string(bytes / Tuning::kMiB) + " MiB";
}

} // namespace

StreamRings::StreamRings(const std::vector<host::Backend> & backends, const Topology & topology,
                         const StreamSettings & settings)
    : backends_(backends)
    , topology_(topology)
    , settings_(settings)
    , streams_(backends.size())
    , kept_(backends.size()) {}

StreamRings::~StreamRings() {
    for (Stream & stream : streams_) {
        ggml_backend_buffer_free(stream.memory);
        if (stream.queue) {
            ggml_backend_free(stream.queue->handle);
        }
    }
}

void StreamRings::set(const StreamSettings & settings) {
    settings_ = settings;
    limits_.clear();
    for (Stream & stream : streams_) {
        ggml_backend_buffer_free(stream.memory);
        stream.memory = nullptr;
    }
    forget_contents();
}

// Notes that the memory or its limits have changed, and that the rings hold nothing.
void StreamRings::forget_contents() {
    number_++;
    std::for_each(kept_.begin(), kept_.end(), [](KeptWeights & weights) { weights.forget(); });
}

void StreamRings::give_up(const char * why) {
    host::log_warning(std::string("weights are not streamed any more: ") + why);
    set({0, 0});
}

const StreamLimits & StreamRings::limits() {
    if (limits_.empty()) {
        find_capacities();
    }
    return limits_;
}

// Finds how large the ring of each backend may be, and its limits.
void StreamRings::find_capacities() {
    const size_t by_default = settings_.budget == StreamSettings::kAuto ? Tuning::kLookahead : settings_.budget;
    const size_t lookahead = settings_.lookahead == 0 ? by_default : settings_.lookahead;
    limits_.assign(backends_.size(), {});
    for (size_t b = 0; b < backends_.size() && settings_.budget > 0; b++) {
        if (topology_.stream_of[b] == plan::kHost) {
            continue;
        }
        lower_capacity(static_cast<BackendId>(b), std::min(budget_of(backends_[b]), lookahead));
    }
}

// Returns the bytes that the settings grant to the ring of a backend.
size_t StreamRings::budget_of(const host::Backend & backend) const {
    if (settings_.budget != StreamSettings::kAuto) {
        return settings_.budget;
    }
    const size_t share = host::free_memory(backend) / Tuning::kShareOfFree;
    return share < Tuning::kLeastAuto ? 0 : share;
}

// Sets how large a ring may be, and the limits that follow.
void StreamRings::lower_capacity(BackendId backend, size_t capacity) {
    streams_[backend].capacity = capacity;
    limits_[backend] = limit_of(capacity, settings_.budget == StreamSettings::kAuto);
    number_++;
}

bool StreamRings::have_memory() const {
    return std::any_of(streams_.begin(), streams_.end(), [](const Stream & stream) { return stream.memory; });
}

std::vector<RingMemory> StreamRings::memory() const {
    std::vector<RingMemory> result;
    for (const Stream & stream : streams_) {
        result.push_back({stream.capacity, size_of(stream.memory)});
    }
    return result;
}

// Warns a user who has set a budget. In auto, it only writes to the debug log.
void StreamRings::say_what_is_missing(const GraphView & graph, const Splits & splits) {
    for (const InputCopy & copy : splits.copies) {
        Stream & stream = streams_[copy.backend];
        const ggml_backend_buffer_t buffer = host::buffer_of(graph.tensor(copy.tensor));
        if (settings_.budget == 0 || stream.has_said_why_not || topology_.stream_of[copy.backend] != plan::kHost ||
            !buffer || !host::is_weights(buffer) || !host::is_host(buffer)) {
            continue;
        }
        const host::Backend & backend = backends_[copy.backend];
        const std::string text = "weights are not streamed to " + backend.name + ": " +
                                 (!backend.set_async ? "it has no asynchronous copies"
                                  : !backend.events  ? "it has no events"
                                                     : "there are too many backends for a queue of its own");
        if (settings_.budget == StreamSettings::kAuto) {
            host::log_debug("ggml-sched: " + text + "\n");
        } else {
            host::log_warning(text);
        }
        stream.has_said_why_not = true;
    }
}

size_t StreamRings::size_of(ggml_backend_buffer_t memory) {
    return memory ? ggml_backend_buffer_get_size(memory) : 0;
}

std::vector<ggml_backend_buffer_t> StreamRings::in_the_way(const StreamPlan & plan) const {
    std::vector<ggml_backend_buffer_t> result;
    for (size_t b = 0; b < plan.rings.size(); b++) {
        if (streams_[b].memory && plan.rings[b].bytes > size_of(streams_[b].memory)) {
            result.push_back(streams_[b].memory);
        }
    }
    return result;
}

bool StreamRings::fit(const StreamPlan & plan) {
    bool ok = true;
    for (size_t b = 0; b < plan.rings.size(); b++) {
        ok = fit(static_cast<BackendId>(b), plan.rings[b].bytes) && ok;
    }
    return ok;
}

bool StreamRings::fit(BackendId backend, size_t needed) {
    Stream & stream = streams_[backend];
    if (needed <= size_of(stream.memory)) {
        return true;
    }
    if (!make_queue(backend)) {
        host::log_warning("weights are not streamed to " + backends_[backend].name +
                          ": its device makes no second queue");
        lower_capacity(backend, 0);
        return false;
    }
    ggml_backend_buffer_free(std::exchange(stream.memory, nullptr));
    forget_contents();
    stream.memory = ggml_backend_buft_alloc_buffer(backends_[backend].buft, needed);
    if (!stream.memory) {
        host::log_warning("no " + mib(needed) + " on " + backends_[backend].name +
                          " for streaming weights; trying with half of it");
        lower_capacity(backend, std::min(needed, stream.capacity) / 2);
        return false;
    }
    // Backends clear the padding in a buffer of weights when a tensor is placed. Something else may still use these
    // bytes.
    ggml_backend_buffer_set_usage(stream.memory, GGML_BACKEND_BUFFER_USAGE_COMPUTE);
    return true;
}

bool StreamRings::make_queues() {
    bool ok = true;
    for (size_t b = 0; b < streams_.size(); b++) {
        ok = (topology_.stream_of[b] == plan::kHost || make_queue(static_cast<BackendId>(b))) && ok;
    }
    return ok;
}

// Makes the second backend unless it exists. Returns false if the device refuses it.
bool StreamRings::make_queue(BackendId backend) {
    Stream & stream = streams_[backend];
    if (!stream.queue) {
        BackendPtr handle(host::second_backend(backends_[backend]));
        if (!handle) {
            return false;
        }
        auto queue = std::make_unique<host::Backend>(host::describe(handle.get(), backends_[backend].buft));
        queue->keeps_records = backends_[backend].keeps_records; // Tests set it.
        queue->name = backends_[backend].name + " stream";
        stream.queue = std::move(queue);
        (void) handle.release(); // the destructor frees it
    }
    return true;
}

ggml_tensor * StreamRings::sample_for(BackendId backend, const StreamPlan & plan, const GraphView & graph,
                                      const Splits & splits) const {
    const Stream & stream = streams_[backend];
    ggml_tensor * sample = nullptr;
    for (const StreamSlot & slot : plan.rings[backend].slots) {
        const InputCopy & copy = splits.copies[slot.copy];
        ggml_tensor * const weight = graph.tensor(copy.tensor);
        sample = copy.cache || (sample && ggml_nbytes(weight) <= ggml_nbytes(sample)) ? sample : weight;
    }
    return stream.queue && stream.bytes_per_us <= 0 ? sample : nullptr;
}

void StreamRings::note_speed(BackendId backend, double bytes_per_us) {
    streams_[backend].bytes_per_us = std::max(streams_[backend].bytes_per_us, bytes_per_us);
}

Status StreamRings::place(const StreamPlan & plan, const Slots & slots) const {
    for (size_t b = 0; b < plan.rings.size(); b++) {
        char * base =
            streams_[b].memory ? static_cast<char *>(ggml_backend_buffer_get_base(streams_[b].memory)) : nullptr;
        for (const StreamSlot & slot : plan.rings[b].slots) {
            const ggml_status code = host::place(slots.of(slot.copy), streams_[b].memory, base + slot.offset);
            if (code != GGML_STATUS_SUCCESS) {
                return {code, "a streamed weight could not be placed on " + backends_[b].name};
            }
        }
    }
    return {};
}

} // namespace ggml_sched
