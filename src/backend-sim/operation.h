// One entry of a queue, and what others know of it.
// Threading: under the simulator's mutex.

#pragma once

#include "graph_snapshot.h"
#include "memory.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace ggml_sched::sim {

struct Queue;

// What remains of an operation for those who wait for it. The queue lives at least until done.
struct Completion {
    Queue * queue = nullptr;
    bool done = false;
    double start_us = 0; // on the virtual clock, known from the start; of a wait: when its queue comes to it
    double finish_us = 0;
    uint64_t clock_epoch = 0; // both are of this run of the clock
};

using CompletionRef = std::shared_ptr<Completion>;

// n pieces of `size` bytes
struct Transfer {
    char * dst = nullptr;
    const char * src = nullptr;
    size_t size = 0;
    size_t n = 1;
    size_t dst_stride = 0;
    size_t src_stride = 0;

    void stage();     // reads the bytes now, so that only the writing is left
    void run() const; // the pieces may overlap only where src and dst are the same range or n is 1

    std::vector<char> staged;
};

enum class OperationKind { Compute, Set, Get, Copy, Record, Wait };

const char * name_of(OperationKind kind);

struct Operation {
    OperationKind kind = OperationKind::Wait;
    CompletionRef completion;
    std::vector<CompletionRef> after; // done before this may run, besides the queue's earlier operations
    std::vector<AllocationRef> uses;  // kept until it has run
    Transfer transfer;                // Set, Get, Copy
    std::unique_ptr<GraphSnapshot> graph;
    const void * event = nullptr; // Record, Wait: the event, for comparison only
    uint64_t mark = 0;            // the queue's when it was enqueued
};

} // namespace ggml_sched::sim
