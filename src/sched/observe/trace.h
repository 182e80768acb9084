// Trace - what was done when, as values: slices of time on lanes, and arrows between slices. A slice is one thing that
// was done, and an arrow is an order between two of them.
//
// A trace owns all that it says. It holds no pointer to a tensor, a graph or a backend, and it stops growing at a
// limit. One thread at a time uses it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/plan.h"

namespace ggml_sched::observe {

using NameId = uint32_t;  // index into Trace::names
using SliceId = uint32_t; // index into Trace::slices
constexpr SliceId kNoSlice = UINT32_MAX;
constexpr NameId kNoName = 0; // the name ""

// TraceSlice - one thing that was done on a lane
struct TraceSlice {
    enum class Kind : uint8_t {
        Before, // stands for what was done before the trace began
        Run,    // a moment: a run begins
        Return, // a moment: the caller has its inputs back
        Call,   // the host enqueues something on a device
        Snapshot,
        Copy,
        Launch,
        Observe, // the eval callback looks at a node
        Record,
        Wait,        // a wait of the plan
        Synchronize, // the host waits for something that no plan knows
    };
    Kind kind = Kind::Call;
    plan::Lane lane = plan::kHost;
    bool exact = true; // false if only the moment of enqueuing is known
    int32_t split = plan::kNoSplit;
    uint32_t run = 0; // number of the run, among runs of graphs
    NameId name = kNoName;
    NameId object = kNoName; // the tensor, the backend or what is waited for
    uint64_t bytes = 0;      // bytes that were copied
    double start_us = 0;     // time since the trace began
    double finish_us = 0;    // time since the trace began
    double done_by_us = -1;  // time at which the host knew that it was done; -1 if the host does not know
};

// TraceArrow - an order between two slices
struct TraceArrow {
    enum class Kind : uint8_t {
        Wait,        // `to` is a wait of the plan
        Synchronize, // `to` is a wait that no plan knows
        Copy,        // an asynchronous copy orders the slices by itself
    };
    Kind kind;
    SliceId from;
    SliceId to;
    plan::WaitCause cause = plan::WaitCause::Mode; // cause of a Wait
    NameId task = kNoName;                         // the task that waits; for Copy the copy
    NameId other = kNoName;                        // the work that it waits for
    uint64_t bytes = 0;                            // bytes that both touch; for Copy bytes that are copied
};

// Trace - the slices, the arrows and their names
struct Trace {
    std::vector<std::string> lanes; // name of each lane; "" if there is no lane of this number
    bool device_clock = false;      // true if all times, also those of the host, are of the clock of the devices
    bool cut = false;               // true if the limit was reached, or memory ran out
    std::deque<TraceSlice> slices;  // on each lane in the order of time
    std::deque<TraceArrow> arrows;
    std::vector<std::string> names = {""};

    static constexpr size_t kMaxEvents = 1000000; // limit: a slice counts as one event, an arrow as two

    // Adds a slice. Returns kNoSlice if the trace is cut. The functions that add throw std::bad_alloc.
    SliceId add(const TraceSlice & slice);
    // Adds an arrow. Returns false if the trace is cut, or if there is no slice at one of the ends.
    bool add(const TraceArrow & arrow);
    // Returns the number of a name, which is added if it is new. Returns kNoName if the trace is cut.
    NameId name(const std::string & text);

  private:
    bool has_room(size_t n_events);

    size_t n_events_ = 0;
    std::unordered_map<std::string, NameId> ids_; // number of each name
};

} // namespace ggml_sched::observe
