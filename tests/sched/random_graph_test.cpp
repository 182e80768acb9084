// Random graphs on adversarial devices give the CPU's bits. The seeds are printed with every failure:
// GGML_SCHED_TEST_SEED=n GGML_SCHED_TEST_CASES=1 runs one case again.

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/random_case.h"

namespace ggml_sched::test {
namespace {

uint64_t env_or(const char * name, uint64_t fallback) {
    const char * value = std::getenv(name);
    return value ? std::strtoull(value, nullptr, 10) : fallback;
}

#ifdef GGML_SCHED_TEST_THIN // under a sanitizer
constexpr uint64_t kShare = 20;
#else
constexpr uint64_t kShare = 1;
#endif

void run_cases(CaseOptions options, uint64_t first_seed, uint64_t n_cases) {
    n_cases = (n_cases + kShare - 1) / kShare;
    first_seed = env_or("GGML_SCHED_TEST_SEED", first_seed);
    n_cases = env_or("GGML_SCHED_TEST_CASES", n_cases);
    for (uint64_t seed = first_seed; seed < first_seed + n_cases; seed++) {
        options.seed = seed;
        const std::string difference = run_random_case(options);
        ASSERT_EQ(difference, "") << "seed " << seed;
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
}

TEST(RandomGraphs, OnMixedDevicesEqualTheCpu) {
    run_cases({}, 1, 5000);
}

TEST(RandomGraphs, OfOnlyAFewOperationsEqualTheCpu) {
    CaseOptions options;
    options.max_ops = 8;
    run_cases(options, 100000, 4000);
}

// A copy took the place of another copy's source and was made first.
TEST(RandomGraphs, WhoseCopiesShareMemoryWithEachOthersSourcesEqualTheCpu) {
    CaseOptions options;
    options.max_devices = 6;
    run_cases(options, 900012631, 1);
}

TEST(RandomGraphs, OnDevicesWithoutEventsEqualTheCpu) {
    CaseOptions options;
    options.profiles = {GGML_SIM_PROFILE_NO_EVENTS};
    run_cases(options, 200000, 600);
}

TEST(RandomGraphs, OnManyDevicesThatReadHostMemoryEqualTheCpu) {
    CaseOptions options;
    options.profiles = {GGML_SIM_PROFILE_UMA, GGML_SIM_PROFILE_VULKAN};
    options.max_devices = 6;
    run_cases(options, 300000, 600);
}

} // namespace
} // namespace ggml_sched::test
