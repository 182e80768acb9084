// Machine - the planner's picture of the hardware: the lanes, and which lane can wait for which.
//
// A lane is an in-order queue. The host is lane 0. A backend that does its work before its calls return is on lane 0,
// too. Each asynchronous backend has a lane of its own, and may have a second one that streams weights to it.

#pragma once

#include <array>
#include <cstdint>

namespace ggml_sched::plan {

using Lane = uint8_t;
constexpr Lane kHost = 0;
constexpr int kMaxLanes = 17; // the host and 16 others

// How an asynchronous copy between two lanes is ordered. All kinds run after what is queued on the source and before
// what is queued on the destination later; they differ in what else may be relied on.
enum class CopyOrder : uint8_t {
    InSource,      // it runs on the source's queue
    InDestination, // it runs on the destination's queue
    Unordered,     // nothing more is known
};

// Machine - the lanes of a scheduler, and how many runs may be in flight.
struct Machine {
    int n_lanes = 1;
    std::array<bool, kMaxLanes> events = {};                         // by lane: the lane can record events
    std::array<std::array<bool, kMaxLanes>, kMaxLanes> reaches = {}; // reaches[a][b]: b can wait for a's events
    // By lane: a record is a submission of its own, so a record that only later runs need is put off.
    std::array<bool, kMaxLanes> puts_off_records = {};
    int window = 2; // runs that may be in flight, the one being submitted included
};

} // namespace ggml_sched::plan
