// GraphProof - shows that what a GraphComparison kept from the last graph holds for this one: its numbers of tensors
// and its versions.
//
// The proof numbers the graph with a new view, and compares all that the stages read. It also compares the contents of
// this graph and the last one. A difference must have changed the version of its kind, and must be listed as changed.
//
// One thread at a time uses a GraphProof. It owns a view of the last graph.

#pragma once

#include <memory>
#include <string>

#include "graph/comparison.h"

namespace ggml_sched {

class GraphProof {
  public:
    // Returns the first difference in words, "" if there is none. `view` and `comparison` are those of `graph`, which
    // nothing has changed since. It is slow.
    std::string check(const GraphView & view, const GraphComparison & comparison, const ggml_cgraph * graph);
    // Lets the next graph be compared with none before it.
    void forget() noexcept { last_.reset(); }

  private:
    std::string check_changes(const GraphView & view, const GraphComparison & comparison,
                              const GraphView & fresh) const;

    std::unique_ptr<GraphView> last_; // view of the last graph, whose tensors may be gone: only its copies are read
    GraphVersion version_;            // version of the last graph
    uint64_t number_ = 0;             // number of the last graph
};

} // namespace ggml_sched
