// A copy of what a launch needs of its graph, with device addresses replaced by those of the real bytes: the CPU
// backend can run it as it is. Taken when the graph is enqueued, so that nobody can change a launched graph by
// rebuilding its tensors; the data is read and written when it runs.
//
// Threading: under the simulator's mutex. Reuse one object for many graphs: it keeps its storage.

#pragma once

#include "ggml-impl.h"
#include "ggml-sim.h"
#include "memory.h"

#include <cstdint>
#include <vector>

namespace ggml_sched::sim {

// Where bytes really are
struct Place {
    char * bytes = nullptr;
    AllocationRef allocation;                    // none for host memory of others
    ggml_backend_buffer_t host_buffer = nullptr; // that the bytes lie in
};

// Finds size bytes from offset of a tensor for a device. False, and says why, if the device cannot use them.
class Resolver {
  public:
    virtual bool resolve(const ggml_tensor & tensor, size_t offset, size_t size, Place & place) = 0;

  protected:
    ~Resolver() = default;
};

class GraphSnapshot {
  public:
    // False, with a message, if a tensor has no usable place or a node calls a function of the program.
    bool take(const ggml_cgraph & graph, const ggml_sim_config & config, Resolver & resolver);
    void clear(); // forgets the graph, keeps the storage

    ggml_cgraph as_graph();
    bool is_empty() const { return nodes_.empty(); }
    double cost_us() const { return cost_us_; }                         // of all nodes, without the launch
    std::vector<AllocationRef> & allocations() { return allocations_; } // that it touches, each once

  private:
    // From a tensor to its copy, by open addressing; slots of earlier graphs count as free.
    struct Slot {
        const ggml_tensor * original;
        uint64_t generation;
        ggml_tensor * copy;
    };

    void make_room(const ggml_cgraph & graph);
    Slot & slot_of(const ggml_tensor * original);
    ggml_tensor * copy(const ggml_tensor & original, Resolver & resolver);

    std::vector<ggml_tensor> tensors_; // never grows while pointers into it are taken
    std::vector<ggml_tensor *> nodes_;
    std::vector<AllocationRef> allocations_;
    std::vector<Slot> slots_; // a power of two
    uint64_t generation_ = 0;
    double cost_us_ = 0;
};

} // namespace ggml_sched::sim
