// LoweredGraph - a program and the plans made for it, kept for the next graph that has the same content and the same
// addresses: engines build such graphs anew for every token.

#pragma once

#include <cstdint>
#include <vector>

#include "lower/lower.h"
#include "observe/text.h"
#include "plan_cache.h"

namespace ggml_sched {

class LoweredGraph {
  public:
    // What a program depends on, next to addresses
    struct Key {
        uint64_t content; // a number that changes with the graph's content
        uint64_t links;   // a number that changes with the topology
        uint64_t buffers; // a number that changes when buffers may have moved
        plan::Mode mode;
        bool observed;

        friend bool operator==(const Key & a, const Key & b) {
            return a.content == b.content && a.links == b.links && a.buffers == b.buffers && a.mode == b.mode &&
                   a.observed == b.observed;
        }
    };

    bool is_for(const Key & key) const { return valid_ && key_ == key; }
    // Places the tensors, none of which the allocator has placed yet, where those of the graph that was taken are.
    // False, and nothing is placed, if they cannot be there. The caller has reset the buffers.
    bool place(const GraphView & graph, const Splits & splits, const Slots & slots) const;
    // Do the tensors lie where they did?
    bool lies_at(const GraphView & graph, const Splits & splits, const Slots & slots) const;
    void take(const Key & key, const GraphView & graph, const Splits & splits, const Slots & slots, Lowered lowered);
    // The tensors of the graph that is to run next, which has the same key and addresses
    void bind(const GraphView & graph, const Slots & slots);
    void forget() { valid_ = false; }

    const Lowered & lowered() const { return lowered_; }
    PlanCache & plans() { return plans_; }

    // Made when they are needed; NULL before.
    std::shared_ptr<const observe::Names> names;
    // The history after which the caller may write the inputs without a wait; NULL: not known
    std::shared_ptr<const plan::History> inputs_are_free;

  private:
    struct Address {
        ggml_backend_buffer_t buffer;
        void * data;
        size_t view_offset;

        friend bool operator==(const Address & a, const Address & b) {
            return a.buffer == b.buffer && a.data == b.data && a.view_offset == b.view_offset;
        }
    };
    static Address address_of(const ggml_tensor * tensor) {
        return {host::buffer_of(tensor), tensor->data, tensor->view_src ? tensor->view_offs : 0};
    }
    bool can_place(const GraphView & graph, const Splits & splits) const;

    bool valid_ = false;
    Key key_ = {};
    std::vector<Address> tensors_; // by number
    std::vector<Address> slots_;   // by copy
    Lowered lowered_;
    PlanCache plans_;
};

} // namespace ggml_sched
