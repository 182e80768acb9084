// GraphProof - shows that the numbers and versions which a GraphComparison kept from the last graph hold for
// this one.
//
// The proof numbers the graph with a new view, and compares all that the
// stages read. It also compares the contents of this graph and the last one: whatever differs must have changed the
// version of its kind, and must be listed as changed.

#pragma once

#include <memory>
#include <string>

#include "graph/comparison.h"

namespace ggml_sched {

class GraphProof {
  public:
    // Returns the first difference, or "". The view must describe the graph as build() left it. Slow.
    std::string check(const GraphView & view, const GraphComparison & comparison, const ggml_cgraph * graph);
    // The next graph is compared with none before it.
    void forget() noexcept { last_.reset(); }

  private:
    std::string check_changes(const GraphView & view, const GraphComparison & comparison,
                              const GraphView & fresh) const;

    std::unique_ptr<GraphView> last_; // its tensors may be gone; their contents are copies
    GraphVersion version_;            // of the graph of last_
    uint64_t number_ = 0;             // likewise
};

} // namespace ggml_sched
