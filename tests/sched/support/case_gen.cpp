#include "support/case_gen.h"

#include <algorithm>
#include <array>
#include <functional>
#include <random>

#include "property.h"
#include "support/case_graph.h"

namespace ggml_sched::test {

namespace {

class Maker {
  public:
    Maker(const CaseOptions & options, uint64_t seed, int size)
        : options_(options)
        , random_(seed)
        , size_(size) {}

    Case make() {
        Case job;
        const int n_devices = 1 + pick(options_.max_devices);
        for (int i = 0; i < n_devices; i++) {
            job.devices.push_back(options_.profiles[pick(static_cast<int>(options_.profiles.size()))]);
        }
        n_places_ = n_devices + 1;
        job.n_copies = one_in(2) ? 1 + pick(4) : 0;
        const size_t limits[] = {SIZE_MAX, SIZE_MAX, SIZE_MAX, 512, 0};
        job.snapshot_limit = options_.host ? limits[pick(5)] : SIZE_MAX;
        job.op_offload = one_in(2);
        const size_t rings[] = {SIZE_MAX,          16 * kExpertsBytes, 8 * kExpertsBytes, 4 * kExpertsBytes,
                                3 * kExpertsBytes, 4 * kWeightBytes,   2 * kWeightBytes,  0};
        job.stream = rings[pick(8)];
        const double links[] = {0, 10, 30, 100};
        job.link = links[pick(4)];
        job.pinned_weights = one_in(2);
        job.on_stream_lane = one_in(2);
        job.keep = one_in(2);
        const size_t budgets[] = {0, 0, 0, kExpertsBytes / 2, kExpertsBytes, 3 * kExpertsBytes, SIZE_MAX};
        job.resident = budgets[pick(7)];
        job.misses = pick(3);
        job.uploaded_percent = 50 * pick(3);
        job.merges = one_in(2);
        job.scribbles = one_in(3);
        job.adversary = one_in(4) ? 0 : random_() % 1000000;
        job.data = random_() % 1000000;
        for (std::vector<int> * places : {&job.weights, &job.caches, &job.experts}) {
            for (int & place : *places) {
                place = pick_place();
            }
        }
        for (int & place : job.experts) { // a device gets those in host memory in more ways than one
            place = options_.host && one_in(2) ? kOnCpu : place;
        }
        streams_ = options_.host && one_in(options_.alike ? 2 : 4);
        if (streams_) { // much of it, and round and round in the ring
            for (std::vector<int> * places : {&job.weights, &job.caches, &job.experts}) {
                std::fill(places->begin(), places->end(), kOnCpu);
            }
            job.stream = 2 * kExpertsBytes + static_cast<size_t>(pick(static_cast<int>(4 * kExpertsBytes)));
        }
        parts_ = options_.host && one_in(5);
        if (parts_) { // experts in entries: of both weights, or of one
            const size_t few[] = {kExpertsBytes / 2, kExpertsBytes * 7 / 8};
            job.resident = few[pick(2)];
            job.misses = 1 + pick(2);
            std::fill(job.experts.begin(), job.experts.end(), kOnCpu);
            job.scribbles = false; // a copy callback may write weights, so pairs are not parted
            prompts_ = one_in(2);
        }
        if (prompts_) { // graphs whose pairs are not parted send experts to the device that has them in a bank
            job.op_offload = job.merges = true;
            std::fill(job.devices.begin(), job.devices.end(), options_.profiles.front());
        }
        job.stored_ids = pick_place();
        const bool alike = options_.alike || prompts_;
        const int n_graphs = (alike ? 2 : 1) + pick(3);
        for (int i = 0; i < n_graphs; i++) {
            job.graphs.push_back(i > 0 && (alike || one_in(2)) ? variant_of(job.graphs[pick(i)]) : graph());
        }
        add_runs(job);
        job.caller_ids = options_.host && one_in(4) ? pick_place() : kOnCpu;
        normalize(job);
        return job;
    }

