// ggml's scheduler and ours on the same graphs, in one process: same backend for each node, same splits, same copies,
// same results, no larger buffers.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "fake_device.h"
#include "ggml-cpp.h"
#include "ggml-sched.h"
#include "host_system.h"
#include "random_graph.h"

namespace parity {

namespace {

struct Handles {
    ggml_backend_t cpu = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr);
    Handles() {
        platform::set_env("GGML_SCHED_VERIFY", "1");
        platform::set_env("GGML_SCHED_STREAM", "0"); // it cuts splits in other places
        // Several threads would mostly wait for each other: the graphs are small.
        const ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(ggml_backend_get_device(cpu));
        if (void * const found = ggml_backend_reg_get_proc_address(registry, "ggml_backend_set_n_threads")) {
            reinterpret_cast<ggml_backend_set_n_threads_t>(found)(cpu, 1);
        }
    }
};

ggml_backend_t cpu() {
    static Handles handles;
    return handles.cpu;
}

struct Kind {
    int n_devices = 2;
    bool parallel = false;
    bool op_offload = true;
    FakeTraits traits;
};

void PrintTo(const Kind & kind, std::ostream * out) {
    *out << kind.n_devices << " devices" << (kind.parallel ? ", parallel" : "") << (kind.traits.async ? ", async" : "")
         << (kind.traits.events ? ", events" : "") << (kind.traits.offloads ? ", offloading" : "")
         << (kind.traits.uses_host_memory ? ", using host memory" : "")
         << (kind.traits.unsupported ? ", not supporting everything" : "");
}

class Machine {
  public:
    Machine(const Kind & kind, uint64_t seed) {
        for (int i = 0; i < kind.n_devices; i++) {
            FakeTraits traits = kind.traits;
            traits.unsupported = traits.unsupported ? static_cast<uint32_t>(seed * 8 + i + 1) : 0;
            devices.push_back(std::make_unique<FakeDevice>("FAKE" + std::to_string(i), traits, cpu()));
            backends.push_back(devices.back()->backend());
            bufts.push_back(devices.back()->buffer_type());
        }
        backends.push_back(cpu());
        bufts.push_back(ggml_backend_get_default_buffer_type(cpu()));
    }

    ggml_backend_sched_ptr scheduler(const char * choice, const Kind & kind) {
        platform::set_env("GGML_SCHED", choice);
        return ggml_backend_sched_ptr(ggml_backend_sched_new(
            backends.data(), nullptr, static_cast<int>(backends.size()), 4096, kind.parallel, kind.op_offload));
    }

