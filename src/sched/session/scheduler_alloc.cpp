// The functions of the scheduler that prepare a graph: the stages of alloc_graph, and of the calls that need only some
// of them.

#include <algorithm>
#include <string>
#include <utility>

#include "host/log.h"
#include "observe/listing.h"
#include "observe/stream_text.h"
#include "session/scheduler.h"

namespace ggml_sched {

// Runs the stages of alloc_graph, reserve, reserve_size and split_graph. Each step below is one stage.
Status Scheduler::prepare(Goal goal, size_t * sizes) {
    bool is_told = false; // true if the caller has been told that buffers are replaced
    Status status;
    do { // The stages run again without streaming if its memory is needed for something else.
        bool fits = false;
        do { // They run again if memory counts as pinned from here on, and with lower limits if there is less memory
             // for streaming than the splits need.
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
    if (status.ok() && needs_memory(goal)) {
        note_decision();
    }
    // The caller writes its inputs from now on. An earlier run may still use their memory, so the host waits for it.
    if (status.ok() && goal == Goal::Allocate) {
        status = wait_for_inputs();
    }
    return status;
}

Status Scheduler::assign_and_split() {
    Status status = cut_.cut(assignments(), limits(), offered_ != Offered::Nothing);
    return status.ok() && settings_.verify ? prove_cut() : status;
}

// Returns what may be streamed now. Modes other than auto stream nothing: they show what ggml does, one copy at a time.
const StreamLimits & Scheduler::limits() {
    static const StreamLimits kNothing;
    return is_streaming() ? streams_.limits() : kNothing;
}

// Decides what is streamed of the graph, unless it is known.
void Scheduler::plan_streaming() {
    const bool whole = streaming_.streams_whole(cut_.streamed().experts);
    const auto is_this = [&](const StreamKey & key, const std::shared_ptr<const StreamPlan> &) {
        return key.is_for(cut_.splits(), cut_.streamed_sizes(), streams_.number(), whole, hooks_.ignored);
    };
    const std::shared_ptr<const StreamPlan> & kept = kept_streams_.get(is_this, [&] {
        streams_.say_what_is_missing(view(), splits());
        return std::make_pair(
            StreamKey{cut_.splits(), cut_.streamed_sizes(), streams_.number(), whole},
            std::make_shared<const StreamPlan>(plan_streams(view(), splits(), cut_.streamed(), assignment(), backends_,
                                                            topology_, streams_.memory(), whole)));
    });
    if (streamed_ != kept) {
        streamed_ = kept;
    }
}

// Plans what is streamed, and gets the memory for it. `fits` is false if the graph has to be split again.
Status Scheduler::get_ring(Goal goal, bool & fits) {
    fits = !needs_memory(goal) || !is_streaming();
    if (fits) {
        streamed_ = nothing_streamed_;
        return {};
    }
    if (streaming_.register_sources(view(), splits(), hooks_.registered_from)) {
        cut_.take(worked_on_);
        return {};
    }
    plan_streaming();
    const uint64_t before = streams_.number();
    Status status = settings_.verify ? prove_stream_plan() : Status{}; // before anything uses it
    if (status.ok()) {
        status = streaming_.get_memory(*streamed_, view(), splits(), fits);
    }
    if (status.ok() && fits) {
        if (streams_.number() != before) {
            plan_streaming(); // The plan depends on the memory, which has changed.
        }
        status = settings_.verify ? prove_streams() : status;
    }
    return status;
}

// Makes the tensors of the copies, and lets the nodes read them.
Status Scheduler::make_copies(Goal goal) {
    slots_.make(view(), splits(), backends_, n_copies_, cur_copy_);
    if (needs_memory(goal)) {
        if (Status status = streams_.place(*streamed_, slots_); !status.ok()) {
            return status;
        }
    }
    if (settings_.debug > 0) {
        host::log_debug(observe::listing_of(view(), splits(), assignment(), backends_, settings_.debug > 1));
    }
    split_graphs_.prepare(cut_.view(), worked_on_, splits(), slots_, backends_);
    return {};
}

// Tells why weights of the graph are streamed, or are not.
void Scheduler::note_decision() {
    stats().stream_decision = std::max<uint64_t>(stats().stream_decision, streamed_->decision);
    if (settings_.debug > 0) {
        host::log_debug(std::string("## STREAMING: ") + text_of(streamed_->decision) + "\n");
    }
}

// Finds places for the tensors, or only the sizes of buffers, as far as the goal needs them.
Status Scheduler::find_places(Goal goal, size_t * sizes) {
    switch (goal) {
    case Goal::Split: return {};
    case Goal::Measure: return allocation_.measure(cut_graph(), split_graphs_, sizes);
    case Goal::Reserve: return allocation_.reserve(cut_graph(), split_graphs_, cut_.comparison(), cut_.splits());
    default: break;
    }
    are_places_proved_ = settings_.verify;
    Status status = allocation_.find(cut_graph(), split_graphs_, cut_.comparison(), cut_.splits());
    return status.ok() && settings_.verify ? prove_places() : status;
}

// Gives the tensors their places. Tells the caller once, before a buffer is replaced.
Status Scheduler::give_places(bool & is_told) {
    if (allocation_.must_grow() && !std::exchange(is_told, true)) {
        if (Status status = reallocations_.tell(graph_, cut_graph()); !status.ok()) {
            return status;
        }
    }
    return allocation_.give(cut_graph());
}

// Returns true if memory ran out and something else has given memory back. The stages then run again.
bool Scheduler::has_made_room(Goal goal, const Status & status) {
    if (!needs_memory(goal) || status.code != GGML_STATUS_ALLOC_FAILED) {
        return false;
    }
    split_graphs_.restore();
    if (experts_.has_blocks()) {
        in_flight_.abandon("memory of resident experts is given back");
        experts_.give_back();
        forget_programs();
        exchange_experts();
    } else if (!streaming_.give_memory_back()) {
        return false;
    }
    cut_.take(worked_on_);
    return true;
}

// Waits until the caller may write its inputs. On a failure no tensor has memory.
Status Scheduler::wait_for_inputs() {
    if (in_flight_.is_empty()) {
        return {};
    }
    std::shared_ptr<const plan::History> unknown;
    std::shared_ptr<const plan::History> * free_after = &unknown;
    if (settings_.reuse) {
        const ProgramKey now = key();
        free_after = &free_inputs_.get([&](const ProgramKey & kept, const auto &) { return kept.equals(now, {}); },
                                       [&] { return std::make_pair(now, std::shared_ptr<const plan::History>()); });
    }
    Status status = allocation_.wait_for_inputs(view(), *free_after);
    if (status.ok() && settings_.verify && allocation_.must_wait_for_inputs(view())) {
        status = stale("inputs: an earlier run may still use their memory, and it is kept that none does");
    }
    if (!status.ok()) {
        allocation_.take_back(view(), splits());
    }
    return status;
}

Status Scheduler::split(ggml_cgraph * graph) {
    const OperandsGuard guard(split_graphs_, experts_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier, Goal::Split);
    return status.ok() ? prepare(Goal::Split) : status;
}

Status Scheduler::reserve_size(ggml_cgraph * graph, size_t * sizes) {
    const OperandsGuard guard(split_graphs_, experts_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier, Goal::Measure);
    if (status.ok()) {
        status = prepare(Goal::Measure, sizes);
    }
    reset();
    return status;
}

Status Scheduler::reserve(ggml_cgraph * graph) {
    const OperandsGuard guard(split_graphs_, experts_);
    EarlierPlaces earlier;
    Status status = take(graph, earlier, Goal::Reserve);
    if (status.ok()) {
        status = prepare(Goal::Reserve);
    }
    if (status.ok()) {
        reallocations_.note(cut_graph());
    }
    reset();
    return status;
}

// Allocates a graph. With Inputs::Written, it fails if an input has lost its contents.
Status Scheduler::allocate(ggml_cgraph * graph, Inputs inputs) {
    const OperandsGuard guard(split_graphs_, experts_);
    EarlierPlaces earlier;
    cur_copy_ = next_copy_;
    next_copy_ = (next_copy_ + 1) % n_copies_;
    Status status = take(graph, earlier, Goal::Allocate);
    if (status.ok() && inputs == Inputs::Written && earlier.lost_input()) {
        status = Status::failed(std::string("the graph is not allocated any more, and '") + earlier.lost_input()->name +
                                "' has lost its value; call ggml_backend_sched_alloc_graph and write the inputs, then "
                                "compute the graph");
    }
    if (status.ok()) {
        status = prepare(Goal::Allocate);
    }
    if (!status.ok()) {
        reset();
        return status;
    }
    reallocations_.note(cut_graph());
    find_splits_of_missing();
    earlier.give_back();
    is_allocated_ = true;
    return {};
}

} // namespace ggml_sched
