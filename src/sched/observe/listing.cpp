#include "observe/listing.h"

#include <cstdio>

namespace ggml_sched::observe {

namespace {

constexpr const char * kLegend =
    "## CAUSES: usr set by the caller, 1.dst it has memory there, 1.vsrc its view source has memory there, 1.inp "
    "input, "
    "1.wgt its weights are there, 1.off the device offers to take it, 2.sup a neighbour is there, 3.best most operands "
    "are there, 3.upg upgraded to a faster backend with the same memory, 4.vsrc its view source is there, 4.cur its "
    "reader is there, 4.any the first that supports it, 4.wr it writes into memory there\n";

std::string size_text(const ggml_tensor * tensor) {
    const size_t kib = ggml_nbytes(tensor) / 1024;
    return kib >= 1024 ? std::to_string(kib / 1024) + "M" : std::to_string(kib) + "K";
}

// Listing - writes the lines of the listing.
class Listing {
  public:
    Listing(const GraphView & graph, const Assignment & assignment, const std::vector<host::Backend> & backends)
        : graph_(graph)
        , assignment_(assignment)
        , backends_(backends) {}

    std::string split_line(size_t index, const Split & split, const Splits & splits) const {
        std::string line = "## SPLIT #" + std::to_string(index) + ": " + backends_[split.backend].name + " # " +
                           std::to_string(split.inputs.size()) + " inputs";
        for (const uint32_t input : split.inputs) {
            const ggml_tensor * tensor = graph_.tensor(splits.copies[input].tensor);
            line += std::string(input == split.inputs.front() ? ": [" : " [") + tensor->name + " (" +
                    size_text(tensor) + ")]";
        }
        return line + "\n";
    }

    std::string node_line(int index) const {
        const GraphNode & node = graph_.nodes()[index];
        const ggml_tensor * tensor = graph_.tensor(node.tensor);
        char head[64];
        std::snprintf(head, sizeof(head), "node #%3d (%10.10s): ", index, ggml_op_desc(tensor));
        std::string line = head + item(node.tensor) + ":";
        for (const Operand & op : graph_.operands_of(node)) {
            line += " " + item(op.tensor);
        }
        return line + "\n";
    }

  private:
    // Returns a tensor with its size, its backend and the cause.
    std::string item(TensorId id) const {
        const BackendId backend = assignment_.backend[id];
        return std::string(graph_.tensor(id)->name) + " (" + size_text(graph_.tensor(id)) + ") [" +
               (backend == kNoBackend ? "none" : backends_[backend].name) + " " + cause_name(assignment_.cause[id]) +
               "]";
    }

    const GraphView & graph_;
    const Assignment & assignment_;
    const std::vector<host::Backend> & backends_;
};

} // namespace

std::string listing_of(const GraphView & graph, const Splits & splits, const Assignment & assignment,
                       const std::vector<host::Backend> & backends, bool with_nodes) {
    const Listing listing(graph, assignment, backends);
    std::string text = with_nodes ? kLegend : "";
    for (size_t i = 0; i < splits.splits.size(); i++) {
        const Split & split = splits.splits[i];
        text += listing.split_line(i, split, splits);
        for (int node = split.begin; with_nodes && node < split.end; node++) {
            if (!graph.nodes()[node].is_view) {
                text += listing.node_line(node);
            }
        }
    }
    return text;
}

} // namespace ggml_sched::observe