    std::vector<std::unique_ptr<FakeDevice>> devices;
    std::vector<ggml_backend_t> backends;
    std::vector<ggml_backend_buffer_type_t> bufts;
};

// What an engine sees of one scheduler on one graph
struct Seen {
    int n_splits = 0;
    int n_copies = 0;
    std::vector<std::string> overlaps; // of nodes in memory
    std::vector<std::string> nodes;    // its backend, and the operands as they are when it runs
    std::map<std::string, size_t> buffers;
    std::vector<std::vector<char>> results;
    Traffic traffic; // of all devices, during the computation
};

const char * name_of(ggml_backend_t backend) {
    return backend ? ggml_backend_name(backend) : "none";
}

using Operands = std::map<const ggml_tensor *, std::string>; // by node: their names

// Notes the operands of a node that is about to run. It does not want to see the result.
bool note_operands(ggml_tensor * node, bool /*ask*/, void * operands) {
    std::string & names = (*static_cast<Operands *>(operands))[node];
    names.clear();
    for (const ggml_tensor * src : node->src) {
        names += src ? std::string(" ") + src->name : "";
    }
    return false;
}

// Runs the graph once more, to look at its nodes meanwhile.
std::vector<std::string> describe(ggml_backend_sched_t sched, const RandomGraph & graph) {
    Operands operands;
    ggml_backend_sched_set_eval_callback(sched, note_operands, &operands);
    EXPECT_EQ(ggml_backend_sched_graph_compute(sched, graph.get()), GGML_STATUS_SUCCESS);
    ggml_backend_sched_set_eval_callback(sched, nullptr, nullptr);
    std::vector<std::string> lines;
    for (ggml_tensor * node : graph.nodes()) {
        lines.push_back(std::string(ggml_op_desc(node)) + " '" + node->name + "' on " +
                        name_of(ggml_backend_sched_get_tensor_backend(sched, node)) + ":" + operands[node]);
    }
    return lines;
}

// Which nodes share memory. A backend may fuse operations or not by that, and then results differ in their last bits.
std::vector<std::string> overlaps_of(const RandomGraph & graph) {
    std::vector<std::string> lines;
    for (const ggml_tensor * a : graph.nodes()) {
        for (const ggml_tensor * b : graph.nodes()) {
            const char * begin_a = static_cast<const char *>(a->data);
            const char * begin_b = static_cast<const char *>(b->data);
            if (a != b && a->buffer == b->buffer && begin_a <= begin_b && begin_b < begin_a + ggml_nbytes(a)) {
                lines.push_back(std::string(a->name) + " and " + b->name);
            }
        }
    }
    return lines;
}

void make_wishes(const Machine & machine, ggml_backend_sched_t sched, const RandomGraph & graph) {
    for (const auto & [node, index] : graph.wishes(static_cast<int>(machine.backends.size()))) {
        if (ggml_backend_supports_op(machine.backends[index], node)) {
            ggml_backend_sched_set_tensor_backend(sched, node, machine.backends[index]);
        }
    }
}

Seen run(Machine & machine, ggml_backend_sched_t sched, const RandomGraph & graph, World & world, uint64_t seed) {
    Seen seen;
    world.clear_caches();
    ggml_backend_sched_reset(sched);
    make_wishes(machine, sched, graph);
    if (!ggml_backend_sched_alloc_graph(sched, graph.get())) {
        ADD_FAILURE() << "cannot allocate";
        return seen;
    }
    seen.overlaps = overlaps_of(graph);
    graph.set_inputs(seed);
    for (const auto & device : machine.devices) {
        device->traffic() = {};
    }
    EXPECT_EQ(ggml_backend_sched_graph_compute(sched, graph.get()), GGML_STATUS_SUCCESS) << ggml_sched_get_error(sched);
    for (const auto & device : machine.devices) {
        seen.traffic.bytes_set += device->traffic().bytes_set;
        seen.traffic.bytes_got += device->traffic().bytes_got;
    }
    seen.n_splits = ggml_backend_sched_get_n_splits(sched);
    seen.n_copies = ggml_backend_sched_get_n_copies(sched);
    seen.results = graph.results();
    seen.nodes = describe(sched, graph);
    for (ggml_backend_t backend : machine.backends) {
        seen.buffers[ggml_backend_name(backend)] = ggml_backend_sched_get_buffer_size(sched, backend);
    }
    return seen;
}

class Parity : public testing::TestWithParam<Kind> {};

TEST_P(Parity, AssignmentsOperandsAndBitsEqualGgml) {
    size_t stock_bytes = 0;
    size_t our_bytes = 0;
    int n_elsewhere = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(GetParam(), seed);
        World world(seed, machine.bufts);
        std::map<std::string, Seen> seen;
        for (const char * choice : {"stock", "ours"}) {
            const ggml_backend_sched_ptr sched = machine.scheduler(choice, GetParam());
            ASSERT_NE(sched, nullptr);
            // The second graph comes into buffers that are there already.
            for (const uint64_t part : {0, 1}) {
                const RandomGraph graph(2 * seed + part, world, 12 + static_cast<int>(seed % 30),
                                        GetParam().traits.unsupported == 0);
                seen[choice + std::to_string(part)] = run(machine, sched.get(), graph, world, seed);
            }
        }
        for (const char * part : {"0", "1"}) {
            const Seen & stock = seen[std::string("stock") + part];
            const Seen & ours = seen[std::string("ours") + part];
            ASSERT_EQ(ours.nodes.size(), stock.nodes.size());
            for (size_t i = 0; i < ours.nodes.size(); i++) {
                ASSERT_EQ(ours.nodes[i], stock.nodes[i]) << "node " << i;
            }
            ASSERT_EQ(ours.n_splits, stock.n_splits);
            ASSERT_EQ(ours.n_copies, stock.n_copies);
            ASSERT_EQ(ours.results, stock.results);
            n_elsewhere += ours.overlaps != stock.overlaps ? 1 : 0;
            // That includes experts: only those that are used are sent. Ours fetches the ids in some cases more.
            EXPECT_LE(ours.traffic.bytes_set + ours.traffic.bytes_got,
                      stock.traffic.bytes_set + stock.traffic.bytes_got);
            for (const auto & [name, size] : stock.buffers) {
                stock_bytes += size;
                our_bytes += ours.buffers.at(name);
            }
        }
    }
    // Where source and copy are in the same memory, ggml may put the copy where the source was. Ours are made in any
    // order.
    if (!GetParam().traits.uses_host_memory) {
        EXPECT_EQ(n_elsewhere, 0) << "graphs whose nodes share memory in other ways than with ggml's allocator";
    }
    RecordProperty("stock_bytes", static_cast<int>(stock_bytes));
    RecordProperty("our_bytes", static_cast<int>(our_bytes));
    EXPECT_LE(our_bytes, stock_bytes + stock_bytes / 50) << "of all compute buffers together";
}

