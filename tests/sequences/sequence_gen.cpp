#include "sequence_gen.h"

#include <algorithm>
#include <functional>
#include <random>

namespace sequences {

namespace {

class Maker {
  public:
    Maker(const GenOptions & options, uint64_t seed, int size)
        : options_(options)
        , random_(seed)
        , most_(5 + std::min(size, 100) * (options.max_calls - 5) / 100) {}

    Sequence make() {
        make_setup();
        const int n_slots = options_.like_an_engine ? 2 : 1 + pick(3);
        for (int slot = 0; slot < n_slots; slot++) {
            build(slot);
        }
        const int n = 3 + pick(most_ - 2);
        while (static_cast<int>(sequence_.calls.size()) < n + n_slots) {
            sched_ = one_in(3) ? pick(sequence_.setup.n_scheds) : sched_;
            slot_ = one_in(2) ? pick(n_slots + 1) % kSlots : slot_;
            options_.like_an_engine ? add_step_of_engine() : one_in(2) ? add_step() : add_any();
        }
        return std::move(sequence_);
    }

  private:
    int pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
    bool one_in(int n) { return pick(n) == 0; }

    void make_setup() {
        Setup & setup = sequence_.setup;
        const int n_devices = 1 + pick(kMaxDevices);
        for (int i = 0; i < n_devices; i++) {
            setup.devices.push_back(pick(6));
        }
        setup.n_scheds = options_.like_an_engine || one_in(2) ? 1 : 1 + pick(options_.max_scheds);
        setup.parallel = one_in(2);
        setup.op_offload = one_in(3);
        setup.is_tight = !options_.like_an_engine && one_in(12);
        setup.adversary = one_in(3) ? 0 : random_() % 100000;
        for (std::vector<int> * places : {&setup.weights, &setup.caches}) {
            for (int & place : *places) {
                place = one_in(2) ? n_devices : pick(n_devices + 1); // n_devices: the CPU
            }
        }
    }

    Call & add(Kind kind) {
        Call call;
        call.kind = kind;
        call.sched = sched_;
        call.slot = slot_;
        call.x = pick(1000);
        call.y = pick(1000);
        sequence_.calls.push_back(call);
        return sequence_.calls.back();
    }

    void build(int slot) {
        Call & call = add(Kind::Build);
        call.slot = slot;
        call.graph = graph();
    }

    GraphSpec graph() {
        GraphSpec graph;
        const bool shares = !options_.like_an_engine && one_in(2);
        const int n_inputs = shares ? pick(2) : 1 + pick(2);
        for (int i = 0; i < n_inputs; i++) {
            const int n_backends = static_cast<int>(sequence_.setup.devices.size()) + 1;
            graph.inputs.push_back(one_in(3) ? pick(n_backends) : kByScheduler);
        }
        graph.has_plain_leaf = !options_.like_an_engine && one_in(8);
        for (int i = shares ? 1 + pick(2) : 0; i > 0; i--) {
            graph.shares.push_back({static_cast<Share>(pick(static_cast<int>(Share::Count))), pick(kSlots), pick(8)});
        }
        for (int i = 1 + pick(shares ? 3 : 8); i > 0; i--) {
            NodeSpec node;
            node.op = static_cast<Op>(pick(static_cast<int>(Op::Count)));
            node.a = pick(12);
            node.b = pick(12);
            node.extra = pick(12);
            node.output = one_in(2);
            node.input = !options_.like_an_engine && one_in(16);
            graph.nodes.push_back(node);
        }
        graph.nodes.back().output = true;
        return graph;
    }

