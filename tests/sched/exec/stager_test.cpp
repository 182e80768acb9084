// Threads that copy for the executor, on any machine as many: all bytes arrive, and nothing else is touched.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "exec/stager.h"
#include "host/execute.h"
#include "host/tuning.h"
#include "support/rig.h"

namespace ggml_sched::test {
namespace {

constexpr size_t kThreads = 3;

std::vector<char> noise(size_t n, std::mt19937 & random) {
    std::vector<char> bytes(n);
    for (char & byte : bytes) {
        byte = static_cast<char>(random());
    }
    return bytes;
}

// Makes records and waits, and notes the events that have been recorded and not waited for since.
struct ChunkEvents final : Stager::Events {
    explicit ChunkEvents(ggml_backend_t backend)
        : backend(backend) {}
    void record(ggml_backend_event_t event) override {
        EXPECT_TRUE(recorded.insert(event).second) << "the chunk was filled again without a wait";
        host::event_record(event, backend);
        n_records++;
    }
    void wait(ggml_backend_event_t event) override {
        EXPECT_EQ(recorded.erase(event), 1U) << "nothing is to be waited for";
        host::event_synchronize(event);
        n_waits++;
    }

    ggml_backend_t backend;
    std::set<ggml_backend_event_t> recorded;
    size_t n_records = 0;
    size_t n_waits = 0;
};

TEST(StagerThreads, CopyHostMemoryWholeAndNothingBeside) {
    Stager stager;
    std::mt19937 random(1);
    const std::vector<char> source = noise(size_t{5} << 20, random);
    std::vector<char> target(source.size() + 2);
    constexpr size_t kPart = size_t{512} << 10;
    for (const size_t n_threads : {size_t{0}, kThreads}) {
        stager.start_threads(n_threads);
        for (const size_t n : {size_t{0}, size_t{1}, kPart - 1, kPart, kPart + 1, 3 * kPart, source.size()}) {
            std::fill(target.begin(), target.end(), 'x');
            stager.copy(target.data() + 1, source.data(), n);
            EXPECT_EQ(std::memcmp(target.data() + 1, source.data(), n), 0) << n;
            EXPECT_EQ(target[0], 'x') << n;
            EXPECT_EQ(target[n + 1], 'x') << n;
        }
    }
}

TEST(StagerThreads, ServeTheNextCopySoonOrLate) {
    Stager stager;
    stager.start_threads(kThreads);
    std::mt19937 random(2);
    const std::vector<char> source = noise(size_t{3} << 20, random);
    std::vector<char> target(source.size());
    for (int i = 0; i < 200; i++) {
        const size_t at = random() % source.size();
        const size_t n = random() % (source.size() - at);
        stager.copy(target.data() + at, source.data() + at, n);
        ASSERT_EQ(std::memcmp(target.data() + at, source.data() + at, n), 0) << i;
        std::fill(target.begin(), target.end(), 0);
    }
}

// The same threads, for a device
TEST(StagerThreads, TakeTurnsBetweenADeviceAndTheHost) {
    const BackendPtr backend(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    const host::Backend queue = host::describe(backend.get(), ggml_backend_get_default_buffer_type(backend.get()));
    ChunkEvents events(backend.get());

    Stager stager;
    stager.start_threads(kThreads);
    ASSERT_TRUE(stager.prepare(queue, 0));
    std::mt19937 random(3);
    const std::vector<char> source = noise(size_t{9} << 20, random);
    const ContextPtr context = make_context();
    ggml_tensor * tensor = ggml_new_tensor_1d(context.get(), GGML_TYPE_I8, static_cast<int64_t>(source.size()));
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend.get()));
    std::vector<char> on_host(source.size());
    std::vector<char> on_device(source.size());
    for (int i = 0; i < 12; i++) {
        const size_t half = source.size() / 2 + random() % 100;
        stager.copy(queue, tensor, {{half, source.data() + half, source.size() - half}, {0, source.data(), half}},
                    events);
        stager.copy(on_host.data(), source.data(), source.size());
        EXPECT_EQ(on_host, source);
        ggml_backend_synchronize(backend.get());
        ggml_backend_tensor_get(tensor, on_device.data(), 0, on_device.size());
        EXPECT_EQ(on_device, source);
        ggml_backend_tensor_memset(tensor, 0, 0, source.size());
        std::fill(on_host.begin(), on_host.end(), 0);
    }
}

// A record may be a submission of its own.
TEST(StagerChunks, AreRecordedWhenTheyAreFullAndFilledAgainAfterThat) {
    const BackendPtr backend(ggml_backend_dev_init(ggml_backend_sim_device(0), nullptr));
    const host::Backend queue = host::describe(backend.get(), ggml_backend_get_default_buffer_type(backend.get()));
    ChunkEvents events(backend.get());
    Stager stager;
    ASSERT_TRUE(stager.prepare(queue, 0));
    std::mt19937 random(4);
    const std::vector<char> source = noise(3 * Tuning::kChunk, random);
    const ContextPtr context = make_context();
    ggml_tensor * tensor = ggml_new_tensor_1d(context.get(), GGML_TYPE_I8, static_cast<int64_t>(source.size()));
    const BufferPtr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend.get()));
    size_t sent = 0;
    for (int i = 0; i < 60; i++) {
        const size_t most =
            i % 2 == 0 ? Tuning::kChunk / 3 : source.size(); // many small copies in one chunk, and large
        const size_t n = i % 10 == 9 ? Tuning::kChunk - sent % Tuning::kChunk : 1 + random() % most; // to a chunk's end
        stager.copy(queue, tensor, {{0, source.data(), n}}, events);
        sent += n;
        const size_t n_begun = (sent + Tuning::kChunk - 1) / Tuning::kChunk;
        EXPECT_EQ(events.n_records, sent / Tuning::kChunk) << "copy " << i;
        EXPECT_EQ(events.n_waits, n_begun - std::min(n_begun, Tuning::kLeastChunks)) << "copy " << i;
    }
    ggml_backend_synchronize(backend.get());
}

} // namespace
} // namespace ggml_sched::test
