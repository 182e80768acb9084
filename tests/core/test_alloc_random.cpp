#include "test_alloc_checker.h"

using alloc_check::Checker;
using alloc_check::RandomGraph;
using fakes::FakeMemory;
using fakes::Gallocr;

namespace {

// Four buffer ids over three memories
struct Memories {
    FakeMemory memory[3];
    ggml_backend_buffer_type_t bufts[4] = {&memory[0].buft, &memory[1].buft, &memory[0].buft, &memory[2].buft};

    Memories() {
        memory[1].alignment = 128;
        memory[2].extra_per_tensor = 40;
    }
};

int operations_for(uint64_t seed) {
    return 3 + static_cast<int>(seed * 7919 % 70);
}

} // namespace

TEST(AllocRandom, NoLiveTensorIsOverwrittenInOneBuffer) {
    int n_in_place = 0;
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        FakeMemory memory;
        RandomGraph random(seed, operations_for(seed));
        const Gallocr galloc(ggml_gallocr_new(&memory.buft));
        ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), random.graph)) << "seed " << seed;
        Checker checker;
        ASSERT_EQ(checker.check(random.graph), "") << "seed " << seed;
        n_in_place += checker.n_in_place;
    }
    EXPECT_GT(n_in_place, 1000) << "the graphs exercise too little";
}

TEST(AllocRandom, NoLiveTensorIsOverwrittenInSeveralBuffers) {
    for (uint64_t seed = 1; seed <= 1500; seed++) {
        Memories m;
        RandomGraph random(seed, operations_for(seed));
        const Gallocr galloc(ggml_gallocr_new_n(m.bufts, 4));
        ASSERT_TRUE(ggml_gallocr_reserve_n(galloc.get(), random.graph, random.node_ids.data(), random.leaf_ids.data()));
        ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), random.graph)) << "seed " << seed;
        Checker checker;
        ASSERT_EQ(checker.check(random.graph), "") << "seed " << seed;
        ASSERT_LE(m.memory[0].n_buffers, 1);
    }
}

// The plan of one graph must never be used for another one that it does not suit, however similar.
TEST(AllocRandom, AReservedPlanNeverMisplacesAnotherGraph) {
    FakeMemory memory;
    const Gallocr galloc(ggml_gallocr_new(&memory.buft));
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        RandomGraph random(seed, 2 + static_cast<int>(seed % 4)); // small graphs often have equal counts
        ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), random.graph)) << "seed " << seed;
        Checker checker;
        ASSERT_EQ(checker.check(random.graph), "") << "seed " << seed;
    }
}

TEST(AllocRandom, TheSameGraphGetsTheSamePlaces) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        Memories m;
        RandomGraph random(seed, operations_for(seed));
        const Gallocr galloc(ggml_gallocr_new_n(m.bufts, 4));
        std::vector<size_t> first;
        for (int round = 0; round < 3; round++) {
            ASSERT_TRUE(
                ggml_gallocr_reserve_n(galloc.get(), random.graph, random.node_ids.data(), random.leaf_ids.data()));
            for (int repeat = 0; repeat < 2; repeat++) {
                ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), random.graph));
                if (first.empty()) {
                    first = random.offsets();
                }
                ASSERT_EQ(random.offsets(), first) << "seed " << seed;
                random.forget_places();
            }
        }
    }
}

TEST(AllocRandom, AnAllocatedGraphStaysWhereItIs) {
    for (uint64_t seed = 1; seed <= 100; seed++) {
        FakeMemory memory;
        RandomGraph random(seed, operations_for(seed));
        const Gallocr galloc(ggml_gallocr_new(&memory.buft));
        ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), random.graph));
        const std::vector<size_t> offsets = random.offsets();
        const int n_allocations = memory.n_allocations;
        ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), random.graph));
        EXPECT_EQ(random.offsets(), offsets) << "seed " << seed;
        EXPECT_EQ(memory.n_allocations, n_allocations);
    }
}

TEST(AllocRandom, OutOfMemoryLeaksNothing) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const fakes::LogCapture log;
        Memories m;
        RandomGraph random(seed, operations_for(seed));
        RandomGraph small(seed, 1);
        Gallocr galloc(ggml_gallocr_new_n(m.bufts, 4));
        size_t sizes[4] = {};
        ggml_gallocr_reserve_n_size(galloc.get(), random.graph, random.node_ids.data(), random.leaf_ids.data(), sizes);
        for (int victim = 0; victim < 3; victim++) {
            const size_t needed = sizes[victim == 2 ? 3 : victim];
            if (needed == 0) {
                continue;
            }
            m.memory[victim].budget = needed - 1;
            EXPECT_FALSE(
                ggml_gallocr_reserve_n(galloc.get(), random.graph, random.node_ids.data(), random.leaf_ids.data()));
            EXPECT_FALSE(ggml_gallocr_alloc_graph(galloc.get(), random.graph)) << "there is no plan";
            EXPECT_GT(log.n_errors(), 0);
            m.memory[victim].budget = SIZE_MAX;
            small.forget_places();
            ASSERT_TRUE(
                ggml_gallocr_reserve_n(galloc.get(), small.graph, small.node_ids.data(), small.leaf_ids.data()));
            ASSERT_TRUE(ggml_gallocr_alloc_graph(galloc.get(), small.graph));
            Checker checker;
            ASSERT_EQ(checker.check(small.graph), "");
            // Start again without buffers.
            galloc.reset(ggml_gallocr_new_n(m.bufts, 4));
        }
        galloc.reset();
        for (const FakeMemory & memory : m.memory) {
            EXPECT_EQ(memory.n_buffers, 0);
            EXPECT_EQ(memory.n_bytes, 0U);
        }
    }
}
