// MemoryPlanner - gives the tensors of a split graph their places, like ggml's graph allocator and with about as much
// memory, but by their numbers, so that nothing has to be looked up.
//
// A tensor's memory lives from the first node that touches it, or a view of it, to the last one; that of leafs and
// inputs from the beginning, that of results and OUTPUTs to the end. Copies of a split's inputs live from its
// beginning, all before the first of their sources is given up: they are made in any order. With more than one copy of
// each input each has memory of its own. What is reused is only safe in the order of the nodes; the planner of waits
// finds where lanes have to be kept in it.

#pragma once

#include <vector>

#include "alloc/memory_plan.h"
#include "host/graph_handle.h"
#include "host/in_place.h"

namespace ggml_sched {

class MemoryPlanner {
  public:
    explicit MemoryPlanner(const std::vector<host::Backend> & backends); // which must stay

    // `keeps` is what backends ask for. False if that is more than memory can be: the plan is good for nothing then.
    bool make(const CutGraph & graph, const std::vector<host::Keep> & keeps, MemoryPlan & plan);

  private:
    // What has memory of its own: a tensor by its number, or behind them a copy that does not rotate. Of a view it is
    // what is viewed.
    using Owner = uint32_t;

    struct Life {
        Life() = default;
        explicit Life(bool needs_place)
            : needs_place(needs_place) {}

        int32_t last_use = -1; // a time
        bool needs_place = false;
        bool is_live = false;    // has its place, and nobody else may have it
        bool has_reader = false; // the tensor itself, not through a view
    };
    struct AllocDependency {
        TensorId until; // this node is done
        Owner owner;
        int32_t node; // its index
    };

    // Each node has three times: before it copies are read whose split begins with it, after it what others ask for.
    static int32_t before(int node) { return 3 * node; }
    static int32_t at(int node) { return 3 * node + 1; }
    static int32_t after(int node) { return 3 * node + 2; }
    static constexpr int32_t kForever = INT32_MAX;

    void begin(const CutGraph & graph, MemoryPlan & plan);
    void find_owners();
    void find_late_uses(const std::vector<host::Keep> & keeps);
    void find_last_uses();
    void find_what_stays();
    bool place_rotating();
    bool place_early();
    bool place_split(const Split & split);
    bool place_inputs(const Split & split);
    void release_lates(int node);
    bool take_over(int index, const GraphNode & node, int n_slots);
    bool may_be_in(BackendId pool, BackendId backend) const { // what the backend computes, in place
        return pool == pools_[backend].first || may_be_in_other(pool, backend);
    }
    bool may_be_in_other(BackendId pool, BackendId backend) const;
    bool place(Owner owner);
    bool find_place(size_t size, BackendId backend, Place & place);
    void release_after(Owner owner, int32_t time) {
        if (lives_[owner].last_use == time && lives_[owner].is_live) {
            release(owner);
        }
    }
    void release(Owner owner);

    Owner owner_of(TensorId id) const { return graph_->view.root(id); }
    Place & place_of(Owner owner) {
        const size_t n = plan_->tensors.size();
        return owner < n ? plan_->tensors[owner] : plan_->copies[owner - n];
    }
    // With padding, in the pool of the backend
    size_t size_of(TensorId id, BackendId backend) const {
        const Pool & pool = pools_[backend];
        const size_t bytes = pool.pads ? size_on(backends_[backend], graph_->view.tensor(id)) : graph_->view.bytes(id);
        return padded(bytes, pool.alignment);
    }
    size_t size_of_copy(uint32_t copy) const;

    struct Pool {
        BackendId first; // whose pool it is
        size_t alignment;
        size_t max_part;
        bool pads; // tensors may take more than their bytes
    };
    const std::vector<host::Backend> & backends_;
    const host::OperandsToTakeOver to_take_over_ = host::operands_to_take_over();
    std::vector<Pool> pools_; // by backend
    std::vector<RangeAllocator> ranges_;

    // The graph that is planned, and of it
    const CutGraph * graph_ = nullptr;
    MemoryPlan * plan_ = nullptr;
    bool parallel_ = false;
    std::vector<Life> lives_;                   // by owner
    std::vector<Owner> owners_;                 // by operand
    std::vector<AllocDependency> dependencies_; // by node: what must live until that is done
    size_t next_dependency_ = 0;
};

} // namespace ggml_sched
