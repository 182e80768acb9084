// Alloc dependencies: a tensor or a copy keeps its memory until a node is computed. Backends of newer ggml ask for
// them.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "alloc/memory_planner.h"
#include "reuse/place_proof.h"
#include "split/cut_policy.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr int kLength = 8;
constexpr BackendId kDevice = 0;

RigOptions one_device() {
    RigOptions options;
    options.devices = {GGML_SIM_PROFILE_CUDA};
    return options;
}

// True if both places have bytes in common.
bool overlap(const Place & a, const Place & b) {
    return a.pool == b.pool && a.range.part == b.range.part && a.range.offset < b.range.offset + b.range.size &&
           b.range.offset < a.range.offset + a.range.size;
}

// Chain - nodes on a device. The first node reads a copy of an input on the CPU. Each other node reads the node before
// it. No node works in place, and all results have the size of the copy.
class Chain {
  public:
    Chain() {
        for (ggml_backend_t handle : {rig_.device(0), rig_.cpu()}) {
            backends_.push_back(host::describe(handle, ggml_backend_get_default_buffer_type(handle)));
        }
        ggml_context * ctx = context_.get();
        ggml_tensor * last = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 64);
        ggml_set_input(last);
        UserAssignments user;
        for (int i = 0; i < kLength; i++) {
            last = ggml_cont(ctx, last);
            user[last] = kDevice;
        }
        ggml_cgraph * graph = ggml_new_graph(ctx);
        ggml_build_forward_expand(graph, last);
        view_.build(graph);
        const Status status = assign(view_, backends_, placed_by_user(view_, user), {false}, assignment_);
        EXPECT_TRUE(status.ok()) << status.message;
        CutPolicy policy(view_, backends_, assignment_, false);
        splits_ = split(view_, backends_, assignment_, false, policy);
        EXPECT_EQ(splits_.splits.size(), 1U);
        EXPECT_EQ(splits_.copies.size(), 1U);
        slots_.make(view_, splits_, backends_, 1, 0);
    }

    TensorId node(int index) const { return view_.nodes()[static_cast<size_t>(index)].tensor; }
    // Returns the number by which an AllocDependency names the copy of the input.
    uint32_t copy() const { return static_cast<uint32_t>(view_.n_tensors()); }

    // Plans with some dependencies, and lets the proof look for others. Returns its first fault.
    std::string fault(const std::vector<AllocDependency> & planned, const std::vector<AllocDependency> & proved) {
        const CutGraph graph = {view_, splits_, slots_, assignment_};
        MemoryPlan plan;
        EXPECT_TRUE(MemoryPlanner(backends_).make(graph, planned, plan));
        return find_misplaced(plan, graph, proved, backends_);
    }

    // Returns the index of the first other node that gets memory of `kept`; kNoNode if no node does.
    int first_in_memory_of(uint32_t kept, const std::vector<AllocDependency> & dependencies) const {
        MemoryPlan plan;
        EXPECT_TRUE(MemoryPlanner(backends_).make({view_, splits_, slots_, assignment_}, dependencies, plan));
        const Place & place = kept == copy() ? plan.copies.front() : plan.tensors[kept];
        EXPECT_EQ(place.pool, kDevice);
        for (int i = 0; i < kLength; i++) {
            if (node(i) != kept && overlap(place, plan.tensors[node(i)])) {
                return i;
            }
        }
        return kNoNode;
    }

  private:
    Rig rig_{one_device()};
    ContextPtr context_ = make_context();
    std::vector<host::Backend> backends_;
    GraphView view_;
    Assignment assignment_;
    Splits splits_;
    Slots slots_;
};

TEST(AllocDependency, KeepsTheResultOfANode) {
    const Chain chain;
    const TensorId kept = chain.node(0);
    EXPECT_EQ(chain.first_in_memory_of(kept, {}), 2) << "the result is read by node 1";
    for (int until = 2; until < kLength - 2; until++) {
        const int first = chain.first_in_memory_of(kept, {{kept, chain.node(until)}});
        EXPECT_GT(first, until);
        EXPECT_LE(first, until + 2) << "the memory is free behind node " << until;
    }
}

TEST(AllocDependency, KeepsTheCopyOfAnInput) {
    const Chain chain;
    const uint32_t kept = chain.copy();
    EXPECT_EQ(chain.first_in_memory_of(kept, {}), 1) << "the copy is read by node 0";
    for (int until = 1; until < kLength - 2; until++) {
        const int first = chain.first_in_memory_of(kept, {{kept, chain.node(until)}});
        EXPECT_GT(first, until);
        EXPECT_LE(first, until + 2) << "the memory is free behind node " << until;
    }
}

TEST(AllocDependency, IsProved) {
    Chain chain;
    for (const uint32_t kept : {chain.copy(), uint32_t{chain.node(0)}}) {
        const std::vector<AllocDependency> dependencies = {{kept, chain.node(4)}};
        EXPECT_EQ(chain.fault(dependencies, dependencies), "");
        EXPECT_NE(chain.fault({}, dependencies), "") << "the memory is used again before node 4";
    }
    const std::vector<AllocDependency> backwards = {{chain.node(4), chain.node(2)}};
    EXPECT_EQ(chain.fault({}, backwards), "") << "a value that comes later cannot be gone";
}

} // namespace
} // namespace ggml_sched::test