  private:
    // What reads weights and caches out of host memory, and adds to these
    static constexpr std::array<Op, 6> kStreams = {Op::MatMul,  Op::MatMul,    Op::Experts,
                                                   Op::LoadAll, Op::StoreRows, Op::StoreCopy};

    int pick(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
    bool one_in(int n) { return pick(n) == 0; }

    int pick_place() { return options_.host ? pick(n_places_) : 1 + pick(n_places_ - 1); }
    int pick_mode() { return options_.host ? pick(3) : 0; }

    int pick_rows() {
        const int fewest = kRows >> 3; // with a pair for each row, none is missing if there are entries for so many
        const bool is_full = prompts_ ? one_in(3) : !parts_ && one_in(2);
        return is_full ? kRows : parts_ && one_in(2) ? fewest : kRows >> (1 + pick(3));
    }

    // Returns a graph of the same operations with other sizes, places, weights or caches. Much that was found for one
    // graph may be kept for the other.
    GraphSpec variant_of(GraphSpec graph) {
        const bool changes_rows = one_in(2);
        graph.rows = changes_rows ? pick_rows() : graph.rows;
        const int n_changes = changes_rows ? 0 : pick(3);
        for (int i = 0; i < n_changes; i++) {
            NodeSpec & node = graph.nodes[pick(static_cast<int>(graph.nodes.size()))];
            if (one_in(2)) {
                node.place = pick_place();
            } else if (node.op != Op::Experts && node.op != Op::StoreIds) {
                node.extra = pick(1000);
            }
        }
        return graph;
    }

    GraphSpec graph() {
        GraphSpec graph;
        graph.rows = parts_ || one_in(3) ? pick_rows() : kRows;
        const int n_inputs = 1 + pick(3);
        for (int i = 0; i < n_inputs; i++) {
            graph.inputs.push_back(options_.host && one_in(5) ? pick_place() : kAnywhere);
        }
        const bool large = size_ > 5 && one_in(10);
        const int most = large ? options_.max_nodes_of_large : 4 + options_.max_nodes * std::min(size_, 50) / 50;
        const int n_nodes = 1 + pick(most);
        // Neighbours tend to share a backend, as layers do.
        int place = pick_place();
        for (int i = 0; i < n_nodes; i++) {
            place = one_in(4) ? pick_place() : place;
            place = streams_ && place == kOnCpu ? 1 : place;
            NodeSpec node;
            node.op = streams_ && !one_in(3) ? kStreams[pick(static_cast<int>(kStreams.size()))]
                                             : static_cast<Op>(pick(static_cast<int>(Op::Count)));
            node.op = parts_ && one_in(4) ? Op::Experts : node.op;
            node.a = pick(n_inputs + i);
            node.b = pick(n_inputs + i);
            node.extra = pick(1000);
            const bool is_free = prompts_ && node.op == Op::Experts; // only such nodes are parted
            node.place = is_free || (options_.host && one_in(3)) ? kAnywhere : place;
            node.output = one_in(6);
            if (node.op == Op::Experts) {
                ExpertsUse use = ExpertsUse::of(node.extra % ExpertsUse::n());
                use.is_small = use.is_small && !prompts_; // all rows are tokens, so only graphs of few rows are parted
                node.extra = use.as_extra();
                route(node, graph.nodes);
            }
            graph.nodes.push_back(node);
        }
        return graph;
    }

    // Several products share ids, as those of a layer do; and what is stored is used.
    void route(NodeSpec & node, const std::vector<NodeSpec> & before) {
        const auto last = std::find_if(before.rbegin(), before.rend(), [](const NodeSpec & other) {
            return other.op == Op::Experts || other.op == Op::StoreIds;
        });
        if (last == before.rend() || one_in(2)) {
            return;
        }
        ExpertsUse use = ExpertsUse::of(node.extra);
        if (last->op == Op::StoreIds) {
            use.ids = IdsFrom::Store;
        } else {
            const int weight = use.weight;
            use = ExpertsUse::of(last->extra);
            use.weight = weight;
            node.b = last->b;
        }
        node.extra = use.as_extra();
    }

    void add_runs(Case & job) {
        const bool steady = !options_.alike && one_in(4); // one graph often enough for what is measured to matter
        const int n_runs = steady || prompts_ ? options_.max_runs : 1 + pick(options_.max_runs);
        const int mode = steady || pick(5) < 3 ? 0 : pick_mode();
        const int rebuilds = 1 + pick(5);
        const bool observed = options_.observed && one_in(3);
        const int n_graphs = steady ? 1 : static_cast<int>(job.graphs.size());
        const bool restless =
            options_.host && one_in(options_.alike ? 2 : 4); // what the scheduler is told changes, too
        const bool toggles = one_in(2);                      // the copy callback
        for (int i = 0; i < n_runs; i++) {
            RunSpec run;
            run.rebuild = options_.alike || one_in(rebuilds);
            run.graph = run.rebuild || i == 0 ? pick(n_graphs) : job.runs.back().graph;
            run.same_memory = one_in(2);
            run.reserve = one_in(20);
            run.write = !one_in(4);
            run.spoil = !one_in(3);
            run.synchronize = one_in(3);
            run.mode = one_in(12) ? pick_mode() : mode;
            run.watch = observed && one_in(3) ? 1 + pick(9) : 0;
            run.stop = one_in(3) ? pick(6) : -1;
            run.offers = !toggles || one_in(2);
            run.ring = restless && one_in(5) ? pick_ring() : 0;
            run.refuses = restless && one_in(5);
            job.runs.push_back(run);
        }
    }

    size_t pick_ring() {
        const int size = pick(6);
        return size < 4 ? static_cast<size_t>(2 + size) * kExpertsBytes : kNoRing;
    }

    const CaseOptions & options_;
    std::mt19937_64 random_;
    const int size_;
    int n_places_ = 1;
    bool streams_ = false;
    bool parts_ = false;
    bool prompts_ = false; // some of the graphs have too many rows for parted pairs
};

void remove_device(Case & job, int device) {
    const int place = device + 1;
    const auto move = [place](int & where) { where = where == place ? kOnCpu : where > place ? where - 1 : where; };
    job.devices.erase(job.devices.begin() + device);
    std::for_each(job.weights.begin(), job.weights.end(), move);
    std::for_each(job.caches.begin(), job.caches.end(), move);
    std::for_each(job.experts.begin(), job.experts.end(), move);
    move(job.stored_ids);
    move(job.caller_ids);
    for (GraphSpec & graph : job.graphs) {
        std::for_each(graph.inputs.begin(), graph.inputs.end(), move);
        for (NodeSpec & node : graph.nodes) {
            move(node.place);
        }
    }
}

void remove_graph(Case & job, int graph) {
    job.graphs.erase(job.graphs.begin() + graph);
    for (RunSpec & run : job.runs) {
        run.graph = run.graph > graph ? run.graph - 1 : run.graph == graph ? 0 : run.graph;
    }
}

// Those who read a value that is gone read what it was made from.
void remove_nodes(GraphSpec & graph, int first, int n) {
    const int n_inputs = static_cast<int>(graph.inputs.size());
    const std::vector<NodeSpec> nodes = graph.nodes;
    const auto follow = [&](int & value) {
        while (value >= n_inputs + first && value < n_inputs + first + n) {
            value = nodes[value - n_inputs].a;
        }
        value -= value >= n_inputs + first + n ? n : 0;
    };
    graph.nodes.erase(graph.nodes.begin() + first, graph.nodes.begin() + first + n);
    for (NodeSpec & node : graph.nodes) {
        follow(node.a);
        follow(node.b);
    }
}

void remove_last_input(GraphSpec & graph) {
    const int input = static_cast<int>(graph.inputs.size()) - 1;
    graph.inputs.pop_back();
    for (NodeSpec & node : graph.nodes) {
        for (int * value : {&node.a, &node.b}) {
            *value = *value == input ? 0 : *value > input ? *value - 1 : *value;
        }
    }
}

using Edit = std::function<void(Case &)>;

// Edits that make a case smaller or plainer. None undoes another, so shrinking ends.
class Edits {
  public:
    explicit Edits(const Case & job)
        : job_(job) {}

