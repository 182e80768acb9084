// MemoryPlanner - gives the tensors of a split graph their places. It works like ggml's graph allocator and needs about
// as much memory, but uses tensor numbers instead of lookups.
//
// A tensor's memory lives from the first node that touches it, or a view of it, to the last one. Leafs and inputs live
// from the beginning; results and OUTPUTs live to the end. Copies of a split's inputs get their places before the first
// of their sources is released, since they are made in any order. If n_copies > 1, each copy has memory of its own.
// Memory is reused in the order of the nodes; the waits of the plan make lanes keep to that order.
//
// Ranges are placed as they are needed. Tensors then share memory as with ggml's allocator, and backends fuse the same
// operations. Where copies are streamed, they are missing in this order and leave holes. So the planner then tries
// again with all lifetimes known, and takes the smaller result (compaction.h).
//
// The planner owns what it needs for one plan; the caller owns the MemoryPlan. One thread at a time.

#pragma once

#include <vector>

#include "alloc/compaction.h"
#include "alloc/memory_plan.h"
#include "alloc/node_order.h"
#include "host/operations.h"

namespace ggml_sched {

// MemoryPlanner - makes the memory plan of one graph after another.
class MemoryPlanner {
  public:
    // The backends must outlive the planner.
    explicit MemoryPlanner(const std::vector<host::Backend> & backends);

    // Makes the plan. Backends ask for `dependencies`. Returns false, and an invalid plan, if a size is more than
    // memory can be.
    bool make(const CutGraph & graph, const std::vector<AllocDependency> & dependencies, MemoryPlan & plan);

  private:
    // Owner - the number of what has memory of its own. It is a root's TensorId, or the number of tensors plus the
    // index of a copy.
    using Owner = uint32_t;
    static constexpr Owner kNoOwner = UINT32_MAX;

    // Life - how long an owner needs its memory.
    struct Life {
        Life() = default;
        explicit Life(bool needs_place)
            : needs_place(needs_place) {}

        int32_t last_use = -1;    // a time: see before(), at(), after()
        bool needs_place = false; // has no place yet
        bool is_live = false;     // has a place that no other owner may use
        bool has_reader = false;  // a node reads the tensor itself, not a view of it
    };
    // Pool - what a backend's pool demands.
    struct Pool {
        BackendId first; // the first backend of the pool
        size_t alignment;
        size_t max_part; // the most bytes of one buffer
        bool pads;       // tensors may need more than their bytes
    };
    // LateUse - an owner keeps its memory until a node is computed.
    struct LateUse {
        TensorId until; // the node
        Owner owner;
        int32_t node; // the index of `until`
    };

    // Each node has three times. The sources of a split's copies are read before() its first node. A node is computed
    // at() its time. Alloc dependencies end after() their node.
    static int32_t before(int node) { return 3 * node; }
    static int32_t at(int node) { return 3 * node + 1; }
    static int32_t after(int node) { return 3 * node + 2; }
    static constexpr int32_t kForever = INT32_MAX; // the memory is never released

    // Clears all that the last plan left.
    void begin(const CutGraph & graph, MemoryPlan & plan);
    // Finds the owner of each operand's memory, and the owners that need a place.
    void find_owners();
    // Finds the alloc dependencies, sorted by node.
    void find_late_uses(const std::vector<AllocDependency> & dependencies);
    // Finds the last use of each owner.
    void find_last_uses();
    // Finds the owners whose memory is never released: results that no node reads, OUTPUTs, and inputs that keep their
    // values.
    void find_what_stays();
    // Places rotated inputs and, if n_copies > 1, the copies. False: see make(), here and below.
    bool place_rotated_inputs();
    // Places leafs and inputs.
    bool place_early();
    // Places the copies and the nodes of a split, and releases what has had its last use.
    bool place_split(const Split & split);
    // Places the copies of a split.
    bool place_inputs(const Split & split);
    // Notes which copies lie directly behind each other.
    void find_adjacent_copies();
    // Releases owners whose alloc dependency ends after this node.
    void release_lates(int node);
    // Places the node where one of its first n_slots operands lies, if it is the last use of that. False if it cannot.
    bool take_over(int index, const GraphNode & node, int n_slots);
    // True if the backend may put its results, in place, into this pool.
    bool may_be_in(BackendId pool, BackendId backend) const {
        return pool == pools_[backend].first || may_be_in_other(pool, backend);
    }
    // Does the same for the pool of another backend.
    bool may_be_in_other(BackendId pool, BackendId backend) const;
    // Finds a place for an owner that needs one.
    bool place(Owner owner);
    // Finds a free range in the backend's pool. It is kNoOwner's if it is never released.
    bool find_place(size_t size, BackendId backend, Place & place, Owner owner);
    // Releases the owner if this time was its last use.
    void release_after(Owner owner, int32_t time) {
        if (lives_[owner].last_use == time && lives_[owner].is_live) {
            release(owner);
        }
    }
    // Frees the place of the owner.
    void release(Owner owner);

    Owner owner_of(TensorId id) const { return graph_->view.root(id); }
    // Returns the place of the owner in the plan.
    Place & place_of(Owner owner) {
        const size_t n = plan_->tensors.size();
        return owner < n ? plan_->tensors[owner] : plan_->copies[owner - n];
    }
    // Both return the padded size in the pool of the backend.
    size_t size_of(TensorId id, BackendId backend) const {
        const Pool & pool = pools_[backend];
        const size_t bytes = pool.pads ? size_on(backends_[backend], graph_->view.tensor(id)) : graph_->view.bytes(id);
        return padded(bytes, pool.alignment);
    }
    size_t size_of_copy(uint32_t copy) const;

    const std::vector<host::Backend> & backends_;
    const host::OperandsToTakeOver to_take_over_ = host::operands_to_take_over();
    std::vector<Pool> pools_;            // by backend
    std::vector<RangeAllocator> ranges_; // by pool
    bool streams_ = false;               // something is streamed; only then the next three are kept
    std::vector<uint32_t> range_of_;     // by owner: its number in its PoolLife
    std::vector<PoolLife> pool_lives_;   // by pool

    const CutGraph * graph_ = nullptr; // the graph that is planned
    MemoryPlan * plan_ = nullptr;
    bool parallel_ = false;           // n_copies > 1
    std::vector<Life> lives_;         // by owner
    std::vector<bool> is_taken_over_; // by copy: a node has its result there
    std::vector<Owner> owners_;       // by operand
    std::vector<LateUse> late_uses_;  // sorted by node
    size_t next_late_use_ = 0;        // the first that has not been released
};

} // namespace ggml_sched
