#include "session/scheduler.h"

#include <algorithm>
#include <new>
#include <utility>

#include "host/log.h"
#include "host/owned_buffers.h"
#include "host/registered_buffers.h"
#include "host/topology.h"
#include "host/tuning.h"
#include "observe/listing.h"

namespace ggml_sched {

namespace {

// Returns n_copies of a new scheduler.
int n_copies_of(bool is_parallel, const TestHooks & hooks) {
    if (!is_parallel) {
        return 1;
    }
    return hooks.n_copies > 0 ? std::min(hooks.n_copies, kMaxCopies) : kMaxCopies;
}

} // namespace

std::unique_ptr<Scheduler> Scheduler::create(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts,
                                             int n_backends, const Options & options, Status & status,
                                             const TestHooks & hooks) {
    status = check_backends(backends, bufts, n_backends);
    if (!status.ok()) {
        return nullptr;
    }
    std::vector<host::Backend> described;
    described.reserve(static_cast<size_t>(n_backends));
    for (int b = 0; b < n_backends; b++) {
        described.push_back(
            host::describe(backends[b], bufts ? bufts[b] : ggml_backend_get_default_buffer_type(backends[b])));
        described.back().host_writes = host::host_writes(described.back());
        described.back().keeps_records |= hooks.devices_have_one_queue;
        described.back().overlaps &= !hooks.devices_have_one_queue;
    }
    std::unique_ptr<Scheduler> scheduler(new Scheduler(std::move(described), options, hooks));
    if (const std::string & path = scheduler->settings_.trace; !path.empty()) {
        if (const Status started = scheduler->start_trace(path); !started.ok()) {
            host::log_error(started.message + " (GGML_SCHED_TRACE)");
        }
    }
    return scheduler;
}

Scheduler::Scheduler(std::vector<host::Backend> backends, const Options & options, const TestHooks & hooks)
    : settings_(read_settings())
    , hooks_(hooks)
    , is_parallel_(options.parallel)
    , n_copies_(n_copies_of(options.parallel, hooks))
    , backends_(std::move(backends))
    , clock_(backends_)
    , topology_(topology_of(backends_))
    , machine_(machine_of(backends_, topology_, n_copies_))
    , experts_(backends_, settings_.experts)
    , cut_(backends_, hooks_.rules, hooks_.ignored, {options.op_offload, n_copies_ > 1})
    , buffers_(backends_)
    , streams_(backends_, topology_, settings_.streaming)
    , kept_streams_(4)
    , programs_(static_cast<size_t>(n_copies_))
    , free_inputs_(static_cast<size_t>(n_copies_))
    , verifier_(machine_)
    , reallocations_(backends_, settings_)
    , executor_(std::make_unique<Executor>(backends_, topology_, machine_))
    , in_flight_(machine_, *executor_, verifier_)
    , allocation_(backends_, buffers_, spaces_, in_flight_, hooks_.rules, hooks_.ignored)
    , streaming_(backends_, topology_, settings_, spaces_, streams_, *executor_, in_flight_) {
    streaming_.keep_weights(settings_.keep_weights);
    has_queues_ = n_copies_ > 1 && streaming_.make_queues();
    find_copy_limits();
}

// Sets from which size on inputs get no snapshot, and take the stream lane.
void Scheduler::find_copy_limits() {
    copy_limits_.snapshot =
        std::min(is_parallel_ ? Tuning::kSnapshotUpToParallel : Tuning::kSnapshotUpTo, hooks_.snapshot_limit);
    copy_limits_.snapshot = hooks_.rules.is_on(plan::Rule::CallerInputs) ? copy_limits_.snapshot : 0;
    copy_limits_.host_snapshot =
        is_parallel_ ? copy_limits_.snapshot : std::min(Tuning::kHostSnapshotUpTo, copy_limits_.snapshot);
    copy_limits_.stream_lane_from = has_queues_ ? std::min(Tuning::kStreamLaneFrom, hooks_.stream_lane_from) : SIZE_MAX;
}

void Scheduler::set_test_hooks(const TestHooks & hooks) {
    hooks_ = hooks;
    experts_.share().force(hooks.uploaded_percent);
    experts_.share_entries_each(hooks.runs_before_sharing);
    experts_.register_from(hooks.registered_from);
    find_copy_limits();
    forget_results();
}

// Forgets the programs, which name banks of experts.
void Scheduler::forget_programs() noexcept {
    program_ = nullptr;
    programs_.forget();
}

// Forgets all that was found out for the last graphs.
void Scheduler::forget_results() noexcept {
    cut_.forget();
    allocation_.forget();
    forget_programs();
    free_inputs_.forget();
    kept_streams_.forget();
}

void Scheduler::recover() noexcept {
    try {
        in_flight_.abandon("memory ran out");
    } catch (const std::bad_alloc &) {
        // The host has waited, and memory ran out where the verifier was told of it.
    }
    reset();
    forget_results();
    reallocations_.forget();
    forget_copies();
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
    if (const BackendId backend = cut_.backend_of(tensor); backend != kNoBackend) {
        return backends_[backend].handle;
    }
    const auto user = user_.find(tensor);
    return user == user_.end() ? nullptr : backends_[user->second].handle;
}

void Scheduler::reset() {
    user_.clear();
    cut_.release_graph();
    graph_ = nullptr;
    worked_on_ = nullptr;
    is_allocated_ = false;
    program_ = nullptr;
}

// Looks at the graph that is to be cut, and takes away what earlier allocations have given to its tensors.
Status Scheduler::take(ggml_cgraph * graph, EarlierPlaces & earlier, Goal goal) {
    if (!graph) {
        return Status::failed("the graph is NULL");
    }
    if (!host::is_complete(graph)) {
        return Status::failed("the graph was too small for its nodes and is incomplete; make it with a larger size "
                              "(ggml_new_graph_custom)");
    }
    const bool was_allocated = std::exchange(is_allocated_, false);
    program_ = nullptr;
    graph_ = graph;
    offered_ = !copy_callback_.function          ? Offered::Nothing
               : settings_.streaming.budget == 0 ? Offered::AllWeights
                                                 : Offered::WholeCopies;
    host::set_identity(graph);
    identity_ = host::identity_of(graph);
    n_registered_ = host::n_registered();
    if (!settings_.reuse || std::exchange(is_stale_, false)) {
        cut_.forget();
        allocation_.forget_places();
    }
    if (Status status = take_experts(goal); !status.ok()) {
        return status;
    }
    cut_.take(worked_on_);
    if (!view().has_owned_buffers()) {
        return {};
    }
    static const std::vector<LastingTensor> kNone;
    Status status = earlier.find(view(), buffers_.owner(), was_allocated ? allocation_.lasting() : kNone);
    if (status.ok() && !earlier.are_none()) {
        if (earlier.have_contents()) {
            in_flight_.synchronize();
        }
        earlier.take_away();
        if (status = take_experts(goal); !status.ok()) {
            return status;
        }
        cut_.take(worked_on_);
    }
    return status;
}

// Makes more experts resident, and lets the nodes of the graph read them.
Status Scheduler::take_experts(Goal goal) {
    worked_on_ = graph_;
    if (!experts_.is_on()) {
        return {};
    }
    if (goal == Goal::Allocate && !copy_callback_.function && experts_.want_other_entries(graph_)) {
        in_flight_.synchronize(); // Earlier runs may still read the banks.
        experts_.share_entries_anew();
        forget_programs();
    }
    // Auto takes what compute buffers have left, so it begins with the first graph behind them.
    if (needs_memory(goal) && (!experts_.is_automatic() || buffers_.number() > 0) && experts_.are_new(graph_) &&
        (!experts_.may_part() || !copy_callback_.function)) {
        const std::string listing = experts_.add(graph_);
        forget_programs();
        make_queues_of_banks();
        if (settings_.debug > 0) {
            host::log_debug(listing);
        }
    }
    exchange_experts();
    const char * const changed = settings_.verify ? find_changed_expert() : nullptr;
    return changed ? Status::failed(std::string("experts: the bytes of '") + changed + "' in host memory have " +
                                    "changed, and a device has the old ones; call ggml_sched_set_experts after " +
                                    "weights have been written")
                   : Status{};
}

// Makes the queues that carry experts to banks while the device computes.
void Scheduler::make_queues_of_banks() {
    if (!experts_.fills_meanwhile()) {
        return;
    }
    (void) streaming_.make_queues(); // Where a device refuses one, its own queue carries them.
    std::vector<bool> have_stream;
    for (size_t b = 0; b < backends_.size(); b++) {
        have_stream.push_back(streams_.queue(static_cast<BackendId>(b)) != nullptr);
    }
    experts_.set_streams(std::move(have_stream));
}

// Returns the name of a resident tensor whose original has other bytes; NULL if there is none.
const char * Scheduler::find_changed_expert() {
    return experts_.find_changed([this](BackendId b) {
        host::synchronize(backends_[b].handle);
        if (const host::Backend * const queue = streams_.queue(b)) {
            host::synchronize(queue->handle);
        }
    });
}

// Lets the nodes of the graph read resident experts.
void Scheduler::exchange_experts() {
    // An eval callback sees the nodes that the caller built, and a copy callback may write weights.
    // A node in memory of the caller stays there.
    const bool has_callback = observer_.callback || copy_callback_.function;
    const auto is_fixed = [&](const ggml_tensor * node) {
        const ggml_backend_buffer_t buffer = host::buffer_of(node);
        return has_callback || (buffer && !host::owner_of(buffer)) || user_.find(node) != user_.end();
    };
    worked_on_ = experts_.take(graph_, is_fixed);
    if (!experts_.parted().is_empty()) {
        placed_ = user_;
        for (const PartedPattern & pattern : experts_.parted().patterns()) {
            for (const PlacedNode & placed : pattern.placed) {
                placed_[placed.node] = placed.backend;
            }
        }
    }
    stats().resident_bytes = experts_.bytes();
    if (const std::string listing = experts_.new_listing(); settings_.debug > 0 && !listing.empty()) {
        host::log_debug(listing);
    }
}

// Finds the splits in which the CPU computes missing pairs of the allocated graph. Nodes that have their place on the
// CPU do so, except the one that parts the pairs.
void Scheduler::find_splits_of_missing() {
    computes_missing_.clear();
    if (experts_.parted().is_empty()) {
        return;
    }
    const auto cpu = static_cast<BackendId>(backends_.size() - 1);
    computes_missing_.assign(splits().splits.size(), false);
    for (size_t i = 0; i < splits().splits.size(); i++) {
        const Split & split = splits().splits[i];
        for (int node = split.begin; node < split.end && split.backend == cpu; node++) {
            const ggml_tensor * const tensor = view().tensor(view().nodes()[static_cast<size_t>(node)].tensor);
            const bool has_its_place = placed_.find(tensor) != placed_.end() && user_.find(tensor) == user_.end();
            computes_missing_[i] = computes_missing_[i] || (has_its_place && tensor->op != GGML_OP_CUSTOM);
        }
    }
}

Status Scheduler::set_experts(const ggml_sched_expert_params & params) {
    const auto misses = static_cast<Misses>(params.misses);
    if (misses != Misses::None && misses != Misses::Shared && misses != Misses::Upload) {
        return Status::failed("ggml_sched_set_experts: 'misses' is " + std::to_string(params.misses) +
                              "; pass a value of ggml_sched_expert_misses");
    }
    in_flight_.synchronize();
    reset();
    forget_results(); // They name memory that is freed now.
    experts_.set({params.budget_bytes, misses});
    stats().resident_bytes = 0;
    stats().expert_banks_off = 0;
    return {};
}

void Scheduler::set_streaming(const StreamSettings & settings) {
    in_flight_.synchronize();
    reset();
    stats().stream_decision = GGML_SCHED_STREAM_DECISION_NONE; // It was made with the old settings.
    settings_.streaming = settings;
    streaming_.set(settings);
}

void Scheduler::unallocate() {
    if (is_allocated_) {
        in_flight_.synchronize();
        allocation_.take_back(view(), splits());
    }
    reset();
}

CutGraph Scheduler::cut_graph() const {
    return {view(), splits(), slots_, assignment()};
}

} // namespace ggml_sched
