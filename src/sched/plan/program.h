// Program - the planner's input: what a run does, in the order in which the host issues it, with the bytes that each
// task touches. It says nothing about synchronization.
//
// A Task names its lane and its accesses. An Access is a range of bytes in a space. All of these are values: the tables
// of the executor (see lower/bindings.h) say which tensors and splits the numbers stand for.

#pragma once

#include <cstdint>
#include <vector>

#include "plan/machine.h"

namespace ggml_sched::plan {

// Space - an address space. All host memory is one space; each other buffer is a space of its own. The ring on
// the host is a space, too. Each run has its own part of the ring, so addresses there are offsets in that part.
using Space = uint32_t;
constexpr Space kHostMemory = 0;
constexpr Space kRing = 1;
constexpr Space kFirstBufferSpace = 2;

// Access - a read or write of the bytes [begin, end) of a space.
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

// TaskKind - what a task does.
enum class TaskKind : uint8_t {
    CallerRead, // the caller may have enqueued reads of results on this lane since the last run
    Snapshot,   // the host copies an input aside
    SetAsync,   // host memory to a device, on the device's queue
    GetAsync,   // a device to host memory, on the device's queue
    CopyAsync,  // one device to another, on a queue of theirs
    SetNow,     // host memory to a device: the host copies, and is done when the call returns
    CopyNow,    // any other copy that the host makes, and that is done when the call returns
    Offer,      // the copy callback may copy a weight in its own way; otherwise the weight is copied like SetAsync
    Launch,     // computes a split
    Observe,    // the caller looks at what the launch before it has computed
    Return,     // the caller has its inputs back and may overwrite them
};

// True for copies that may go on after their call has returned.
constexpr bool is_async_copy(TaskKind kind) {
    return kind == TaskKind::SetAsync || kind == TaskKind::GetAsync || kind == TaskKind::CopyAsync ||
           kind == TaskKind::Offer;
}

// True for all copies but snapshots.
constexpr bool is_copy(TaskKind kind) {
    return is_async_copy(kind) || kind == TaskKind::SetNow || kind == TaskKind::CopyNow;
}

constexpr int kNoSplit = -1; // the task belongs to no split

// Task - one thing that a run does. A comment names the kinds that use a field, if not all do.
struct Task {
    TaskKind kind;
    Lane lane;                             // the lane on which it completes
    Lane source = kHost;                   // copies: the lane of the data's source
    Lane destination = kHost;              // copies: the lane that will use it
    CopyOrder order = CopyOrder::InSource; // CopyAsync: lane is the source if InSource, else the destination
    bool reads_at_call = false; // SetAsync, Offer: host memory may be read before the call returns, so it must be ready
    bool only_at_call = false;  // SetAsync, Offer: host memory is read before the call returns, and not later
    bool may_be_now = false;    // SetAsync: it becomes a SetNow where it comes after nothing but reads of the caller
    bool is_waited_for = false; // an event follows, so that later runs can wait for this task alone
    int32_t split = kNoSplit;   // the split that it belongs to
    uint32_t binding = 0;       // index of a copy in the executor's table, or of the split
    uint32_t first_access = 0;
    uint32_t n_accesses = 0;
    uint64_t bytes = 0; // copied bytes
};

// True if the call itself may touch these bytes, so that the host waits before it makes the call. The callback of an
// Offer may also write host memory.
constexpr bool is_at_call(const Task & task, const Access & access) {
    const bool is_on_host = access.space == kHostMemory || (access.space == kRing && task.kind != TaskKind::Offer);
    return is_on_host && (task.kind == TaskKind::Offer || (task.reads_at_call && !access.write));
}

// True if the task may touch these bytes after the call has returned. An Offer has then done its writes to host memory.
constexpr bool is_after_call(const Task & task, const Access & access) {
    return !is_at_call(task, access) || !(task.only_at_call || access.write);
}

// Mode - the synchronization mode: waits by hazard, one barrier before each launch, or one copy at a time.
enum class Mode : uint8_t { Auto, Barrier, Serial };

// CallerRead - bytes of a result that the caller may read on this lane once the run has been submitted.
struct CallerRead {
    Lane lane;
    Access bytes;
};

// Program - the tasks of a run, in the order in which the host issues them.
struct Program {
    Mode mode = Mode::Auto;
    bool observed = false; // an eval callback looks at nodes: each launch goes in slices, with an Observe after each
    int n_splits = 0;
    std::vector<Task> tasks;
    std::vector<Access> accesses; // the accesses of all tasks; those of one task are neighbours
    std::vector<CallerRead> caller_reads;
};

} // namespace ggml_sched::plan
