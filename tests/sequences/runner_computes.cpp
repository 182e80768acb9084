// How a sequence computes graphs, and what must hold afterwards.

#include <algorithm>

#include "runner_impl.h"

namespace sequences {

ggml_status Runner::call_compute(const Call & call, Verdict execution) {
    callbacks_.begin(slot_of(call));
    callbacks_.seen().is_undefined = execution != Verdict::Right;
    ggml_backend_sched_t sched = world_.sched(sched_of(call));
    ggml_cgraph * given = graph(slot_of(call)).real;
    return call.kind == Kind::ComputeAsync ? ggml_backend_sched_graph_compute_async(sched, given)
                                           : ggml_backend_sched_graph_compute(sched, given);
}

int Runner::compute(const Call & call) {
    const int s = sched_of(call);
    const int slot = slot_of(call);
    Verdict verdict = world_.model.compute(s, slot);
    if (verdict == Verdict::Skip) {
        return kLeftOut;
    }
    synchronize_others(s);
    const bool allocates = !world_.model.is_allocated(s, slot);
    if (allocates && state(s).phase == SchedState::Phase::Allocated) {
        state(s).is_assigned_vague = true;
        verdict = world_.model.compute(s, slot);
    }
    const Model before = world_.model;
    if (allocates && verdict != Verdict::Refused) {
        world_.model.did_alloc(s, slot, true); // callbacks see the tensors in their places
    }
    Verdict execution = verdict == Verdict::Refused ? Verdict::Right : world_.model.execution(slot);
    // Row numbers that nobody wrote may be good or bad.
    const bool may_have_bad_rows = world_.platform().survives_bad_rows();
    if (execution == Verdict::Either || (execution == Verdict::Refused && !may_have_bad_rows)) {
        world_.model = before;
        return kLeftOut;
    }
    const int device = call.x % std::max(1, world_.n_devices());
    const bool breaks = call.kind == Kind::ComputeBroken && world_.n_devices() > 0 &&
                        world_.platform().fail_launch(device, 1 + call.y % 2);
    execution = breaks && execution == Verdict::Right ? Verdict::Either : execution;
    state(s).may_owe_error = state(s).may_owe_error || (execution != Verdict::Right && call.kind == Kind::ComputeAsync);
    const bool is_told_now_or_later = state(s).may_owe_error;
    const ggml_status status = call_compute(call, execution);
    if (breaks) {
        world_.platform().fail_launch(device, 0);
    }
    world_.note_buffers();
    judge_run(s, slot, verdict, status, before);
    judge_status(s, call, verdict, execution, status);
    if (execution != Verdict::Right && !breaks) { // what was bad may be told later
        world_.model.did_fail_run(s, slot);
    }
    forget_unflagged(slot);
    run_ended(s, call, status);
    state(s).may_owe_error = state(s).may_owe_error && call.kind == Kind::ComputeAsync;
    return is_told_now_or_later ? kToldNowOrLater : status;
}

void Runner::judge_run(int s, int slot, Verdict verdict, ggml_status status, const Model & before) {
    const bool is_stopped = callbacks_.seen().is_stopped;
    const bool ok = status == GGML_STATUS_SUCCESS || (is_stopped && status == GGML_STATUS_ABORTED);
    if (is_stopped && status == GGML_STATUS_SUCCESS) {
        fail("the eval callback ended the run, but graph_compute returned success");
    }
    if (ok) {
        if (verdict == Verdict::Refused) { // and so nothing was placed in the model
            world_.model.did_alloc(s, slot, true);
        }
        callbacks_.finish_run();
    } else if (verdict == Verdict::Right) {
        world_.model.did_fail_run(s, slot); // the graph stays allocated
    } else {
        const bool was_allocated = before.is_allocated(s, slot);
        if (!was_allocated) {
            const std::vector<SchedState> scheds = world_.model.scheds;
            world_.model = before;
            for (size_t i = 0; i < scheds.size(); i++) { // callbacks may have changed these
                world_.model.scheds[i].eval = scheds[i].eval;
                world_.model.scheds[i].copy = scheds[i].copy;
                world_.model.scheds[i].realloc = scheds[i].realloc;
                world_.model.scheds[i].epoch = scheds[i].epoch;
            }
            for (const int reset : callbacks_.seen().resets) {
                world_.model.did_reset(reset);
            }
            world_.model.did_alloc(s, slot, false);
        }
        if (verdict != Verdict::Refused) {
            world_.model.did_fail_run(s, slot);
            world_.model.did_perhaps_alloc(s, slot);
        }
    }
}

void Runner::judge_status(int s, const Call & call, Verdict verdict, Verdict execution, ggml_status status) {
    if (callbacks_.seen().is_stopped) {
        return;
    }
    if (verdict != Verdict::Refused && execution != Verdict::Right) {
        const bool must_fail = execution == Verdict::Refused && call.kind != Kind::ComputeAsync;
        verdict = must_fail ? Verdict::Refused : Verdict::Either;
    }
    judge(verdict, status == GGML_STATUS_SUCCESS, s, "graph_compute");
    counts_.runs += status == GGML_STATUS_SUCCESS;
}

void Runner::run_ended(int s, const Call & call, ggml_status status) {
    if (status == GGML_STATUS_SUCCESS || status == GGML_STATUS_ABORTED) {
        state(s).in_flight = true;
        if (call.kind != Kind::ComputeAsync) {
            state(s).in_flight = false;
            compare_results(s);
        }
    }
}

// Of what a run has used, only what is flagged keeps its contents until the next one.
void Runner::forget_unflagged(int slot) {
    for (const int id : graph(slot).leafs) {
        Tensor & leaf = world_.model.tensors[id];
        const bool keeps = leaf.home == Home::Caller || (leaf.input && world_.platform().inputs_keep_values());
        leaf.is_known = leaf.is_known && keeps;
        leaf.is_writable = leaf.is_writable && keeps;
    }
    for (const int node : graph(slot).nodes) {
        Tensor & tensor = world_.model.tensors[node];
        const auto keeps = [&](int other) {
            const Tensor & alias = world_.model.tensors[other];
            return alias.root == node && alias.output;
        };
        if (tensor.root == node && std::none_of(graph(slot).nodes.begin(), graph(slot).nodes.end(), keeps)) {
            tensor.is_known = false;
        }
    }
}

} // namespace sequences
