#include "session/scheduler.h"

#include <algorithm>
#include <new>
#include <utility>

#include "host/log.h"
#include "host/topology.h"
#include "observe/listing.h"

namespace ggml_sched {

namespace {

int n_copies_of(const Scheduler::Options & options) {
    if (!options.parallel) {
        return 1;
    }
    return options.n_copies > 0 ? std::min(options.n_copies, kMaxCopies) : kMaxCopies;
}

CopyLimits copy_limits_of(const Scheduler::Options & options) {
    // Larger inputs are copied straight from the caller's memory, and the call returns when the device has them. Runs
    // that overlap pay for a copy on the host rather than for waiting.
    constexpr size_t kSnapshot = size_t{1} << 20;
    constexpr size_t kSnapshotParallel = size_t{64} << 20;
    return {std::min(options.parallel ? kSnapshotParallel : kSnapshot, options.snapshot_limit), SIZE_MAX};
}

} // namespace

std::unique_ptr<Scheduler> Scheduler::create(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                             int n_backends, const Options & options, Status & status) {
    status = check_backends(backends, bufts, n_backends);
    if (!status.ok()) {
        return nullptr;
    }
    std::vector<host::Backend> described;
    described.reserve(static_cast<size_t>(n_backends));
    for (int b = 0; b < n_backends; b++) {
        described.push_back(
            host::describe(backends[b], bufts ? bufts[b] : ggml_backend_get_default_buffer_type(backends[b])));
    }
    std::unique_ptr<Scheduler> scheduler(new Scheduler(std::move(described), options));
    if (const std::string & path = scheduler->settings_.trace; !path.empty()) {
        if (const Status started = scheduler->start_trace(path); !started.ok()) {
            host::log_error(started.message + " (GGML_SCHED_TRACE)");
        }
    }
    return scheduler;
}

Scheduler::Scheduler(std::vector<host::Backend> backends, const Options & options)
    : settings_(read_settings())
    , n_copies_(n_copies_of(options))
    , backends_(std::move(backends))
    , topology_(topology_of(backends_))
    , machine_(machine_of(backends_, topology_, n_copies_))
    , copy_limits_(copy_limits_of(options))
    , cutter_(backends_, rules_, ignored_, {options.op_offload, n_copies_ > 1})
    , buffers_(backends_)
    , streams_(backends_, topology_, settings_.streaming)
    , verifier_(machine_)
    , reallocations_(backends_, settings_)
    , executor_(std::make_unique<Executor>(backends_, topology_, machine_))
    , flight_(machine_, *executor_, verifier_)
    , placer_(backends_, buffers_, spaces_, flight_, rules_, ignored_)
    , streaming_(backends_, topology_, settings_, spaces_, streams_, *executor_, flight_) {
    executor_->keep_weights(settings_.keep_weights);
    if (n_copies_ > 1 && streaming_.make_queues()) {
        copy_limits_.ahead_from = options.ahead_from;
    }
}

void Scheduler::switch_off(plan::Rule rule) {
    rules_.switch_off(rule);
    if (rule == plan::Rule::CallerInputs) {
        copy_limits_.snapshot = 0;
    }
    forget_results();
}

// What was found out for the last graphs does not hold for the next ones.
void Scheduler::forget_results() noexcept {
    cutter_.forget();
    placer_.forget();
    is_lowered_ = false;
    for (LoweredGraph & lowered : lowered_) {
        lowered.forget();
    }
}

void Scheduler::recover() noexcept {
    try {
        flight_.abandon("memory ran out");
    } catch (const std::bad_alloc &) {
        // A trace could not be told that the host has waited.
    }
    reset();
    forget_results();
    reallocations_.forget();
}

int Scheduler::index_of(ggml_backend_t backend) const {
    for (size_t b = 0; b < backends_.size(); b++) {
        if (backends_[b].handle == backend) {
            return static_cast<int>(b);
        }
    }
    return -1;
}

Status Scheduler::assign_by_user(ggml_tensor * tensor, ggml_backend_t backend) {
    const int index = index_of(backend);
    if (!tensor) {
        return Status::failed("set_tensor_backend: the tensor is NULL");
    }
    if (index < 0) {
        return Status::failed(std::string("tensor '") + tensor->name + "' cannot be assigned to " +
                              (backend ? ggml_backend_name(backend) : "a backend that is NULL") +
                              ": it is none of this scheduler's backends; pass one that it was made with");
    }
    user_[tensor] = static_cast<BackendId>(index);
    return {};
}

ggml_backend_t Scheduler::backend_of(const ggml_tensor * tensor) const {
    if (const BackendId backend = cutter_.backend_of(tensor); backend != kNoBackend) {
        return backends_[backend].handle;
    }
    const auto user = user_.find(tensor);
    return user == user_.end() ? nullptr : backends_[user->second].handle;
}

void Scheduler::reset() {
    user_.clear();
    cutter_.let_go();
    graph_ = nullptr;
    is_allocated_ = false;
    is_lowered_ = false;
}

// Looks at the graph that is to be cut, and takes away what earlier allocations have given to its tensors.
Status Scheduler::take(ggml_cgraph * graph, EarlierPlaces & earlier) {
    if (!graph) {
        return Status::failed("the graph is NULL");
    }
    if (!host::is_complete(graph)) {
        return Status::failed("the graph was too small for its nodes and is incomplete; make it with a larger size "
                              "(ggml_new_graph_custom)");
    }
    const bool was_allocated = std::exchange(is_allocated_, false);
    is_lowered_ = false;
    graph_ = graph;
    offered_ = !copy_callback_.function          ? Offered::Nothing
               : settings_.streaming.budget == 0 ? Offered::AllWeights
                                                 : Offered::WholeCopies;
    host::set_identity(graph);
    identity_ = host::identity_of(graph);
    if (!settings_.reuse || std::exchange(is_stale_, false)) {
        cutter_.forget();
        placer_.forget_places();
    }
    cutter_.take(graph);
    if (!view().has_owned_buffers()) {
        return {};
    }
    static const std::vector<LastingTensor> kNone;
    Status status = earlier.find(view(), buffers_.owner(), was_allocated ? placer_.lasting() : kNone);
    if (status.ok() && !earlier.are_none()) {
        if (earlier.have_contents()) {
            flight_.synchronize();
        }
        earlier.take_away();
        cutter_.take(graph);
    }
    return status;
}

// The stages up to the split, and the list of what is to be allocated.
Status Scheduler::cut(Memory memory) {
    if (Status status = cut_and_stream(memory); !status.ok()) {
        return status;
    }
    slots_.make(view(), splits(), backends_, n_copies_, turn_);
    if (memory == Memory::Needed) {
        if (Status status = streams_.place(slots_); !status.ok()) {
            return status;
        }
    }
    if (settings_.debug > 0) {
        host::log_debug(observe::listing_of(view(), splits(), assignment(), backends_, settings_.debug > 1));
    }
    split_graphs_.prepare(cutter_.view(), graph_, splits(), slots_, backends_);
    return {};
}

// Cuts the graph, and gets the memory for streaming; where there is less than that takes, it is cut again.
Status Scheduler::cut_and_stream(Memory memory) {
    while (true) {
        const uint64_t before = cutter_.streamed_number();
        if (Status status = cutter_.cut(user_, streaming_.limits(mode()), offered_ != Offered::Nothing); !status.ok()) {
            return status;
        }
        if (cutter_.streamed_number() != before) {
            streams_.lay_out(view(), splits());
        }
        if (settings_.verify) {
            if (Status status = prove_cut(); !status.ok()) {
                return status;
            }
        }
        if (memory != Memory::Needed) {
            return {};
        }
        bool fits = false;
        if (Status status = streaming_.get_memory(view(), splits(), fits); !status.ok() || fits) {
            return status;
        }
    }
}

void Scheduler::set_streaming(const StreamSettings & settings) {
    flight_.synchronize();
    reset();
    settings_.streaming = settings;
    streaming_.set(settings);
}

// Is memory for anything else missing that streaming can give back? Then it has, and cutting the graph again helps.
bool Scheduler::has_made_room(const Status & status) {
    if (status.code != GGML_STATUS_ALLOC_FAILED || !streaming_.give_memory_back()) {
        return false;
    }
    split_graphs_.restore();
    cutter_.take(graph_);
    return true;
}

Status Scheduler::split(ggml_cgraph * graph) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier);
    return status.ok() ? cut(Memory::None) : status;
}