// The graph that an engine reserves with, then a smaller one
TEST_P(Parity, ReservedBuffersAreNoLarger) {
    size_t stock_bytes = 0;
    size_t our_bytes = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(GetParam(), seed);
        World world(seed, machine.bufts);
        for (const char * choice : {"stock", "ours"}) {
            const ggml_backend_sched_ptr sched = machine.scheduler(choice, GetParam());
            const bool in_place = GetParam().traits.unsupported == 0;
            const RandomGraph large(seed, world, 60, in_place);
            size_t & bytes = choice == std::string("ours") ? our_bytes : stock_bytes;
            std::vector<size_t> reserved;
            ASSERT_TRUE(ggml_backend_sched_reserve(sched.get(), large.get()));
            for (ggml_backend_t backend : machine.backends) {
                reserved.push_back(ggml_backend_sched_get_buffer_size(sched.get(), backend));
                bytes += reserved.back();
            }
#ifdef PARITY_HAS_RESERVE_SIZE
            const RandomGraph again(seed, world, 60, in_place);
            std::vector<size_t> sizes(machine.backends.size(), 0);
            ggml_backend_sched_reserve_size(sched.get(), again.get(), sizes.data());
            for (size_t i = 0; i < sizes.size(); i++) {
                EXPECT_EQ(sizes[i], reserved[i]) << choice << " measures something else than it reserves";
            }
#endif
        }
    }
    EXPECT_LE(our_bytes, stock_bytes + stock_bytes / 50);
}

struct Observation {
    std::vector<std::string> calls;
    size_t every; // that many nodes are wanted, one of them
};

bool observe(ggml_tensor * tensor, bool ask, void * user_data) {
    auto & observation = *static_cast<Observation *>(user_data);
    const bool wanted = (observation.calls.size() % observation.every) == 0;
    observation.calls.push_back(std::string(ask ? "asks for " : "shows ") + tensor->name);
    return !ask || wanted;
}

TEST_P(Parity, EvalCallbacksAreCalledForTheSameNodesInTheSameOrder) {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(GetParam(), seed);
        World world(seed, machine.bufts);
        std::map<std::string, Observation> seen;
        for (const char * choice : {"stock", "ours"}) {
            const ggml_backend_sched_ptr sched = machine.scheduler(choice, GetParam());
            const RandomGraph graph(seed, world, 30, GetParam().traits.unsupported == 0);
            seen[choice].every = 1 + seed % 5;
            ggml_backend_sched_set_eval_callback(sched.get(), observe, &seen[choice]);
            run(machine, sched.get(), graph, world, seed);
        }
        EXPECT_EQ(seen["ours"].calls, seen["stock"].calls);
    }
}

// As engines re-use a graph: new inputs, no new allocation
TEST_P(Parity, AGraphThatIsRunAgainGivesTheSameBits) {
    for (uint64_t seed = 1; seed <= 50; seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Machine machine(GetParam(), seed);
        World world(seed, machine.bufts);
        std::map<std::string, std::vector<std::vector<char>>> results;
        for (const char * choice : {"stock", "ours"}) {
            const ggml_backend_sched_ptr sched = machine.scheduler(choice, GetParam());
            const RandomGraph graph(seed, world, 30, GetParam().traits.unsupported == 0);
            run(machine, sched.get(), graph, world, seed);
            for (uint64_t turn = 1; turn <= 3; turn++) {
                ggml_backend_sched_synchronize(sched.get());
                graph.set_inputs(100 * seed + turn);
                ASSERT_EQ(ggml_backend_sched_graph_compute_async(sched.get(), graph.get()), GGML_STATUS_SUCCESS);
                ggml_backend_sched_synchronize(sched.get());
                for (std::vector<char> & result : graph.results()) {
                    results[choice].push_back(std::move(result));
                }
            }
        }
        EXPECT_TRUE(results["ours"] == results["stock"]);
    }
}

FakeTraits traits(bool async, bool events, bool offloads, bool uses_host_memory, uint32_t unsupported) {
    FakeTraits traits;
    traits.async = async;
    traits.events = events;
    traits.offloads = offloads;
    traits.uses_host_memory = uses_host_memory;
    traits.unsupported = unsupported;
    return traits;
}

INSTANTIATE_TEST_SUITE_P(, Parity,
                         testing::Values(Kind{1, false, true, traits(true, true, false, false, 0)},
                                         Kind{2, false, true, traits(true, true, false, false, 0)},
                                         Kind{3, true, true, traits(true, true, false, false, 0)},
                                         Kind{2, true, true, traits(true, true, true, false, 0)},
                                         Kind{1, false, true, traits(true, true, true, false, 0)},
                                         Kind{1, false, false, traits(true, true, true, false, 0)},
                                         Kind{2, false, true, traits(true, false, false, false, 1)},
                                         Kind{2, true, true, traits(true, true, true, false, 1)},
                                         Kind{2, false, true, traits(false, false, false, false, 1)},
                                         Kind{1, false, true, traits(false, false, false, true, 1)}),
                         [](const testing::TestParamInfo<Kind> & info) { return "Kind" + std::to_string(info.index); });

} // namespace

} // namespace parity
