#include "runner.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "runner_impl.h"

namespace sequences {

std::string Runner::run(std::vector<int> & returned) {
    for (const Call & call : sequence_.calls) {
        if (checks_.print) {
            print(call, std::cerr);
        }
        returned.push_back(make(call));
        counts_.left_out += returned.back() == kLeftOut;
        world_.note_buffers();
        fail(callbacks_.seen().wrong);
        fail(checks_.descriptions ? world_.check_descriptions() : "");
        fail(world_.platform().violations());
        if (!wrong_.empty()) {
            std::ostringstream text;
            text << "after call " << returned.size() - 1 << ", ";
            print(call, text);
            return text.str() + "  " + wrong_;
        }
    }
    for (size_t s = 0; s < world_.model.scheds.size(); s++) {
        synchronize(static_cast<int>(s));
    }
    return wrong_.empty() ? "" : "at the end: " + wrong_;
}

int Runner::make(const Call & call) {
    const int s = sched_of(call);
    callbacks_.begin(-1);
    switch (call.kind) {
    case Kind::Build: return build(call);
    case Kind::Write: return write_inputs(call);
    case Kind::WriteCache: return write_cache(call);
    case Kind::Alloc: return alloc(s, slot_of(call));
    case Kind::Compute:
    case Kind::ComputeAsync:
    case Kind::ComputeBroken: return compute(call);
    case Kind::Synchronize: synchronize(s); return 0;
    case Kind::Reset:
        ggml_backend_sched_reset(world_.sched(s));
        world_.model.did_reset(s);
        return 0;
    case Kind::Reserve:
    case Kind::ReserveSize:
    case Kind::Split: return measure(call);
    case Kind::SetTensorBackend: return set_tensor_backend(call);
    case Kind::Unalloc: return unalloc(s);
    case Kind::TraceStart:
    case Kind::TraceStop: return trace(call);
    case Kind::Getters: fail(call_getters(world_, s)); return 0;
    case Kind::BadArguments: return call_with_bad_arguments(call);
    case Kind::Renew: return renew(call);
    default: return set(call);
    }
}

int Runner::set(const Call & call) {
    const int s = sched_of(call);
    ggml_backend_sched_t sched = world_.sched(s);
    constexpr size_t kBudgets[] = {GGML_SCHED_STREAM_AUTO, 0, 256, 1024, 65536};
    switch (call.kind) {
    case Kind::SetEval: callbacks_.set_eval(s, call.callback); break;
    case Kind::SetCopy: callbacks_.set_copy(s, call.callback); break;
    case Kind::SetRealloc: callbacks_.set_realloc(s, call.callback); break;
    case Kind::SetMode: ggml_sched_set_sync_mode(sched, static_cast<ggml_sched_sync_mode>(call.x % 3)); break;
    case Kind::SetVerify:
        ggml_sched_set_verify(sched, call.x % 2 == 1);
        ggml_sched_set_reuse(sched, call.x % 4 < 2);
        break;
    case Kind::SetStreaming: {
        synchronize_others(s);
        ggml_sched_stream_params params = ggml_sched_stream_default_params();
        params.budget_bytes = kBudgets[call.x % 5];
        ggml_sched_set_streaming(sched, &params);
        world_.model.did_reset(s);
        break;
    }
    default: ggml_sched_keep_weights(sched, call.x % 2 == 1); break;
    }
    if (call.kind == Kind::SetMode || call.kind == Kind::SetStreaming || call.kind == Kind::KeepWeights) {
        check_error(true, s, "a setter");
    }
    return 0;
}

int Runner::build(const Call & call) {
    // A graph may be freed after a reset, or when it has been waited for; the caller's memory only then.
    for (size_t s = 0; s < world_.model.scheds.size(); s++) {
        const bool is_reset = world_.model.scheds[s].phase != SchedState::Phase::Allocated;
        if (!is_reset || world_.has_buffers(slot_of(call))) {
            synchronize(static_cast<int>(s));
        }
    }
    world_.build(slot_of(call), call.graph, static_cast<uint64_t>(call.x) + 100);
    return 0;
}

int Runner::write_inputs(const Call & call) {
    const int slot = slot_of(call);
    if (!graph(slot).is_built) {
        return kLeftOut;
    }
    auto seed = static_cast<uint64_t>(call.x) + 200;
    for (const int id : graph(slot).leafs) {
        const Tensor & leaf = world_.model.tensors[id];
        seed++;
        if (leaf.slot < 0 || !leaf.is_writable || !world_.model.is_live(id)) {
            continue;
        }
        // The caller may overwrite an input that one scheduler still reads, but nothing else that is in use.
        int owner = -1;
        for (size_t s = 0; s < world_.model.scheds.size(); s++) {
            const bool is_owner = leaf.home == Home::Scheduler && state(static_cast<int>(s)).number == leaf.owner;
            owner = is_owner ? static_cast<int>(s) : owner;
        }
        synchronize_others(leaf.input ? owner : -1);
        world_.write(id, seed, call.x % 8 == 7 && world_.platform().survives_bad_rows());
    }
    return 0;
}

int Runner::write_cache(const Call & call) {
    synchronize_others(-1);
    world_.write(world_.model.tensors.caches[static_cast<size_t>(call.x) % kCaches], static_cast<uint64_t>(call.y));
    return 0;
}

int Runner::alloc(int s, int slot) {
    const Verdict verdict = world_.model.alloc(s, slot);
    if (verdict == Verdict::Skip) {
        return kLeftOut;
    }
    synchronize_others(s);
    const bool ok = ggml_backend_sched_alloc_graph(world_.sched(s), graph(slot).real);
    world_.note_buffers();
    world_.model.did_alloc(s, slot, ok);
    judge(verdict, ok, s, "alloc_graph");
    return ok;
}

int Runner::measure(const Call & call) {
    const int s = sched_of(call);
    const int slot = slot_of(call);
    const Verdict verdict = world_.model.measure(s, slot);
    if (verdict == Verdict::Skip) {
        return kLeftOut;
    }
    synchronize_others(s);
    ggml_backend_sched_t sched = world_.sched(s);
    bool ok = true;
    if (call.kind == Kind::Reserve) {
        ok = ggml_backend_sched_reserve(sched, graph(slot).real);
    } else if (call.kind == Kind::Split) {
        ggml_backend_sched_split_graph(sched, graph(slot).real);
    } else {
        std::vector<size_t> sizes(world_.backends().size(), 0);
        ggml_backend_sched_reserve_size(sched, graph(slot).real, sizes.data());
    }
    world_.note_buffers();
    world_.model.did_measure(s, slot, call.kind == Kind::Split);
    if (call.kind == Kind::Reserve) {
        judge(verdict, ok, s, "reserve");
    } else if (verdict == Verdict::Right) {
        check_error(true, s, "reserve_size or split_graph");
    }
    return ok;
}

int Runner::unalloc(int s) {
    if (world_.model.unalloc(s) == Verdict::Skip) {
        return kLeftOut;
    }
    synchronize_others(s);
    ggml_sched_unalloc_graph(world_.sched(s));
    state(s).in_flight = false;
    world_.model.did_unalloc(s);
    return 0;
}

int Runner::set_tensor_backend(const Call & call) {
    const Graph & built = graph(slot_of(call));
    if (!built.is_built) {
        return kLeftOut;
    }
    std::vector<int> candidates = built.nodes;
    candidates.insert(candidates.end(), built.leafs.begin(), built.leafs.end());
    const int id = candidates[static_cast<size_t>(call.x) % candidates.size()];
    const int backend = call.y % static_cast<int>(world_.backends().size());
    ggml_tensor * tensor = world_.model.tensors[id].real;
    ggml_backend_sched_set_tensor_backend(world_.sched(sched_of(call)), tensor,
                                          world_.backends()[static_cast<size_t>(backend)]);
    state(sched_of(call)).assigned[tensor] = backend;
    check_error(true, sched_of(call), "set_tensor_backend");
    return 0;
}

int Runner::trace(const Call & call) {
    const int s = sched_of(call);
    if (call.kind == Kind::TraceStart) {
        const bool ok = ggml_sched_trace_start(world_.sched(s), trace_path(s).c_str());
        judge(Verdict::Right, ok, s, "trace_start");
        state(s).is_tracing = ok;
        return ok;
    }
    const bool ok = ggml_sched_trace_stop(world_.sched(s));
    judge(state(s).is_tracing ? Verdict::Right : Verdict::Refused, ok, s, "trace_stop");
    state(s).is_tracing = false;
    return ok;
}

int Runner::renew(const Call & call) {
    const int s = sched_of(call);
    synchronize_others(s);
    if (call.x % 2 == 0) {
        unalloc(s);
    }
    if (world_.has_device_without_events()) {
        synchronize(s);
    }
    world_.renew(s);
    return 0;
}

int Runner::give_null_graph(int s, int which) {
    ggml_backend_sched_t sched = world_.sched(s);
    std::vector<size_t> sizes(world_.backends().size(), 0);
    bool ok = false;
    switch (which) {
    case 0: ok = ggml_backend_sched_alloc_graph(sched, nullptr); break;
    case 1: ok = ggml_backend_sched_graph_compute(sched, nullptr) == GGML_STATUS_SUCCESS; break;
    case 2: ok = ggml_backend_sched_reserve(sched, nullptr); break;
    case 3: ggml_backend_sched_reserve_size(sched, nullptr, sizes.data()); break;
    default: ggml_backend_sched_split_graph(sched, nullptr); break;
    }
    judge(Verdict::Refused, ok, s, "a call with a NULL graph");
    which == 0 ? world_.model.did_reset(s) : world_.model.did_null_graph(s);
    return ok;
}

int Runner::call_with_bad_arguments(const Call & call) {
    const int s = sched_of(call);
    ggml_backend_sched_t sched = world_.sched(s);
    ggml_tensor * tensor = world_.model.tensors[0].real;
    const int which = call.x % 11;
    if (which < 5) {
        return give_null_graph(s, which);
    }
    bool ok = false;
    switch (which) {
    case 5: ggml_backend_sched_set_tensor_backend(sched, nullptr, world_.backends()[0]); break;
    case 6: ggml_backend_sched_set_tensor_backend(sched, tensor, nullptr); break;
    case 7: ok = ggml_sched_trace_start(sched, nullptr); break;
    case 8: ggml_sched_set_sync_mode(sched, static_cast<ggml_sched_sync_mode>(3)); break;
    case 9: ok = ggml_backend_sched_reserve(nullptr, nullptr); break;
    default: ok = ggml_backend_sched_graph_compute(nullptr, nullptr) == GGML_STATUS_SUCCESS; break;
    }
    if (which < 9) {
        judge(Verdict::Refused, ok, s, "a call with a bad argument");
    }
    return ok;
}

void Runner::synchronize(int s) {
    ggml_backend_sched_synchronize(world_.sched(s));
    state(s).in_flight = state(s).may_owe_error = false;
    compare_results(s);
}

void Runner::synchronize_others(int s) {
    for (size_t other = 0; other < world_.model.scheds.size(); other++) {
        const SchedState & state = world_.model.scheds[other];
        if (static_cast<int>(other) != s && (state.in_flight || state.may_owe_error)) {
            synchronize(static_cast<int>(other));
        }
    }
}

// Outputs, inputs and caches: nothing of this scheduler is in flight, and no other scheduler has run since.
void Runner::compare_results(int s) {
    const SchedState & sched = state(s);
    std::vector<int> results = world_.model.tensors.caches;
    const bool has_graph = sched.phase == SchedState::Phase::Allocated && !sched.is_gone && !sched.is_vague;
    if (has_graph && world_.model.is_allocated(s, sched.slot)) {
        const Graph & allocated = graph(sched.slot);
        for (const int node : allocated.nodes) {
            if (world_.model.tensors[node].output) {
                results.push_back(node);
            }
        }
        for (const int leaf : allocated.leafs) {
            if (world_.model.is_live(leaf)) {
                results.push_back(leaf);
            }
        }
    }
    for (const int id : results) {
        counts_.compared++;
        fail(world_.compare(id));
    }
}

void Runner::judge(Verdict verdict, bool ok, int s, const char * what) {
    counts_.right += ok;
    counts_.refused += !ok;
    if (verdict != Verdict::Either && ok != (verdict == Verdict::Right)) {
        fail(std::string(what) + (ok ? " succeeded, but must be refused" : " failed, but must succeed: ") +
             (ok ? "" : ggml_sched_get_error(world_.sched(s))));
    }
    check_error(ok, s, what);
}

void Runner::check_error(bool ok, int s, const char * what) {
    const std::string text = ggml_sched_get_error(world_.sched(s));
    const bool may_be_of_earlier_run = ok && state(s).may_owe_error;
    if (checks_.errors && !may_be_of_earlier_run && ok != text.empty()) {
        fail(std::string(what) +
             (ok ? " succeeded, but there is an error text: " : " failed, but there is no error text") + text);
    }
}

namespace {

// Keeps the log off the terminal, unless calls are printed there.
class LogOfCalls {
  public:
    explicit LogOfCalls(const Checks & checks) {
        ggml_log_get(&previous_, &data_);
        ggml_log_set(Callbacks::take_log, checks.print ? stderr : nullptr);
    }
    ~LogOfCalls() { ggml_log_set(previous_, data_); }
    LogOfCalls(const LogOfCalls &) = delete;
    LogOfCalls & operator=(const LogOfCalls &) = delete;

  private:
    ggml_log_callback previous_ = nullptr;
    void * data_ = nullptr;
};

} // namespace

std::string run_sequence(const Sequence & sequence, const Checks & checks, Counts * counts) {
    const LogOfCalls log(checks);
    Counts unused;
    Counts & counted = counts ? *counts : unused;
    std::vector<int> with;
    std::vector<int> without;
    if (std::string wrong = Runner(sequence, true, checks, counted).run(with); !wrong.empty()) {
        return wrong;
    }
    if (std::string wrong = Runner(sequence, false, checks, counted).run(without); !wrong.empty()) {
        return "without verification: " + wrong;
    }
    return with == without ? "" : "the calls return something else without verification";
}

} // namespace sequences