    std::vector<Edit> list() {
        for (int graph = static_cast<int>(job_.graphs.size()) - 1; graph >= 0 && job_.graphs.size() > 1; graph--) {
            edits_.emplace_back([graph](Case & job) { remove_graph(job, graph); });
        }
        in_chunks(static_cast<int>(job_.runs.size()), [](int first, int n) {
            return [first, n](Case & job) { job.runs.erase(job.runs.begin() + first, job.runs.begin() + first + n); };
        });
        for (size_t g = 0; g < job_.graphs.size(); g++) {
            in_chunks(static_cast<int>(job_.graphs[g].nodes.size()), [g](int first, int n) {
                return [g, first, n](Case & job) { remove_nodes(job.graphs[g], first, n); };
            });
        }
        for (int device = static_cast<int>(job_.devices.size()) - 1; device >= 0 && job_.devices.size() > 1; device--) {
            edits_.emplace_back([device](Case & job) { remove_device(job, device); });
        }
        make_plainer();
        for (size_t r = 0; r < job_.runs.size(); r++) {
            make_run_plainer(r);
        }
        for (size_t g = 0; g < job_.graphs.size(); g++) {
            make_graph_plainer(g);
        }
        return std::move(edits_);
    }

  private:
    // All of it, halves, quarters, ... the later ones first
    template <typename Remove> void in_chunks(int size, Remove remove) {
        for (int n = size; n > 0; n /= 2) {
            for (int end = size; end >= n; end -= n) {
                edits_.emplace_back(remove(end - n, n));
            }
        }
    }

