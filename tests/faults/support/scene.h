// Scene - a graph, another one, and the devices and settings that they run with: what a fault is tried on.

#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "support/case_graph.h"
#include "support/case_reference.h"
#include "support/rig.h"

namespace ggml_sched::test {

struct Scene {
    std::string name;
    Case job;              // its first two graphs; its first run says what is watched, and in which mode
    bool is_large = false; // the first graph is another one: a product with a weight that goes in chunks
    bool reserves = false; // the graph is reserved first
    bool traces = false;
    bool tells_growth = false;  // there is a realloc callback
    bool inits_tensors = false; // buffers of devices are told of tensors
    bool optimizes = false;     // devices look at graphs, and change nothing
};

// For GoogleTest, which would print the bytes
inline void PrintTo(const Scene & scene, std::ostream * out) {
    *out << scene.name;
}

// More than 30, each with another part of the scheduler in it
std::vector<Scene> all_scenes();

// The results of a graph of a scene, by the CPU alone
struct Results {
    std::vector<Bytes> outputs;
    std::vector<Bytes> kept; // in tensors that stay: caches and ids

    bool operator==(const Results & other) const { return outputs == other.outputs && kept == other.kept; }
};

class Tensors {
  public:
    Tensors(const Scene & scene, const PersistentPlaces & places, ggml_backend_buffer_type_t cpu_weights);

    BuiltGraph build(size_t graph) const; // 0 or 1
    // Writes what a run begins with. Nothing may be in flight.
    void write_kept() const;
    static Inputs inputs(const BuiltGraph & built);
    Results read(const BuiltGraph & built) const;

  private:
    BuiltGraph build_large() const;

    const Scene & scene_;
    Persistent persistent_;
    ContextPtr large_context_;
    BufferPtr large_buffer_;
    ggml_tensor * large_ = nullptr;
};

Results results_of(const Scene & scene, size_t graph);

} // namespace ggml_sched::test
