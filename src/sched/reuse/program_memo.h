// LoweredGraph - a program and the plans made for it, kept for the next graph that it fits: engines build the same
// graph anew for every token.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "lower/lower.h"
#include "observe/text.h"
#include "reuse/key_field.h"
#include "reuse/plan_memo.h"

namespace ggml_sched {

class LoweredGraph {
  public:
    // A program depends on these: numbers that change with it. It also depends on which weights are offered to a copy
    // callback. These decide the splits, and other splits get other places.
    struct Key {
        uint64_t layout;  // of the graph's tensors
        uint64_t given;   // places that tensors had before
        uint64_t placed;  // places that they were given, which are found anew for other splits
        uint64_t streams; // memory of streamed weights
        uint64_t links;   // the topology
        plan::Mode mode;
        bool observed;
        bool whole_experts;

        friend bool operator==(const Key & a, const Key & b) { return a.equals(b, {}); }
        bool equals(const Key & other, const IgnoredFields & ignored) const;
    };

    bool is_for(const Key & key, const IgnoredFields & ignored) const { return valid_ && key_.equals(key, ignored); }
    void take(const Key & key, Lowered lowered);
    // The tensors of the graph that is to run next, which has the same key
    void bind(const GraphView & graph, const Slots & slots);
    void forget() { valid_ = false; }

    const Lowered & lowered() const { return lowered_; }
    PlanCache & plans() { return plans_; }

    // Made when they are needed; NULL before.
    std::shared_ptr<const observe::Names> names;
    // The history after which the caller of a graph with this key may write its inputs without a wait; NULL: not known.
    // The graph need not have been lowered yet.
    std::shared_ptr<const plan::History> & inputs_are_free(const Key & key);

  private:
    bool valid_ = false;
    Key key_ = {};
    Key key_of_inputs_ = {}; // whose inputs are free
    std::shared_ptr<const plan::History> free_after_;
    Lowered lowered_;
    PlanCache plans_;
};

} // namespace ggml_sched