    template <typename Get, typename Value> void set(Get get, Value value) {
        edits_.emplace_back([get, value](Case & job) { get(job) = value; });
    }

    void make_plainer() {
        set([](Case & job) -> int & { return job.n_copies; }, 0);
        if (job_.n_copies > 1) {
            set([](Case & job) -> int & { return job.n_copies; }, job_.n_copies - 1);
        }
        set([](Case & job) -> size_t & { return job.snapshot_limit; }, SIZE_MAX);
        set([](Case & job) -> bool & { return job.op_offload; }, false);
        set([](Case & job) -> size_t & { return job.stream; }, size_t{0});
        set([](Case & job) -> bool & { return job.keep; }, false);
        set([](Case & job) -> size_t & { return job.resident; }, size_t{0});
        set([](Case & job) -> int & { return job.misses; }, 0);
        set([](Case & job) -> int & { return job.uploaded_percent; }, 0);
        set([](Case & job) -> bool & { return job.pinned_weights; }, false);
        set([](Case & job) -> double & { return job.link; }, 0.0);
        set([](Case & job) -> bool & { return job.on_stream_lane; }, false);
        set([](Case & job) -> bool & { return job.merges; }, false);
        set([](Case & job) -> bool & { return job.scribbles; }, false);
        set([](Case & job) -> uint64_t & { return job.adversary; }, uint64_t{0});
        set([](Case & job) -> uint64_t & { return job.data; }, uint64_t{0});
        for (size_t i = 0; i < job_.devices.size(); i++) {
            set([i](Case & job) -> ggml_sim_profile & { return job.devices[i]; }, GGML_SIM_PROFILE_CUDA);
        }
        for (size_t i = 0; i < job_.weights.size(); i++) {
            set([i](Case & job) -> int & { return job.weights[i]; }, kOnCpu);
        }
        for (size_t i = 0; i < job_.caches.size(); i++) {
            set([i](Case & job) -> int & { return job.caches[i]; }, kOnCpu);
        }
        for (size_t i = 0; i < job_.experts.size(); i++) {
            set([i](Case & job) -> int & { return job.experts[i]; }, kOnCpu);
        }
        set([](Case & job) -> int & { return job.stored_ids; }, kOnCpu);
        set([](Case & job) -> int & { return job.caller_ids; }, kOnCpu);
    }

