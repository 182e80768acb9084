// How the scheduler prepares a graph: the stages of alloc_graph, and of the calls that need only some of them.

#include <utility>

#include "host/log.h"
#include "observe/listing.h"
#include "session/scheduler.h"

namespace ggml_sched {

// The table of contents of alloc_graph, reserve, reserve_size and split_graph.
Status Scheduler::prepare(Goal goal, size_t * sizes) {
    bool is_told = false; // the caller, of buffers that are replaced
    Status status;
    do { // Again without streaming, where its memory is needed for something else.
        bool fits = false;
        do { // Again with lower limits, where there is less memory for streaming than the splits need.
            // Each node gets a backend, and a split begins where the backend changes.
            status = assign_and_split();
            // Streamed weights get a ring in the memory of their device.
            if (status.ok()) {
                status = get_ring(goal, fits);
            }
        } while (status.ok() && !fits);
        // The inputs of a split get tensors for their copies, and the nodes read the copies.
        if (status.ok()) {
            status = make_copies(goal);
        }
        // Each tensor that has no memory gets a place in a buffer, which need not exist yet.
        if (status.ok()) {
            status = find_places(goal, sizes);
        }
        // Buffers that are too small are replaced, and each tensor is told its place.
        if (status.ok() && goal == Goal::Allocate) {
            status = give_places(is_told);
        }
    } while (has_made_room(goal, status));
    // The caller writes its inputs from now on, and an earlier run may still use their memory.
    if (status.ok() && goal == Goal::Allocate) {
        status = wait_for_inputs();
    }
    return status;
}

Status Scheduler::assign_and_split() {
    const uint64_t before = cutter_.streamed_number();
    if (Status status = cutter_.cut(user_, streaming_.limits(mode()), offered_ != Offered::Nothing); !status.ok()) {
        return status;
    }
    if (cutter_.streamed_number() != before) {
        streams_.lay_out(view(), splits());
    }
    return settings_.verify ? prove_cut() : Status{};
}

Status Scheduler::get_ring(Goal goal, bool & fits) {
    fits = !needs_memory(goal);
    return fits ? Status{} : streaming_.get_memory(view(), splits(), fits);
}

Status Scheduler::make_copies(Goal goal) {
    slots_.make(view(), splits(), backends_, n_copies_, turn_);
    if (needs_memory(goal)) {
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

Status Scheduler::find_places(Goal goal, size_t * sizes) {
    switch (goal) {
    case Goal::Split: return {};
    case Goal::Measure: return placer_.measure(cut_graph(), split_graphs_, sizes);
    case Goal::Reserve: return placer_.reserve(cut_graph(), split_graphs_, cutter_.number());
    default: break;
    }
    are_places_proved_ = settings_.verify;
    Status status = placer_.find(cut_graph(), split_graphs_, cutter_.number());
    return status.ok() && settings_.verify ? prove_places() : status;
}

Status Scheduler::give_places(bool & is_told) {
    if (placer_.must_grow() && !std::exchange(is_told, true)) {
        if (Status status = reallocations_.tell(graph_, cut_graph()); !status.ok()) {
            return status;
        }
    }
    return placer_.give(cut_graph());
}

// Is memory for anything else missing that streaming can give back? Then it has, and cutting the graph again helps.
bool Scheduler::has_made_room(Goal goal, const Status & status) {
    if (!needs_memory(goal) || status.code != GGML_STATUS_ALLOC_FAILED || !streaming_.give_memory_back()) {
        return false;
    }
    split_graphs_.restore();
    cutter_.take(graph_);
    return true;
}

Status Scheduler::wait_for_inputs() {
    std::shared_ptr<const plan::History> unknown;
    Status status = placer_.wait_for_inputs(view(), settings_.reuse ? lowered_[turn_].inputs_are_free(key()) : unknown);
    if (status.ok() && settings_.verify && placer_.must_wait_for_inputs(view())) {
        status = stale("inputs: an earlier run may still use their memory, and it is kept that none does");
    }
    if (!status.ok()) {
        placer_.take_back(view(), splits());
    }
    return status;
}

Status Scheduler::split(ggml_cgraph * graph) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier);
    return status.ok() ? prepare(Goal::Split) : status;
}

Status Scheduler::reserve_size(ggml_cgraph * graph, size_t * sizes) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier);
    if (status.ok()) {
        status = prepare(Goal::Measure, sizes);
    }
    reset();
    return status;
}

Status Scheduler::reserve(ggml_cgraph * graph) {
    const OperandsGuard guard(split_graphs_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier);
    if (status.ok()) {
        status = prepare(Goal::Reserve);
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
        status = prepare(Goal::Allocate);
        reallocations_.note(cut_graph());
    }
    if (!status.ok()) {
        reset();
        return status;
    }
    earlier.give_back();
    is_allocated_ = true;
    return {};
}

} // namespace ggml_sched
