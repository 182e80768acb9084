// Runs random graphs on adversarial devices for as long as it is told:
//
//   ggml-sched-fuzz [seconds [first seed]]
//
// Prints the number of cases that were right; the first that is not ends it, with its seed and exit code 1.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "support/random_case.h"

int main(int argc, char ** argv) {
    testing::InitGoogleTest(&argc, argv);
    const double seconds = argc > 1 ? std::atof(argv[1]) : 60;
    const uint64_t first_seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
    std::printf("first seed %llu\n", static_cast<unsigned long long>(first_seed));

    const auto start = std::chrono::steady_clock::now();
    uint64_t n_cases = 0;
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
        ggml_sched::test::CaseOptions options;
        options.seed = first_seed + n_cases;
        options.max_ops = n_cases % 8 == 0 ? 400 : 40;
        options.max_devices = 6;
        const std::string difference = ggml_sched::test::run_random_case(options);
        if (!difference.empty()) {
            std::printf("seed %llu: %s\n", static_cast<unsigned long long>(options.seed), difference.c_str());
            return 1;
        }
        n_cases++;
    }
    std::printf("%llu cases, all right\n", static_cast<unsigned long long>(n_cases));
    return 0;
}