    void make_run_plainer(size_t r) {
        const auto set_in_run = [this, r](auto member, auto value) {
            edits_.emplace_back([r, member, value](Case & job) { job.runs[r].*member = value; });
        };
        set_in_run(&RunSpec::watch, 0);
        set_in_run(&RunSpec::stop, -1);
        set_in_run(&RunSpec::reserve, false);
        set_in_run(&RunSpec::rebuild, false);
        set_in_run(&RunSpec::same_memory, false);
        set_in_run(&RunSpec::mode, 0);
        set_in_run(&RunSpec::write, false);
        set_in_run(&RunSpec::spoil, false);
        set_in_run(&RunSpec::synchronize, false);
        set_in_run(&RunSpec::offers, true);
        set_in_run(&RunSpec::ring, size_t{0});
        set_in_run(&RunSpec::refuses, false);
    }

    void make_graph_plainer(size_t g) {
        const GraphSpec & graph = job_.graphs[g];
        if (graph.inputs.size() > 1) {
            edits_.emplace_back([g](Case & job) { remove_last_input(job.graphs[g]); });
        }
        set([g](Case & job) -> int & { return job.graphs[g].rows; }, kRows);
        for (size_t i = 0; i < graph.inputs.size(); i++) {
            if (graph.inputs[i] != kAnywhere) {
                set([g, i](Case & job) -> int & { return job.graphs[g].inputs[i]; }, kAnywhere);
            }
        }
        for (size_t i = 0; i < graph.nodes.size(); i++) {
            make_node_plainer(g, i);
        }
    }

    void make_node_plainer(size_t g, size_t i) {
        const NodeSpec & node = job_.graphs[g].nodes[i];
        const auto set_in_node = [this, g, i](auto member, auto value) {
            edits_.emplace_back([g, i, member, value](Case & job) { job.graphs[g].nodes[i].*member = value; });
        };
        if (node.op != Op::Scale) {
            set_in_node(&NodeSpec::op, Op::Scale);
        }
        if (reads_second(node.op) && node.op != Op::Add) {
            set_in_node(&NodeSpec::op, Op::Add);
        }
        set_in_node(&NodeSpec::output, false);
        set_in_node(&NodeSpec::extra, 0);
        if (node.place > kOnCpu) {
            set_in_node(&NodeSpec::place, kOnCpu);
        }
        if (node.place != kAnywhere) {
            set_in_node(&NodeSpec::place, kAnywhere);
        }
        for (int NodeSpec::*operand : {&NodeSpec::a, &NodeSpec::b}) {
            if (node.*operand > 0) {
                set_in_node(operand, 0);
            }
        }
    }

    const Case & job_;
    std::vector<Edit> edits_;
};

} // namespace

rc::Seq<Case> smaller(const Case & job) {
    const auto edited = [job](const Edit & edit) {
        Case result = job;
        edit(result);
        normalize(result);
        return result;
    };
    return rc::seq::filter(rc::seq::map(rc::seq::fromContainer(Edits(job).list()), edited),
                           [job](const Case & other) { return other != job; });
}

rc::Gen<Case> cases(const CaseOptions & options) {
    return property::make_gen<Case>([options](uint64_t seed, int size) { return Maker(options, seed, size).make(); },
                                    smaller);
}

} // namespace ggml_sched::test
