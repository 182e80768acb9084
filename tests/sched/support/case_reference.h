// Reference - what the runs of a case must give: the same graphs on the CPU alone.

#pragma once

#include <memory>
#include <vector>

#include "support/case_graph.h"

namespace ggml_sched::test {

using Bytes = std::vector<char>;

Bytes bytes_of(const ggml_tensor * tensor); // blocks; nothing may be in flight

// What the caller writes into a graph's inputs
struct Inputs {
    std::vector<std::vector<float>> values;
    std::vector<int32_t> rows;
    std::vector<int32_t> ids; // all experts, some, or one
};
Inputs random_inputs(size_t n, uint64_t seed);
Inputs garbage_inputs(size_t n);
void write_inputs(const BuiltGraph & graph, const Inputs & inputs); // an input that nothing reads has no memory

// The eval callback of this run asks for the n-th node.
inline bool is_watched(const RunSpec & run, int n) {
    return run.watch > 0 && n % run.watch == 0;
}

struct Expected {
    std::vector<Bytes> outputs; // of the graph's, those that are computed
    std::vector<Bytes> seen;    // by the eval callback
    bool stopped = false;       // by it
};

class Reference {
  public:
    explicit Reference(const Case & job);

    // Does the next run.
    Expected run(const RunSpec & run, const Inputs & inputs);
    const Persistent & tensors() const { return tensors_; }

  private:
    const Case & job_;
    BackendPtr cpu_;
    Persistent tensors_;
};

} // namespace ggml_sched::test
