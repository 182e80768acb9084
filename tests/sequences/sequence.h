// Sequence - a program that calls a scheduler's public functions, as a value. Two equal sequences do the same.
//
// Any numbers make a sequence: an index that means nothing is taken modulo what exists, and a call that a program may
// not make at that point is left out when the sequence runs. So any part of a sequence is a sequence.
//
// This file set needs only ggml's public API. platform.h has what differs between builds.

#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

namespace sequences {

constexpr int kSlots = 4; // graphs that exist at a time
constexpr int kWeights = 3;
constexpr int kCaches = 2;
constexpr int kCacheParts = 3; // of a value's size
constexpr int kMaxScheds = 3;
constexpr int kMaxDevices = 3;

constexpr int kByScheduler = -1; // a place: the scheduler chooses it

enum class Op {
    Add,
    Scale,
    MatMul, // by a weight
    View,
    Cont,
    AddInPlace,
    ScaleInPlace,
    Load,  // adds a part of a cache
    Store, // copies to a part of a cache
    Rows,  // adds rows of a cache, which an input of the graph chooses
    Count,
};

struct NodeSpec {
    Op op = Op::Scale;
    int a = 0; // operands: inputs, shared tensors, nodes
    int b = 0;
    int extra = 0; // a weight, a factor, or a part of a cache
    bool output = false;
    bool input = false; // the node is flagged as an input, too
};

enum class Share {
    Leaf,     // an input of another graph
    Node,     // a node of another graph, which this graph computes, too
    Result,   // a node of another graph, which this graph only reads
    AllNodes, // this graph begins with all nodes of the other graph
    Count,
};

struct ShareSpec {
    Share kind = Share::Leaf;
    int slot = 0;
    int value = 0;
};

struct GraphSpec {
    std::vector<int> inputs;     // each input's place: kByScheduler, or the caller allocates it on that backend
    bool has_plain_leaf = false; // one more leaf, without a flag
    std::vector<ShareSpec> shares;
    std::vector<NodeSpec> nodes;
};

// What a callback calls, once in a run
enum class Inside {
    Nothing,
    Reserve,
    ReserveSize,
    Split,
    SetTensorBackend,
    Alloc,
    Compute,
    ComputeAsync,
    Reset,
    Unalloc,
    SetStreaming,
    KeepWeights,
    TraceStart,
    TraceStop,
    Free, // the last one that must be refused
    Synchronize,
    Getters,
    SetModeAndVerify,
    UnsetItself,
    ResetAnother, // scheduler
    Count,
};

struct CallbackSpec {
    bool is_set = false;
    int every = 1; // the eval callback asks for each node of which the number is a multiple
    int stop = -1; // the eval callback ends the run after so many nodes; -1: never
    Inside inside = Inside::Nothing;
};

enum class Kind {
    Build,
    Write, // all inputs of a graph that have memory
    WriteCache,
    Alloc,
    Compute,
    ComputeAsync,
    ComputeBroken, // a launch fails
    Synchronize,
    Reset,
    Reserve,
    ReserveSize,
    Split,
    SetTensorBackend,
    Unalloc,
    SetEval,
    SetCopy,
    SetRealloc,
    SetMode,
    SetVerify,
    SetStreaming,
    KeepWeights,
    TraceStart,
    TraceStop,
    Getters,
    BadArguments,
    Renew, // free and new
    Count,
};

struct Call {
    Kind kind = Kind::Synchronize;
    int sched = 0;
    int slot = 0;
    int x = 0;
    int y = 0;
    GraphSpec graph;
    CallbackSpec callback;
};

struct Setup {
    std::vector<int> devices; // profiles of the platform
    int n_scheds = 1;
    bool parallel = false;
    bool op_offload = false;
    bool is_tight = false; // devices have little memory
    uint64_t adversary = 0;
    std::vector<int> weights = std::vector<int>(kWeights, 0); // places: backends
    std::vector<int> caches = std::vector<int>(kCaches, 0);
};

struct Sequence {
    Setup setup;
    std::vector<Call> calls;
};

const char * name_of(Op op);
const char * name_of(Inside inside);

void print(const Setup & setup, std::ostream & out);
void print(const Call & call, std::ostream & out);             // like the line of a C program
void showValue(const Sequence & sequence, std::ostream & out); // the name by which RapidCheck finds it

} // namespace sequences
