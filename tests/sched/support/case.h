// Case - a job for a scheduler as a value: devices, tensors that stay, graphs, and runs of them with what the caller
// does in between. Two equal cases do the same, bit by bit.
//
// Any numbers make a case once it is normalized: references that mean nothing are led to something near. So a case can
// be cut down anywhere and stays one.

#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "ggml-sched.h"
#include "ggml-sim.h"

namespace ggml_sched::test {

constexpr int kRows = 32;   // most of a value; fewer are not worth offloading
constexpr int kWeights = 4; // tensors that stay from graph to graph
constexpr int kCaches = 3;
constexpr int kCacheParts = 3;    // of kRows rows each
constexpr int kExpertWeights = 2; // as kWeights, each of several experts

// Where something is: the CPU, or a device, counted from 1
constexpr int kAnywhere = -1; // the scheduler decides
constexpr int kOnCpu = 0;

enum class Op {
    Scale, // of values
    Add,
    AddRow, // a row of b
    Mul,
    Norm,
    SoftMax,
    Silu,
    View,
    Transposed,
    InPlace, // a += b; from then on the result stands for a
    MatMul,  // with a weight
    Lookup,
    Load, // from a cache
    StoreCopy,
    StoreRows,
    Experts,  // each row is multiplied with those of a weight that ids name
    StoreIds, // ids from a router, for Experts of this graph and later ones
    LoadAll,  // rows that the caller chooses, out of as much of a cache as graphs of so many rows use
    Count,
};

// Where the ids of Op::Experts come from
enum class IdsFrom {
    Caller,
    Copy,   // that a node makes of the caller's
    Router, // NodeSpec::b's largest elements
    Store,  // the last that were stored
    Count,
};

// NodeSpec::extra of Op::Experts
struct ExpertsUse {
    int weight = 0;
    IdsFrom ids = IdsFrom::Caller;
    bool is_small = false; // half as many tokens, each with two experts: not worth offloading

    static constexpr int n() { return 2 * kExpertWeights * static_cast<int>(IdsFrom::Count); }
    static ExpertsUse of(int extra);
    int as_extra() const;
};

struct NodeSpec {
    Op op = Op::Scale;
    int a = 0; // values: the graph's inputs, then its nodes
    int b = 0;
    int extra = 0; // a weight; a row; a cache, plus kCaches times its part; an ExpertsUse; for StoreIds an IdsFrom
    int place = kAnywhere;
    bool output = false;
};

struct GraphSpec {
    std::vector<int> inputs; // their places
    std::vector<NodeSpec> nodes;
    int rows = kRows; // of every value; even
};

// RunSpec::ring of a run from which on nothing is streamed
constexpr size_t kNoRing = SIZE_MAX;

// One call of graph_compute_async, and what the caller does before and after it
struct RunSpec {
    int graph = 0;            // of Case::graphs
    bool rebuild = true;      // reset, build it anew, allocate; always so where the graph is another one
    bool same_memory = false; // it is described where the graph before was
    bool reserve = false;     // before that
    bool write = true;        // new inputs, at the first moment that the API allows it; always so where they are lost
    bool spoil = false;       // inputs become garbage as soon as the call returns
    bool synchronize = false; // at the end
    int mode = 0;             // ggml_sched_sync_mode
    int watch = 0;            // the eval callback asks for each watch-th node; 0: there is none
    int stop = -1;            // it ends the run when it has seen that many; -1: never
    bool offers = true;       // the copy callback, if there is one, is set while the graph is built anew
    size_t ring = 0;      // bytes of the ring for streamed weights from here on; 0: it stays. The graph is built anew
    bool refuses = false; // each device refuses an asynchronous copy to another
};

struct Case {
    std::vector<ggml_sim_profile> devices; // and a CPU behind them
    int n_copies = 0;                      // 0: not parallel
    size_t snapshot_limit = SIZE_MAX;
    bool op_offload = false;
    size_t stream = SIZE_MAX;    // bytes of the ring for streamed weights; SIZE_MAX: the default
    bool keep = false;           // weights that are still in it
    size_t resident = 0;         // bytes of each device for resident experts; SIZE_MAX: auto
    int misses = 0;              // a ggml_sched_expert_misses
    int uploaded_percent = 0;    // of the missing experts, where they are shared
    bool pinned_weights = false; // those on the CPU
    double link = 0;             // bytes that reach a device in a microsecond of its clock; 0: the default
    bool on_stream_lane = false; // inputs are copied on the streaming queue, too
    bool merges = false;         // copies of neighbours
    bool scribbles = false;      // there is a copy callback, which spoils weights and restores them
    uint64_t adversary = 0;      // when devices execute what is queued
    uint64_t data = 0;           // of weights and inputs
    std::vector<int> weights = std::vector<int>(kWeights, kOnCpu); // their places
    std::vector<int> caches = std::vector<int>(kCaches, kOnCpu);
    std::vector<int> experts = std::vector<int>(kExpertWeights, kOnCpu);
    int stored_ids = kOnCpu; // their place
    int caller_ids = kOnCpu; // the place of the input with the ids of IdsFrom::Caller
    std::vector<GraphSpec> graphs;
    std::vector<RunSpec> runs;
};

bool operator==(const NodeSpec & a, const NodeSpec & b);
bool operator==(const RunSpec & a, const RunSpec & b);
bool operator==(const GraphSpec & a, const GraphSpec & b);
bool operator==(const Case & a, const Case & b);
inline bool operator!=(const Case & a, const Case & b) {
    return !(a == b);
}

bool reads_second(Op op); // NodeSpec::b
bool uses_weight(Op op);
bool uses_cache(Op op);

void normalize(Case & job);
int n_nodes(const Case & job);

void showValue(const Case & job, std::ostream & out); // the name by which RapidCheck finds it

} // namespace ggml_sched::test
