#include "support/case.h"

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <tuple>

namespace ggml_sched::test {

namespace {

auto fields(const NodeSpec & node) {
    return std::tie(node.op, node.a, node.b, node.extra, node.place, node.output);
}
auto fields(const RunSpec & run) {
    return std::tie(run.graph, run.rebuild, run.same_memory, run.reserve, run.write, run.spoil, run.synchronize,
                    run.mode, run.watch, run.stop, run.offers, run.ring, run.refuses);
}
auto fields(const GraphSpec & graph) {
    return std::tie(graph.rows, graph.inputs, graph.nodes);
}
auto fields(const Case & job) {
    return std::tie(job.devices, job.n_copies, job.snapshot_limit, job.op_offload, job.stream, job.keep, job.resident,
                    job.misses, job.uploaded_percent, job.pinned_weights, job.link, job.on_stream_lane, job.merges,
                    job.scribbles, job.adversary, job.data, job.weights, job.caches, job.experts, job.stored_ids,
                    job.caller_ids, job.graphs, job.runs);
}

// Which values can still be read, and may be overwritten
class Values {
  public:
    explicit Values(int n_inputs)
        : n_inputs_(n_inputs) {
        for (int i = 0; i < n_inputs; i++) {
            add(i, false);
        }
    }

    // The value that stands for `value` now
    int now(int value) const {
        value = std::clamp(value, 0, static_cast<int>(stands_for_.size()) - 1);
        return stands_for_[value];
    }
    bool is_in_input(int value) const { return base_[value] < n_inputs_; }
    bool may_overwrite(int value) const { return !is_in_input(value) && !is_output_[base_[value]]; }
    // The caller overwrites inputs; and of what was changed in place, the change is the result, not a view of it.
    bool may_be_viewed_as_output(int value) const { return !is_in_input(value) && !is_changed_[base_[value]]; }
    bool share_memory(int a, int b) const { return base_[a] == base_[b]; }
    void add(int base, bool output) {
        const int value = static_cast<int>(base_.size());
        base_.push_back(base < value ? base_[base] : value);
        is_output_.push_back(false);
        is_changed_.push_back(false);
        stands_for_.push_back(value);
        is_output_[base_.back()] = is_output_[base_.back()] || output;
    }
    void overwrite(int overwritten, bool output) {
        add(overwritten, output);
        const int result = static_cast<int>(base_.size()) - 1;
        is_changed_[base_[result]] = true;
        for (int value = 0; value < result; value++) {
            if (base_[value] == base_[result]) {
                stands_for_[value] = result;
            }
        }
    }
    int size() const { return static_cast<int>(base_.size()); }

