#include "scheduler.h"

#include <algorithm>
#include <new>

#include "host/clock.h"
#include "host/log.h"
#include "observe/listing.h"
#include "observe/text.h"
#include "plan/planner.h"
#include "setup.h"
#include "tensors_at.h"

namespace ggml_sched {

namespace {

int n_copies_of(const Scheduler::Options & options) {
    if (!options.parallel) {
        return 1;
    }
    return options.n_copies > 0 ? std::min(options.n_copies, kMaxCopies) : kMaxCopies;
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
    if (!scheduler->allocation_.init(scheduler->backends_)) {
        status = Status::no_memory("no memory for the graph allocator");
        return nullptr;
    }
    if (const std::string & path = scheduler->settings_.trace; !path.empty()) {
        if (const Status started = scheduler->start_trace(path); !started.ok()) {
            host::log_error(started.message + " (GGML_SCHED_TRACE)");
        }
    }
    return scheduler;
}

Scheduler::Scheduler(std::vector<host::Backend> backends, const Options & options)
    : settings_(read_settings())
    , op_offload_(options.op_offload)
    , n_copies_(n_copies_of(options))
    , backends_(std::move(backends))
    , topology_(topology_of(backends_, options.parallel))
    , machine_(machine_of(backends_, topology_, n_copies_))
    , streams_(backends_, topology_, settings_.streaming)
    , verifier_(machine_)
    , executor_(std::make_unique<Executor>(backends_, topology_, machine_))
    , flight_(machine_, *executor_, verifier_)
    , placer_(allocation_, spaces_, flight_, rules_) {
    topology_.snapshot_limit = std::min(topology_.snapshot_limit, options.snapshot_limit);
    if (n_copies_ > 1 && streams_.make_queues()) {
        topology_.ahead_from = options.ahead_from;
        use_streams();
    }
}

void Scheduler::switch_off(plan::Rule rule) {
    rules_.switch_off(rule);
    if (rule == plan::Rule::CallerInputs) {
        topology_.snapshot_limit = 0;
    }
    forget_results();
}

// What was found out for the last graphs does not hold for the next ones.
void Scheduler::forget_results() {
    is_split_ = false;
    is_lowered_ = false;
    for (LoweredGraph & lowered : lowered_) {
        lowered.forget();
    }
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
    if (!tensor || index < 0) {
        return Status::failed("set_tensor_backend needs a tensor and one of the scheduler's backends");
    }
    user_[tensor] = static_cast<BackendId>(index);
    is_reset_ = false;
    return {};
}

ggml_backend_t Scheduler::backend_of(const ggml_tensor * tensor) const {
    const TensorId id = view_.ids().find(tensor);
    if (id != kNoTensor && id < assignment_.backend.size() && assignment_.backend[id] != kNoBackend) {
        return backends_[assignment_.backend[id]].handle;
    }
    const auto user = user_.find(tensor);
    return user == user_.end() ? nullptr : backends_[user->second].handle;
}

void Scheduler::reset() {
    user_.clear();
    view_.clear();
    graph_ = nullptr;
    is_reset_ = true;
    is_allocated_ = false;
    is_lowered_ = false;
}

// The stages up to the split, and the list of what is to be allocated.
Status Scheduler::cut(ggml_cgraph * graph, Memory memory) {
    if (!graph) {
        return Status::failed("the graph is NULL");
    }
    if (!host::is_complete(graph)) {
        return Status::failed("the graph was too small for its nodes and is incomplete; make it with a larger size "
                              "(ggml_new_graph_custom)");
    }
    restore_operands(graph);
    is_reset_ = false;
    is_allocated_ = false;
    is_lowered_ = false;
    graph_ = graph;
    host::set_identity(graph);
    identity_ = host::identity_of(graph);
    view_.build(graph);
    if (Status status = assign_and_split(); !status.ok()) {
        return status;
    }
    if (Status status = fit_streams(memory); !status.ok()) {
        return status;
    }
    slots_.make(view_, splits_, backends_, n_copies_, turn_);
    if (memory == Memory::Needed) {
        if (Status status = streams_.place(slots_); !status.ok()) {
            return status;
        }
    } else if (memory == Memory::Measured) {
        streams_.place_nowhere(slots_);
    }
    if (settings_.debug > 0) {
        host::log_debug(observe::listing_of(view_, splits_, assignment_, backends_, settings_.debug > 1));
    }
    allocation_.prepare(view_, graph, splits_, slots_, backends_, split_graphs_);
    return {};
}

Status Scheduler::assign_and_split() {
    PlacedByUser by_user = placed_by_user(view_, user_);
    const StreamLimits & limits = stream_limits();
    if (is_split_alike(by_user, limits)) {
        split_version_ = view_.version();
        return {};
    }
    is_split_ = false;
    splits_ = {};
    const bool keep_writes = rules_.is_on(plan::Rule::WritesInPlace);
    if (Status status = assign(view_, backends_, by_user, {op_offload_, keep_writes}, assignment_); !status.ok()) {
        return status;
    }
    splits_ = ggml_sched::split(view_, backends_, assignment_, n_copies_ > 1, limits);
    streams_.lay_out(view_, splits_);
    split_version_ = view_.version();
    split_by_user_ = std::move(by_user);
    split_limits_ = limits;
    splits_number_++;
    is_split_ = true;
    return {};
}

// Is this graph assigned and split as the last one? Parameters and layout matter only to the backends, and to
// streaming.
bool Scheduler::is_split_alike(const PlacedByUser & by_user, const StreamLimits & limits) const {
    const GraphVersion & now = view_.version();
    const bool has_other_layout = now.layout != split_version_.layout;
    const bool has_other_parameters = now.parameters != split_version_.parameters;
    if (!is_split_ || now.structure != split_version_.structure || by_user != split_by_user_ ||
        limits != split_limits_ || (has_other_layout && depends_on_layout(splits_, view_, limits))) {
        return false;
    }
    return (!has_other_layout && !has_other_parameters) || assignment_.questions.have_same_answers(backends_, view_);
}

// The other modes show what ggml does, one copy at a time.
const StreamLimits & Scheduler::stream_limits() {
    static const StreamLimits kNothing;
    return mode() == plan::Mode::Auto ? streams_.limits() : kNothing;
}

// Gets the memory that streaming the graph needs, or a graph that needs what there is.
Status Scheduler::fit_streams(Memory memory) {
    if (memory != Memory::Needed) {
        return {};
    }
    const auto wait_for_old_memory = [this] {
        const std::vector<ggml_backend_buffer_t> old = streams_.in_the_way();
        bool waited = false;
        return old.empty() ? Status{} : flight_.wait_before(lower_freeing(old, spaces_), plan::Rules(), waited);
    };
    Status status = wait_for_old_memory();
    while (status.ok() && !streams_.fit()) {
        status = assign_and_split();
        if (status.ok()) {
            status = wait_for_old_memory();
        }
    }
    use_streams();
    return status;
}

void Scheduler::use_streams() {
    for (size_t b = 0; b < backends_.size(); b++) {
        if (const host::Backend * queue = streams_.queue(static_cast<BackendId>(b))) {
            executor_->use_stream(topology_.stream_of[b], *queue);
        }
    }
}

// Where memory for anything else has run out, streaming gives back what it has. False: it has none.
bool Scheduler::stop_streaming(const Status & status) {
    if (status.code != GGML_STATUS_ALLOC_FAILED || !streams_.have_memory()) {
        return false;
    }
    flight_.abandon("memory for streaming weights is given back");
    streams_.give_up("the memory is needed for something else");
    return true;
}

void Scheduler::set_streaming(const StreamSettings & settings) {
    flight_.synchronize();
    reset();
    streams_.set(settings);
}

// Makes a graph that was cut, but not allocated, what it was; no other graph, for the caller may have freed it.
void Scheduler::restore_operands(const ggml_cgraph * graph) {
    if (!is_allocated_ && is_same_graph(graph)) {
        for (const Rewire & rewire : splits_.rewires) {
            view_.tensor(rewire.node)->src[rewire.slot] = view_.tensor(splits_.copies[rewire.copy].tensor);
        }
    }
}

Status Scheduler::split(ggml_cgraph * graph) {
    return cut(graph, Memory::None);
}

Status Scheduler::reserve_size(ggml_cgraph * graph, size_t * sizes) {
    Status status = cut(graph, Memory::Measured);
    if (status.ok()) {
        allocation_.list(view_, splits_, slots_, assignment_);
        allocation_.measure(sizes);
    }
    restore_operands(graph);
    reset();
    return status;
}

Status Scheduler::reserve(ggml_cgraph * graph) {
    Status status;
    do {
        status = cut(graph, Memory::Needed);
        if (status.ok()) {
            status = placer_.reserve(cut_graph());
        }
    } while (stop_streaming(status));
    restore_operands(graph);
    reset();
    return status;
}

Status Scheduler::allocate(ggml_cgraph * graph) {
    turn_ = next_turn_;
    next_turn_ = (next_turn_ + 1) % n_copies_;
    Status status;
    do {
        status = cut(graph, Memory::Needed);
        if (status.ok()) {
            status = placer_.place(cut_graph(), splits_number_, places_[turn_]);
        }
    } while (stop_streaming(status));
    if (status.ok()) {
        lower_graph();
        status = placer_.wait_for_inputs(view_, lowered_[turn_].inputs_are_free);
    }
    if (!status.ok()) {
        restore_operands(graph);
        reset();
        return status;
    }
    is_allocated_ = true;
    return {};
}

CutGraph Scheduler::cut_graph() const {
    return {view_, splits_, slots_, assignment_};
}

LoweredGraph::Key Scheduler::key() const {
    const GraphVersion & version = view_.version();
    return {splits_number_,
            version.layout,
            version.place,
            places_[turn_].version(),
            streams_.number(),
            links_number_,
            mode(),
            observer_.callback != nullptr,
            gate_.streams_whole(splits_.experts.batch)};
}

plan::Mode Scheduler::mode() const {
    switch (settings_.sync_mode) {
    case GGML_SCHED_SYNC_BARRIER: return plan::Mode::Barrier;
    case GGML_SCHED_SYNC_SERIAL: return plan::Mode::Serial;
    default: return plan::Mode::Auto;
    }
}

void Scheduler::lower_graph() {
    BackendId src = kNoBackend;
    BackendId dst = kNoBackend;
    if (executor_->take_refusal(src, dst)) {
        topology_.links[src][dst].async = false;
        links_number_++;
    }
    const LoweredGraph::Key now = key();
    LoweredGraph & lowered = lowered_[turn_];
    if (is_lowered_ && lowered.is_for(now)) {
        return;
    }
    if (lowered.is_for(now)) {
        lowered.bind(view_, slots_);
    } else {
        lowered.take(now, lower(view_, splits_, slots_, assignment_, streams_.slots(), backends_, topology_,
                                {now.mode, now.observed, now.whole_experts}, spaces_));
    }
    is_lowered_ = true;
}

CachedPlan & Scheduler::find_plan() {
    LoweredGraph & lowered = lowered_[turn_];
    const std::shared_ptr<const plan::History> & in_flight = flight_.history();
    if (CachedPlan * cached = lowered.plans().find(in_flight)) {
        return *cached;
    }
    executor_->stats.plans++;
    if (!lowered.names) {
        lowered.names = std::make_shared<const observe::Names>(names());
    }
    return lowered.plans().add(in_flight, plan::make_plan(machine_, lowered.lowered().program, *in_flight, rules_));
}

Status Scheduler::verify(CachedPlan & cached) {
    if (!settings_.verify) {
        return {};
    }
    if (!cached.verified) {
        const TensorsAt tensors_at(view_, splits_, lowered_[turn_].lowered().copies, spaces_);
        const std::string violation = verifier_.check(*cached.plan, lowered_[turn_].names, tensors_at);
        if (!violation.empty()) {
            return Status::failed("the plan does not order everything: " + violation);
        }
        const std::string superfluous = refuses_superfluous_ ? verifier_.find_superfluous_wait(*cached.plan) : "";
        if (!superfluous.empty()) {
            return Status::failed(superfluous);
        }
        cached.verified = true;
    }
    verifier_.note(cached.plan, lowered_[turn_].names);
    return {};
}

bool Scheduler::is_same_graph(const ggml_cgraph * graph) const {
    return graph && graph == graph_ && host::identity_of(graph) == identity_;
}

Status Scheduler::compute_async(ggml_cgraph * graph) {
    if (!graph) {
        return Status::failed("the graph is NULL");
    }
    if (is_allocated_ && !is_same_graph(graph)) {
        reset();
    }
    if (!is_allocated_) {
        if (Status status = allocate(graph); !status.ok()) {
            return status;
        }
    }
    try {
        Status status = run();
        if (!status.ok()) {
            flight_.abandon("the run failed");
        }
        return status;
    } catch (const std::bad_alloc &) {
        flight_.abandon("memory ran out");
        throw;
    }
}

Status Scheduler::run() {
    lower_graph();
    if (Status status = executor_->prepare_ring(lowered_[turn_].lowered().ring_bytes); !status.ok()) {
        return status;
    }
    if (lowered_[turn_].lowered().stages) {
        executor_->prepare_staging();
    }
    CachedPlan & cached = find_plan();
    if (Status status = verify(cached); !status.ok()) {
        return status;
    }
    if (Status status = executor_->prepare(*cached.plan); !status.ok()) {
        return status;
    }
    executor_->stats.runs++;
    last_plan_ = cached.plan;
    last_names_ = lowered_[turn_].names;
    flight_.add_run(cached.after, cached.idle);
    return execute(*cached.plan);
}

// Also measures what the choice between ways to stream experts needs.
Status Scheduler::execute(const plan::Plan & plan) {
    const StreamedExperts & experts = splits_.experts;
    if (experts.bytes == 0) {
        return executor_->run(plan, work(), observer_);
    }
    const auto send = [this](plan::Lane lane, ggml_tensor * dst, const char * data, size_t bytes, bool pageable) {
        executor_->send_sample(lane, dst, data, bytes, pageable);
    };
    const bool by_ids = experts.have_ids && !gate_.streams_whole(experts.batch);
    const double rate = by_ids ? streams_.bytes_per_us(experts.backend, view_, splits_, send) : 0;
    const host::Clock clock(backends_);
    const double begin = clock.now_us();
    Status status = executor_->run(plan, work(), observer_);
    if (!by_ids) {
        gate_.note_whole(experts.batch);
        executor_->stats.expert_runs_whole++;
        return status;
    }
    executor_->stats.expert_runs_by_ids++;
    if (rate > 0 && status.ok()) { // 0: there was no memory to measure the link with
        const ExpertGate::Run run = {clock.now_us() - begin, static_cast<double>(executor_->bytes_by_ids()) / rate,
                                     static_cast<double>(experts.bytes) / rate};
        if (gate_.note_by_ids(experts.batch, run) && settings_.debug > 0) {
            host::log_debug("ggml-sched: " + gate_.text_of(experts.batch) + "\n");
        }
    }
    return status;
}

Work Scheduler::work() {
    return {lowered_[turn_].lowered().copies, splits_.splits, split_graphs_};
}

void Scheduler::synchronize() {
    for (const host::Backend & backend : backends_) {
        if (!backend.async) {
            host::synchronize(backend.handle); // no lane, but the caller may have enqueued on it
        }
    }
    flight_.synchronize();
    if (!is_allocated_) {
        // The same turn for every token of a generation, so that backends see the same graph again.
        next_turn_ = 0;
    }
}

Status Scheduler::start_trace(const std::string & path) {
    const Status stopped = tracer_ ? stop_trace() : Status{};
    Status status;
    tracer_ = observe::Tracer::open(path, backends_, topology_, machine_, status);
    executor_->set_listener(tracer_.get());
    return status.ok() ? stopped : status;
}

Status Scheduler::stop_trace() {
    if (!tracer_) {
        return Status::failed("there is no trace to stop; start one with ggml_sched_trace_start");
    }
    executor_->set_listener(nullptr);
    const std::unique_ptr<observe::Tracer> tracer = std::move(tracer_);
    return tracer->finish();
}

std::string Scheduler::pattern(int split) const {
    return last_plan_ ? observe::pattern_of(*last_plan_, split) : "";
}

std::string Scheduler::plan_text() const {
    return last_plan_ ? observe::text_of(*last_plan_, *last_names_) : "";
}

observe::Names Scheduler::names() const {
    observe::Names names;
    names.lanes.resize(machine_.n_lanes);
    names.lanes[plan::kHost] = "host";
    for (size_t b = 0; b < backends_.size(); b++) {
        if (topology_.lane_of[b] != plan::kHost) {
            names.lanes[topology_.lane_of[b]] = backends_[b].name;
        }
        if (topology_.stream_of[b] != plan::kHost) {
            names.lanes[topology_.stream_of[b]] = backends_[b].name + " stream";
        }
    }
    for (const CopyBinding & copy : lowered_[turn_].lowered().copies) {
        names.copies.push_back(copy.dst->name);
    }
    for (const Split & split : splits_.splits) {
        names.splits.push_back(backends_[split.backend].name);
    }
    return names;
}

} // namespace ggml_sched
