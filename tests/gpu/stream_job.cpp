#include "stream_job.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace gpu_tests {

namespace {

using Random = std::mt19937_64;

template <typename T> T one_of(Random & random, std::initializer_list<T> values) {
    return values.begin()[random() % values.size()];
}

StreamShape random_shape(Random & random, bool small) {
    StreamShape shape;
    shape.n_layers = 2 + static_cast<int>(random() % 7);
    shape.width = small ? one_of<int64_t>(random, {32, 64}) : one_of<int64_t>(random, {64, 128, 256});
    shape.wide = small ? one_of<int64_t>(random, {32, 96}) : one_of<int64_t>(random, {128, 384, 640});
    shape.type = one_of(random, {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0});
    shape.n_experts = one_of<int64_t>(random, {0, 8, small ? 16 : 32});
    shape.n_used = one_of<int64_t>(random, {1, 2, 4});
    shape.share = one_of(random, {0.25, 0.5, 1.0});
    const int64_t most_tokens = small ? 64 : 512;
    shape.n_cells = one_of<int64_t>(random, {0, most_tokens, 2 * most_tokens, 8 * most_tokens});
    shape.cache_memory = one_of(random, {WeightMemory::Pinned, WeightMemory::Pageable});
    return shape;
}

// From one that holds two of the smallest weights at best to one that holds all.
size_t random_budget(Random & random, const StreamModel & model) {
    const double least = 2.0 * static_cast<double>(model.smallest()) - 1;
    const double most = 1.2 * static_cast<double>(model.n_bytes());
    const double where = static_cast<double>(random() % 1000) / 999;
    return static_cast<size_t>(least * std::pow(most / least, where));
}

std::vector<int> random_micro_batches(Random & random, bool small) {
    std::vector<int> sizes;
    int size = 32;
    for (size_t i = 3 + random() % 6; i > 0; i--) {
        if (random() % 2 == 0) { // the same again goes without a new graph
            size = small ? one_of(random, {3, 16, 32, 40}) : one_of(random, {16, 17, 32, 64, 128, 256, 512});
        }
        sizes.push_back(size);
    }
    return sizes;
}

std::string describe(const StreamModel & model, WeightMemory memory, const Streaming & streaming) {
    const StreamShape & shape = model.shape();
    std::string text = std::to_string(model.devices().size()) + " devices, " + std::to_string(shape.n_layers) +
                       " layers of " + std::to_string(shape.width) + " x " + std::to_string(shape.wide) + " " +
                       ggml_type_name(shape.type);
    if (shape.n_experts > 0) {
        text += ", " + std::to_string(shape.n_used) + " of " + std::to_string(shape.n_experts) + " experts, share " +
                std::to_string(shape.share);
    }
    if (shape.n_cells > 0) {
        text += ", " + std::string(name_of(shape.cache_memory)) + " caches of " + std::to_string(shape.n_cells);
    }
    return text + ", weights " + name_of(memory) + ", budget " + std::to_string(streaming.budget) + " of " +
           std::to_string(model.n_bytes()) + ", lookahead " + std::to_string(streaming.lookahead) +
           (streaming.parallel ? ", parallel" : "") + (streaming.keep ? ", kept" : "");
}

} // namespace

std::function<void()> random_delays(uint64_t seed) {
    return [random = Random(seed)]() mutable {
        if (random() % 4 == 0) {
            for (uint64_t i = random() % 2000; i > 0; i--) {
                std::this_thread::yield();
            }
        }
    };
}

std::string run_stream_job(const Vendor & vendor, const StreamJob & job) {
    Random random(job.seed);
    const size_t n_devices = 1 + random() % std::min<size_t>(2, vendor.devices.size());
    const StreamShape shape = random_shape(random, job.small);
    const auto memory = one_of(random, {WeightMemory::Pinned, WeightMemory::Pageable, WeightMemory::Callers});
    const StreamModel model(shape, memory, {vendor.devices.begin(), vendor.devices.begin() + n_devices}, random());
    if (!model.error().empty()) {
        return model.error();
    }
    Streaming streaming;
    streaming.budget = random_budget(random, model);
    streaming.lookahead = one_of<size_t>(random, {0, 0, streaming.budget / 2, streaming.budget});
    streaming.parallel = one_of(random, {false, true});
    streaming.keep = one_of(random, {false, true});
    const std::vector<int> micro_batches = random_micro_batches(random, job.small);
    const uint64_t inputs = random();

    StreamSession off(model, {});
    const auto expected = off.run(micro_batches, inputs);
    StreamSession on(model, streaming);
    for (int i = 0; i < job.n_repetitions && off.error().empty() && on.error().empty(); i++) {
        const std::function<void()> delay =
            job.small ? nullptr : random_delays(job.seed * 1000 + static_cast<uint64_t>(i));
        const auto got = on.run(micro_batches, inputs, delay);
        const std::string what = on.error().empty() ? difference(got, expected) : on.error();
        if (!what.empty()) {
            return describe(model, memory, streaming) + ": repetition " + std::to_string(i) + ": " + what;
        }
    }
    return off.error().empty() ? "" : describe(model, memory, {}) + ": " + off.error();
}

} // namespace gpu_tests
