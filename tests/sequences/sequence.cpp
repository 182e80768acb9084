#include "sequence.h"

#include <array>
#include <ostream>
#include <string>

namespace sequences {

namespace {

constexpr std::array<const char *, static_cast<size_t>(Op::Count)> kOps = {
    "add", "scale", "mul_mat", "view", "cont", "add_inplace", "scale_inplace", "load", "store", "get_rows"};

constexpr std::array<const char *, static_cast<size_t>(Inside::Count)> kInside = {"nothing",
                                                                                  "reserve",
                                                                                  "reserve_size",
                                                                                  "split_graph",
                                                                                  "set_tensor_backend",
                                                                                  "alloc",
                                                                                  "compute",
                                                                                  "compute_async",
                                                                                  "reset",
                                                                                  "unalloc_graph",
                                                                                  "streaming",
                                                                                  "keep_weights",
                                                                                  "trace_start",
                                                                                  "trace_stop",
                                                                                  "sched_free",
                                                                                  "synchronize",
                                                                                  "getters",
                                                                                  "set_mode and set_verify",
                                                                                  "set_callback(NULL)",
                                                                                  "reset of another scheduler"};

constexpr std::array<const char *, static_cast<size_t>(Kind::Count)> kKinds = {"build",
                                                                               "write_inputs",
                                                                               "write_cache",
                                                                               "alloc_graph",
                                                                               "graph_compute",
                                                                               "graph_compute_async",
                                                                               "graph_compute_with_a_failing_launch",
                                                                               "synchronize",
                                                                               "reset",
                                                                               "reserve",
                                                                               "reserve_size",
                                                                               "split_graph",
                                                                               "set_tensor_backend",
                                                                               "unalloc_graph",
                                                                               "set_eval_callback",
                                                                               "set_copy_callback",
                                                                               "set_realloc_callback",
                                                                               "set_sync_mode",
                                                                               "set_verify",
                                                                               "set_streaming",
                                                                               "keep_weights",
                                                                               "trace_start",
                                                                               "trace_stop",
                                                                               "call_getters",
                                                                               "call_with_bad_arguments",
                                                                               "free_and_new"};

void print_node(const NodeSpec & node, std::ostream & out) {
    out << name_of(node.op) << "(v" << node.a;
    if (node.op == Op::Add || node.op == Op::AddInPlace) {
        out << ", v" << node.b;
    } else if (node.op != Op::View && node.op != Op::Cont) {
        out << ", #" << node.extra;
    }
    out << ")" << (node.output ? " OUTPUT" : "") << (node.input ? " INPUT" : "");
}

void print_graph(const GraphSpec & graph, std::ostream & out) {
    constexpr std::array<const char *, static_cast<size_t>(Share::Count)> kShares = {"leaf", "node", "result",
                                                                                     "all nodes"};
    const char * comma = "";
    const auto next = [&]() -> std::ostream & {
        out << comma;
        comma = ", ";
        return out;
    };
    for (const int place : graph.inputs) {
        place == kByScheduler ? next() << "input" : next() << "input of the caller on backend " << place;
    }
    if (graph.has_plain_leaf) {
        next() << "leaf";
    }
    for (const ShareSpec & share : graph.shares) {
        next() << kShares[static_cast<size_t>(share.kind)] << " of g" << share.slot << " v" << share.value;
    }
    for (const NodeSpec & node : graph.nodes) {
        next();
        print_node(node, out);
    }
}

void print_callback(const CallbackSpec & callback, std::ostream & out) {
    if (!callback.is_set) {
        out << "NULL";
        return;
    }
    out << "every " << callback.every << ", stop " << callback.stop << ", calls " << name_of(callback.inside);
}

} // namespace

const char * name_of(Op op) {
    return kOps[static_cast<size_t>(op)];
}

const char * name_of(Inside inside) {
    return kInside[static_cast<size_t>(inside)];
}

void print(const Setup & setup, std::ostream & out) {
    out << "// devices:";
    for (const int device : setup.devices) {
        out << " profile " << device << (setup.is_tight ? " (little memory)" : "");
    }
    out << ", " << setup.n_scheds << " schedulers" << (setup.parallel ? ", parallel" : "")
        << (setup.op_offload ? ", op_offload" : "") << ", adversary " << setup.adversary << ", weights on";
    for (const int place : setup.weights) {
        out << " " << place;
    }
    out << ", caches on";
    for (const int place : setup.caches) {
        out << " " << place;
    }
    out << "\n";
}

void print(const Call & call, std::ostream & out) {
    const char * name = kKinds[static_cast<size_t>(call.kind)];
    switch (call.kind) {
    case Kind::Build:
        out << "g" << call.slot << " = build(";
        print_graph(call.graph, out);
        break;
    case Kind::Write: out << name << "(g" << call.slot << ", " << call.x; break;
    case Kind::WriteCache: out << name << "(" << call.x << ", " << call.y; break;
    case Kind::Alloc:
    case Kind::Compute:
    case Kind::ComputeAsync:
    case Kind::Reserve:
    case Kind::ReserveSize:
    case Kind::Split: out << name << "(s" << call.sched << ", g" << call.slot; break;
    case Kind::ComputeBroken:
        out << name << "(s" << call.sched << ", g" << call.slot << ", device " << call.x << ", launch " << call.y;
        break;
    case Kind::SetTensorBackend:
        out << name << "(s" << call.sched << ", g" << call.slot << " node " << call.x << ", backend " << call.y;
        break;
    case Kind::SetEval:
    case Kind::SetCopy:
    case Kind::SetRealloc:
        out << name << "(s" << call.sched << ", ";
        print_callback(call.callback, out);
        break;
    case Kind::SetMode:
    case Kind::SetVerify:
    case Kind::SetStreaming:
    case Kind::KeepWeights:
    case Kind::BadArguments: out << name << "(s" << call.sched << ", " << call.x; break;
    default: out << name << "(s" << call.sched; break;
    }
    out << ");\n";
}

void showValue(const Sequence & sequence, std::ostream & out) {
    print(sequence.setup, out);
    for (const Call & call : sequence.calls) {
        print(call, out);
    }
}

} // namespace sequences