  private:
    const int n_inputs_;
    std::vector<int> base_;       // whose memory it is in
    std::vector<bool> is_output_; // by base
    std::vector<bool> is_changed_;
    std::vector<int> stands_for_;
};

int modulo(int value, int n) {
    return n > 0 ? (value % n + n) % n : 0;
}

int n_extras(Op op) {
    switch (op) {
    case Op::Load:
    case Op::LoadAll:
    case Op::StoreCopy:
    case Op::StoreRows: return kCaches * kCacheParts;
    case Op::MatMul:
    case Op::Lookup: return kWeights;
    case Op::AddRow: return kRows;
    case Op::Experts: return ExpertsUse::n();
    case Op::StoreIds: return static_cast<int>(IdsFrom::Store); // what is stored already is not stored again
    default: return 1;
    }
}

void normalize(GraphSpec & graph, int n_devices) {
    graph.rows = std::clamp(graph.rows / 2 * 2, 2, kRows);
    if (graph.inputs.empty()) {
        graph.inputs.push_back(kAnywhere);
    }
    if (graph.nodes.empty()) {
        graph.nodes.emplace_back();
    }
    for (int & place : graph.inputs) {
        place = std::clamp(place, kAnywhere, n_devices);
    }
    Values values(static_cast<int>(graph.inputs.size()));
    graph.nodes.back().output = true;
    for (NodeSpec & node : graph.nodes) {
        node.a = values.now(node.a);
        node.b = values.now(node.b);
        if (node.op == Op::InPlace && (!values.may_overwrite(node.a) || values.share_memory(node.a, node.b))) {
            node.op = Op::Scale;
        }
        if (node.op == Op::View && node.output && !values.may_be_viewed_as_output(node.a)) {
            node.op = Op::Scale;
        }
        node.b = reads_second(node.op) ? node.b : 0;
        node.extra = modulo(node.extra, n_extras(node.op));
        node.place =
            uses_cache(node.op) && node.op != Op::LoadAll ? kAnywhere : std::clamp(node.place, kAnywhere, n_devices);
        if (node.op == Op::InPlace) {
            values.overwrite(node.a, node.output);
        } else {
            values.add(node.op == Op::View ? node.a : values.size(), node.output);
        }
    }
}

} // namespace

bool operator==(const NodeSpec & a, const NodeSpec & b) {
    return fields(a) == fields(b);
}
bool operator==(const RunSpec & a, const RunSpec & b) {
    return fields(a) == fields(b);
}
bool operator==(const GraphSpec & a, const GraphSpec & b) {
    return fields(a) == fields(b);
}
bool operator==(const Case & a, const Case & b) {
    return fields(a) == fields(b);
}

bool reads_second(Op op) {
    return op == Op::Add || op == Op::Mul || op == Op::AddRow || op == Op::InPlace || op == Op::Lookup ||
           op == Op::Experts || op == Op::StoreIds;
}

bool uses_weight(Op op) {
    return op == Op::MatMul || op == Op::Lookup;
}

bool uses_cache(Op op) {
    return op == Op::Load || op == Op::LoadAll || op == Op::StoreCopy || op == Op::StoreRows;
}

ExpertsUse ExpertsUse::of(int extra) {
    const int n_sources = static_cast<int>(IdsFrom::Count);
    return {extra % kExpertWeights, static_cast<IdsFrom>(extra / kExpertWeights % n_sources),
            extra / kExpertWeights / n_sources > 0};
}

int ExpertsUse::as_extra() const {
    const int n_sources = static_cast<int>(IdsFrom::Count);
    return weight + kExpertWeights * (static_cast<int>(ids) + n_sources * static_cast<int>(is_small));
}

int n_nodes(const Case & job) {
    int n = 0;
    for (const GraphSpec & graph : job.graphs) {
        n += static_cast<int>(graph.nodes.size());
    }
    return n;
}

void normalize(Case & job) {
    const int n_devices = static_cast<int>(job.devices.size());
    if (job.graphs.empty()) {
        job.graphs.emplace_back();
    }
    for (GraphSpec & graph : job.graphs) {
        normalize(graph, n_devices);
    }
    job.weights.resize(kWeights, kOnCpu);
    job.caches.resize(kCaches, kOnCpu);
    job.experts.resize(kExpertWeights, kOnCpu);
    job.stored_ids = std::clamp(job.stored_ids, kOnCpu, n_devices);
    job.caller_ids = std::clamp(job.caller_ids, kOnCpu, n_devices);
    for (std::vector<int> * places : {&job.weights, &job.caches, &job.experts}) {
        for (int & place : *places) {
            place = std::clamp(place, kOnCpu, n_devices);
        }
    }
    const RunSpec * before = nullptr;
    for (RunSpec & run : job.runs) {
        run.graph = modulo(run.graph, static_cast<int>(job.graphs.size()));
        run.rebuild = run.rebuild || run.reserve || run.ring > 0 || !before || before->graph != run.graph;
        run.same_memory = run.same_memory && run.rebuild && before;
        run.write = run.write || run.rebuild || before->spoil;
        run.mode = modulo(run.mode, 3);
        run.offers = run.offers || !run.rebuild || !job.scribbles;
        run.watch = std::max(run.watch, 0);
        run.stop = run.watch == 0 ? -1 : std::max(run.stop, -1);
        before = &run;
    }
}

namespace {

std::string place_name(int place) {
    return place == kOnCpu ? "cpu" : "SIM" + std::to_string(place - 1);
}

std::string value_name(const GraphSpec & graph, int value) {
    const int n_inputs = static_cast<int>(graph.inputs.size());
    return value < n_inputs ? "input" + std::to_string(value) : "value" + std::to_string(value - n_inputs);
}

const char * name_of(Op op) {
    constexpr std::array<const char *, static_cast<size_t>(Op::Count)> names = {
        "scale",    "add",     "add_row", "mul",  "norm",       "soft_max",   "silu",    "view",      "transposed",
        "in_place", "mat_mul", "lookup",  "load", "store_copy", "store_rows", "experts", "store_ids", "load_all"};
    static_assert(names.back() != nullptr, "each operation has a name");
    return names[static_cast<size_t>(op)];
}

const char * name_of(IdsFrom ids) {
    constexpr std::array<const char *, static_cast<size_t>(IdsFrom::Count)> names = {"the caller", "a copy", "a router",
                                                                                     "the store"};
    return names[static_cast<size_t>(ids)];
}

// What NodeSpec::extra says
void show_extra(const Case & job, const NodeSpec & node, std::ostream & out) {
    if (uses_weight(node.op)) {
        out << ", weight" << node.extra << " on " << place_name(job.weights[node.extra]);
    }
    if (uses_cache(node.op)) {
        const int cache = node.extra % kCaches;
        out << ", cache" << cache << " on " << place_name(job.caches[cache]) << ", part " << node.extra / kCaches;
    }
    if (node.op == Op::Experts) {
        const ExpertsUse use = ExpertsUse::of(node.extra);
        out << ", experts" << use.weight << " on " << place_name(job.experts[use.weight]) << ", ids from "
            << name_of(use.ids) << (use.is_small ? ", two for each token" : "");
    }
    if (node.op == Op::StoreIds) {
        out << ", from " << name_of(static_cast<IdsFrom>(node.extra)) << ", on " << place_name(job.stored_ids);
    }
}

void show(const Case & job, const GraphSpec & graph, std::ostream & out) {
    if (graph.rows != kRows) {
        out << "  values of " << graph.rows << " rows\n";
    }
    for (size_t i = 0; i < graph.inputs.size(); i++) {
        if (graph.inputs[i] != kAnywhere) {
            out << "  input" << i << " on " << place_name(graph.inputs[i]) << "\n";
        }
    }
    for (size_t i = 0; i < graph.nodes.size(); i++) {
        const NodeSpec & node = graph.nodes[i];
        out << "  value" << i << " = " << name_of(node.op) << "(" << value_name(graph, node.a);
        if (reads_second(node.op)) {
            out << ", " << value_name(graph, node.b);
        }
        show_extra(job, node, out);
        out << ")" << (node.place == kAnywhere ? "" : " on " + place_name(node.place))
            << (node.output ? ", output" : "") << "\n";
    }
}

void show(const RunSpec & run, std::ostream & out) {
    constexpr std::array<const char *, 3> modes = {"", ", mode barrier", ", mode serial"};
    out << "graph " << run.graph << (run.reserve ? ", reserved" : "") << (run.rebuild ? ", built anew" : ", again")
        << (run.same_memory ? " in the same memory" : "") << (run.write ? ", new inputs" : ", old inputs")
        << modes[static_cast<size_t>(run.mode)];
    if (run.watch > 0) {
        out << ", watching each " << run.watch << ". node";
    }
    if (run.ring > 0) {
        out << (run.ring == kNoRing ? ", no streaming" : ", a ring of " + std::to_string(run.ring) + " bytes");
    }
    out << (run.offers ? "" : ", without the copy callback") << (run.refuses ? ", copies refused" : "");
    if (run.stop >= 0) {
        out << ", stopped after " << run.stop << " of them";
    }
    out << (run.spoil ? ", inputs spoiled" : "") << (run.synchronize ? ", synchronized" : "") << "\n";
}

} // namespace

void showValue(const Case & job, std::ostream & out) {
    out << "\ndevices:";
    for (const ggml_sim_profile profile : job.devices) {
        out << " " << ggml_sim_profile_name(profile);
    }
    out << (job.n_copies > 0 ? ", parallel, copies: " + std::to_string(job.n_copies) : "")
        << (job.op_offload ? ", op_offload" : "");
    if (job.snapshot_limit != SIZE_MAX) {
        out << ", snapshots up to " << job.snapshot_limit << " bytes";
    }
    if (job.stream != SIZE_MAX) {
        out << ", streams through " << job.stream << " bytes";
    }
    out << (job.keep ? ", keeps weights" : "");
    if (job.resident > 0) {
        out << ", resident experts in " << (job.resident == SIZE_MAX ? "all" : std::to_string(job.resident)) << " bytes"
            << (job.misses == 0   ? ""
                : job.misses == 1 ? " and on the CPU, " + std::to_string(job.uploaded_percent) + " % uploaded"
                                  : " and uploaded");
    }
    if (job.link > 0) {
        out << ", " << job.link << " bytes/us";
    }
    out << (job.pinned_weights ? ", pinned weights" : "") << (job.on_stream_lane ? ", inputs ahead" : "")
        << (job.merges ? ", copies merged" : "") << (job.scribbles ? ", a copy callback" : "") << ", adversary "
        << job.adversary << ", data " << job.data;
    if (job.caller_ids != kOnCpu) {
        out << ", the caller's ids on " << place_name(job.caller_ids);
    }
    out << "\n";
    for (size_t i = 0; i < job.graphs.size(); i++) {
        out << "graph " << i << ":\n";
        show(job, job.graphs[i], out);
    }
    for (size_t i = 0; i < job.runs.size(); i++) {
        out << "run " << i << ": ";
        show(job.runs[i], out);
    }
}

} // namespace ggml_sched::test
