// Program - the planner's input: what a run does, in the order in which the host issues it, with the bytes that each
// task touches. It says nothing about synchronization. Values only; the executor's tables give the numbers meaning.

#pragma once

#include <cstdint>
#include <vector>

#include "plan/machine.h"

namespace ggml_sched::plan {

// An address space. Host memory is one; every other buffer is one of its own. The ring holds data that passes between
// host and device; each run has its own part of it, so its addresses are offsets and mean nothing to other runs.
using Space = uint32_t;
constexpr Space kHostMemory = 0;
constexpr Space kRing = 1;
constexpr Space kFirstBufferSpace = 2;

// The bytes [begin, end) of a space
struct Access {
    Space space;
    bool write;
    uint64_t begin;
    uint64_t end;
};

// Returns true if both have bytes in common.
inline bool overlap(const Access & a, const Access & b) {
    return a.space == b.space && a.begin < b.end && b.begin < a.end;
}

enum class TaskKind : uint8_t {
    CallerRead, // the caller may have enqueued reads of results on this lane since the last run
    Snapshot,   // the host copies an input aside
    SetAsync,   // host memory to a device, on the device's queue
    GetAsync,   // a device to host memory, on the device's queue
    CopyAsync,  // between two devices
    CopyNow,    // by the host, done when the call returns
    Offer,      // the copy callback may copy a weight in its own way; otherwise the weight is copied like SetAsync
    Launch,     // computes a split
    Observe,    // the caller looks at what the launch before it has computed
    Return,     // the caller has its inputs back and may overwrite them
};

constexpr bool is_async_copy(TaskKind kind) {
    return kind == TaskKind::SetAsync || kind == TaskKind::GetAsync || kind == TaskKind::CopyAsync ||
           kind == TaskKind::Offer;
}

constexpr bool is_copy(TaskKind kind) {
    return is_async_copy(kind) || kind == TaskKind::CopyNow;
}

constexpr int kNoSplit = -1;

struct Task {
    TaskKind kind;
    Lane lane;                             // its position in this lane is its completion
    Lane source = kHost;                   // copies: the lane that produces the data
    Lane destination = kHost;              // copies: the lane that will use it
    CopyOrder order = CopyOrder::InSource; // CopyAsync: lane is the source if InSource, else the destination
    bool reads_at_call = false; // SetAsync, Offer: host memory may be read before the call returns, so it must be ready
    bool only_at_call = false;  // and it is not read any more when the call has returned
    bool is_waited_for = false; // later runs will want to wait for this task, and not for what is behind it
    int32_t split = kNoSplit;   // in whose section it is issued
    uint32_t binding = 0;       // the executor's index: a copy, or the split
    uint32_t first_access = 0;
    uint32_t n_accesses = 0;
    uint64_t bytes = 0; // copied
};

// True if the call itself may touch these bytes: the host waits for them before it makes the call. During an Offer the
// callback also writes host memory.
constexpr bool is_at_call(const Task & task, const Access & access) {
    return task.kind == TaskKind::Offer ? access.space == kHostMemory : task.reads_at_call && !access.write;
}

// True if these bytes may be touched when the call has returned. What an Offer writes to host memory is written by
// then.
constexpr bool is_after_call(const Task & task, const Access & access) {
    return !is_at_call(task, access) || !(task.only_at_call || access.write);
}

enum class Mode : uint8_t { Auto, Barrier, Serial };

// A result that the caller may read on this lane once the run has been submitted
struct CallerRead {
    Lane lane;
    Access bytes;
};

struct Program {
    Mode mode = Mode::Auto;
    bool observed = false; // launches are done in slices, each followed by all that Observe needs, and Observe
    int n_splits = 0;
    std::vector<Task> tasks;
    std::vector<Access> accesses; // of all tasks, each task's together
    std::vector<CallerRead> caller_reads;
};

} // namespace ggml_sched::plan
