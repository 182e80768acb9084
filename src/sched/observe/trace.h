// Trace - what was done when, as values: slices of time on lanes, and arrows between them. It holds no pointer to any
// tensor, graph or backend, and stops growing at a limit.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/plan.h"

namespace ggml_sched::observe {

using NameId = uint32_t; // index into Trace::names
using SliceId = uint32_t;
constexpr SliceId kNoSlice = UINT32_MAX;
constexpr NameId kNoName = 0; // ""

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
        Wait,
        Synchronize, // the host waits, and no plan said so
    };
    Kind kind = Kind::Call;
    plan::Lane lane = plan::kHost;
    bool exact = true; // false: only the moment of enqueuing is known
    int32_t split = plan::kNoSplit;
    uint32_t run = 0;
    NameId name = kNoName;
    NameId object = kNoName; // the tensor, the backend or what is waited for
    uint64_t bytes = 0;
    double start_us = 0; // from the begin of the trace on
    double finish_us = 0;
    double done_by_us = -1; // the host knew by then that it was done; -1: not known
};

struct TraceArrow {
    enum class Kind : uint8_t {
        Wait,        // `to` is a wait of the plan
        Synchronize, // `to` is another wait
        Copy,        // an asynchronous copy orders this by itself, without any wait
    };
    Kind kind;
    SliceId from;
    SliceId to;
    plan::WaitCause cause = plan::WaitCause::Mode; // Wait
    NameId task = kNoName;                         // what waits; for Copy the copy
    NameId other = kNoName;                        // what it waits for
    uint64_t bytes = 0;                            // that both touch; for Copy those that it copies
};

struct Trace {
    std::vector<std::string> lanes; // "" if there is none of the number
    bool device_clock = false;      // all times are of the devices' clock, the host's too
    bool cut = false;               // the limit was reached, or memory ran out
    std::deque<TraceSlice> slices;  // on each lane in the order of time
    std::deque<TraceArrow> arrows;
    std::vector<std::string> names = {""};

    static constexpr size_t kMaxEvents = 1000000; // slices, and two for each arrow

    // kNoSlice once the trace is cut. These throw std::bad_alloc.
    SliceId add(const TraceSlice & slice);
    bool add(const TraceArrow & arrow); // nothing where one of the ends was cut
    NameId name(const std::string & text);

  private:
    bool has_room(size_t n_events);

    size_t n_events_ = 0;
    std::unordered_map<std::string, NameId> ids_;
};

} // namespace ggml_sched::observe
