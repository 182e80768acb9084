// ExpertGraph - a graph in which the pairs of expert blocks are parted: the device computes those whose experts have a
// entry in a bank, and the CPU the others.
//
//   router > ids > pairs (CPU) > block on the bank (device) ------------> both > pick > what reads the result
//                      \-------> rows > block on missing pairs (CPU) -----/
//
// The device computes the block with entries in place of ids, for all pairs. The CPU computes a second one, with as
// many rows as pairs are missing. The node that had the result picks the rows of both. Where missing experts are
// uploaded, there is no second block, and the result stays where it was.
//
// These are nodes as all others: the stages behind assign, split and order them. The caller's nodes have other operands
// between exchange() and restore(). The ExpertGraph owns its own nodes. One thread at a time.

#pragma once

#include <deque>
#include <vector>

#include "experts/parted_pattern.h"
#include "host/graph_handle.h"

namespace ggml_sched {

class ExpertGraph {
  public:
    explicit ExpertGraph(const std::vector<host::Backend> & backends)
        : backends_(backends) {}

    // Begins with a graph, and forgets the last one, which must exist if its nodes are exchanged.
    void begin(ggml_cgraph * graph);
    // Parts the pairs of a pattern of the graph. Patterns do not overlap. Returns what is in the way; the pattern is
    // then computed as the caller built it.
    Obstacle add(const ExpertPattern & pattern, ExpertBank & bank, Misses misses);
    // Returns the graph with the nodes of all patterns; the caller's own if there are none.
    ggml_cgraph * finish();

    // Lets the caller's nodes compute what this graph needs, or what the caller built. The graph must exist.
    void exchange();
    void restore();

    bool is_empty() const { return patterns_.empty(); }
    const std::vector<PartedPattern> & patterns() const { return patterns_; }
    // Returns the parting of a pattern.
    Parting & parting(size_t pattern) { return partings_[pattern]; }

  private:
    const std::vector<host::Backend> & backends_;
    ggml_cgraph * graph_ = nullptr;
    NodePool pool_;
    std::deque<Parting> partings_; // by pattern; they stay where they are, since nodes name them
    std::vector<PartedPattern> patterns_;
    std::vector<ggml_tensor *> nodes_;
    host::GraphHandle handle_;
    bool is_exchanged_ = false;
};

} // namespace ggml_sched