    // One batch as an engine does it
    void add_step_of_engine() {
        add(Kind::Reset);
        if (!one_in(6)) {
            build(slot_);
        }
        if (one_in(6)) {
            add(Kind::Reserve);
        }
        for (int i = one_in(4) ? pick(4) : 0; i > 0; i--) {
            add(Kind::SetTensorBackend);
        }
        if (one_in(6)) {
            set_callback();
        }
        add(Kind::Alloc);
        for (int i = one_in(3) ? 2 : 1; i > 0; i--) {
            add(Kind::Write);
            add(one_in(3) ? Kind::Compute : Kind::ComputeAsync);
        }
        if (one_in(3)) {
            add(Kind::Synchronize);
        }
        if (one_in(8)) {
            add(Kind::WriteCache);
        }
    }

    // The same, but any part may be missing
    void add_step() {
        if (one_in(3)) {
            add(Kind::Reset);
        }
        if (one_in(3)) {
            build(slot_);
        }
        if (!one_in(4)) {
            add(Kind::Alloc);
        }
        if (!one_in(4)) {
            add(Kind::Write);
        }
        for (int i = one_in(4) ? 2 : 1; i > 0; i--) {
            add(one_in(2) ? Kind::Compute : one_in(8) ? Kind::ComputeBroken : Kind::ComputeAsync);
        }
        if (one_in(3)) {
            add(Kind::Synchronize);
        }
    }

    void set_callback() {
        constexpr Kind kKinds[] = {Kind::SetEval, Kind::SetEval, Kind::SetCopy, Kind::SetRealloc};
        Call & call = add(kKinds[options_.like_an_engine ? pick(2) : pick(4)]);
        call.callback.is_set = !one_in(4);
        call.callback.every = 1 + pick(3);
        call.callback.stop = one_in(4) ? pick(3) : -1;
        if (options_.callbacks_call && !options_.like_an_engine && !one_in(4)) {
            call.callback.inside = static_cast<Inside>(pick(static_cast<int>(Inside::Count)));
        }
    }

    void add_any() {
        const Kind kind = static_cast<Kind>(pick(static_cast<int>(Kind::Count)));
        const bool is_rare = kind == Kind::TraceStart || kind == Kind::TraceStop || kind == Kind::Renew ||
                             kind == Kind::SetStreaming || kind == Kind::KeepWeights;
        if (is_rare && !one_in(4)) {
            return;
        }
        if (kind == Kind::Build) {
            build(slot_);
        } else if (kind == Kind::SetEval || kind == Kind::SetCopy || kind == Kind::SetRealloc) {
            set_callback();
        } else {
            add(kind);
        }
    }

    const GenOptions & options_;
    std::mt19937_64 random_;
    const int most_;
    Sequence sequence_;
    int sched_ = 0;
    int slot_ = 0;
};

// Makes smaller sequences by editing copies.
class Smaller {
  public:
    explicit Smaller(const Sequence & sequence)
        : sequence_(sequence) {}

    std::vector<Sequence> list() {
        remove_calls();
        remove_devices();
        for (size_t c = 0; c < sequence_.calls.size(); c++) {
            shrink_graph(c);
            shrink_call(c);
        }
        edit([](Sequence & s) { s.setup.n_scheds = std::max(1, s.setup.n_scheds - 1); }, sequence_.setup.n_scheds > 1);
        edit([](Sequence & s) { s.setup.parallel = false; }, sequence_.setup.parallel);
        edit([](Sequence & s) { s.setup.op_offload = false; }, sequence_.setup.op_offload);
        edit([](Sequence & s) { s.setup.is_tight = false; }, sequence_.setup.is_tight);
        edit([](Sequence & s) { s.setup.adversary = 0; }, sequence_.setup.adversary != 0);
        return std::move(list_);
    }

  private:
    void edit(const std::function<void(Sequence &)> & change, bool applies = true) {
        if (applies) {
            list_.push_back(sequence_);
            change(list_.back());
        }
    }

    // All, halves, quarters, ... the later ones first
    void remove_calls() {
        const auto size = static_cast<std::ptrdiff_t>(sequence_.calls.size());
        for (std::ptrdiff_t n = size; n > 0; n /= 2) {
            for (std::ptrdiff_t end = size; end >= n; end -= n) {
                edit([=](Sequence & s) { s.calls.erase(s.calls.begin() + (end - n), s.calls.begin() + end); });
            }
        }
    }