Status Scheduler::reserve_size(ggml_cgraph * graph, size_t * sizes) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier);
    if (status.ok()) {
        status = cut(Memory::None);
    }
    if (status.ok()) {
        status = placer_.measure(cut_graph(), split_graphs_, sizes);
    }
    reset();
    return status;
}

Status Scheduler::reserve(ggml_cgraph * graph) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier);
    if (status.ok()) {
        do {
            status = cut(Memory::Needed);
            if (status.ok()) {
                status = placer_.reserve(cut_graph(), split_graphs_, cutter_.number());
            }
        } while (has_made_room(status));
        reallocations_.note(cut_graph());
    }
    reset();
    return status;
}

Status Scheduler::allocate(ggml_cgraph * graph, Inputs inputs) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    turn_ = next_turn_;
    next_turn_ = (next_turn_ + 1) % n_copies_;
    Status status = take(graph, earlier);
    if (status.ok() && inputs == Inputs::Written && earlier.lost_input()) {
        status = Status::failed(std::string("the graph is not allocated any more, and '") + earlier.lost_input()->name +
                                "' has lost its value; call ggml_backend_sched_alloc_graph and write the inputs, then "
                                "compute the graph");
    }
    if (status.ok()) {
        status = find_and_give_places();
    }
    if (!status.ok()) {
        reset();
        return status;
    }
    earlier.give_back();
    is_allocated_ = true;
    return {};
}

Status Scheduler::find_and_give_places() {
    Status status;
    bool is_told = false; // the caller, of buffers that are replaced
    do {
        status = cut(Memory::Needed);
        if (status.ok()) {
            status = placer_.find(cut_graph(), split_graphs_, cutter_.number());
        }
        if (status.ok() && settings_.verify) {
            status = prove_places();
        }
        if (status.ok() && placer_.must_grow() && !std::exchange(is_told, true)) {
            status = reallocations_.tell(graph_, cut_graph());
        }
        if (status.ok()) {
            status = placer_.give(cut_graph());
        }
    } while (has_made_room(status));
    if (status.ok()) {
        std::shared_ptr<const plan::History> unknown;
        status = placer_.wait_for_inputs(view(), settings_.reuse ? lowered_[turn_].inputs_are_free(key()) : unknown);
        if (status.ok() && settings_.verify && placer_.must_wait_for_inputs(view())) {
            status = stale("inputs: an earlier run may still use their memory, and it is kept that none does");
        }
        if (!status.ok()) {
            placer_.take_back(view(), splits());
        }
    }
    reallocations_.note(cut_graph());
    return status;
}

void Scheduler::unallocate() {
    if (is_allocated_) {
        flight_.synchronize();
        placer_.take_back(view(), splits());
    }
    reset();
}

CutGraph Scheduler::cut_graph() const {
    return {view(), splits(), slots_, assignment()};
}

} // namespace ggml_sched