    void remove_devices() {
        for (size_t d = 0; d < sequence_.setup.devices.size() && sequence_.setup.devices.size() > 1; d++) {
            edit(
                [d](Sequence & s) { s.setup.devices.erase(s.setup.devices.begin() + static_cast<std::ptrdiff_t>(d)); });
        }
        for (size_t d = 0; d < sequence_.setup.devices.size(); d++) {
            edit([d](Sequence & s) { s.setup.devices[d] = 0; }, sequence_.setup.devices[d] != 0);
        }
    }

    template <typename T> void remove_each(size_t c, std::vector<T> GraphSpec::*list) {
        for (size_t i = (sequence_.calls[c].graph.*list).size(); i-- > 0;) {
            edit([c, i, list](Sequence & s) {
                std::vector<T> & elements = s.calls[c].graph.*list;
                elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(i));
            });
        }
    }

    void shrink_graph(size_t c) {
        const GraphSpec & graph = sequence_.calls[c].graph;
        remove_each(c, &GraphSpec::nodes);
        remove_each(c, &GraphSpec::shares);
        remove_each(c, &GraphSpec::inputs);
        edit([c](Sequence & s) { s.calls[c].graph.has_plain_leaf = false; }, graph.has_plain_leaf);
        for (size_t i = 0; i < graph.inputs.size(); i++) {
            edit([c, i](Sequence & s) { s.calls[c].graph.inputs[i] = kByScheduler; }, graph.inputs[i] != kByScheduler);
        }
        for (size_t i = 0; i < graph.shares.size(); i++) {
            edit([c, i](Sequence & s) { s.calls[c].graph.shares[i].value = 0; }, graph.shares[i].value != 0);
        }
        for (size_t i = 0; i < graph.nodes.size(); i++) {
            shrink_node(c, i);
        }
    }

    void shrink_node(size_t c, size_t i) {
        const NodeSpec & node = sequence_.calls[c].graph.nodes[i];
        const auto set = [&](int NodeSpec::*member) {
            edit([=](Sequence & s) { s.calls[c].graph.nodes[i].*member = 0; }, node.*member != 0);
        };
        edit([=](Sequence & s) { s.calls[c].graph.nodes[i].op = Op::Scale; }, node.op != Op::Scale);
        set(&NodeSpec::a);
        set(&NodeSpec::b);
        set(&NodeSpec::extra);
        edit([=](Sequence & s) { s.calls[c].graph.nodes[i].output = false; }, node.output);
        edit([=](Sequence & s) { s.calls[c].graph.nodes[i].input = false; }, node.input);
    }

    void shrink_call(size_t c) {
        const Call & call = sequence_.calls[c];
        const auto set = [&](int Call::*member) {
            edit([=](Sequence & s) { s.calls[c].*member = 0; }, call.*member != 0);
        };
        set(&Call::sched);
        set(&Call::x);
        set(&Call::y);
        edit([c](Sequence & s) { s.calls[c].kind = Kind::Compute; },
             call.kind == Kind::ComputeAsync || call.kind == Kind::ComputeBroken);
        edit([c](Sequence & s) { s.calls[c].callback.inside = Inside::Nothing; },
             call.callback.inside != Inside::Nothing);
        edit([c](Sequence & s) { s.calls[c].callback.stop = -1; }, call.callback.stop != -1);
        edit([c](Sequence & s) { s.calls[c].callback.every = 1; }, call.callback.every != 1);
    }

    const Sequence & sequence_;
    std::vector<Sequence> list_;
};

} // namespace

Sequence make_sequence(const GenOptions & options, uint64_t seed, int size) {
    return Maker(options, seed, size).make();
}

std::vector<Sequence> smaller(const Sequence & sequence) {
    return Smaller(sequence).list();
}

} // namespace sequences
