// Runs random jobs, and random models whose weights are streamed, on the GPUs of this machine for as long as it is
// told:
//
//   ggml-sched-gpu-stress [seconds [first seed]]
//
// Prints the number of jobs that were right; the first that is not ends it, with its seed and exit code 1. Without a
// GPU it says so, with exit code 2.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "gpu_job.h"
#include "stream_job.h"

int main(int argc, char ** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 60;
    const uint64_t first_seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
    if (gpu_tests::vendors().empty()) {
        std::printf("skipped: %s\n", gpu_tests::why_there_are_none().c_str());
        return 2;
    }
    std::printf("first seed %llu\n", static_cast<unsigned long long>(first_seed));
    const auto start = std::chrono::steady_clock::now();
    uint64_t n_jobs = 0;
    while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
        for (const gpu_tests::Vendor & vendor : gpu_tests::vendors()) {
            gpu_tests::GpuJob job;
            job.seed = first_seed + n_jobs;
            job.max_ops = n_jobs % 8 == 0 ? 200 : 40;
            job.max_queues = 6;
            std::string what = run_gpu_job(vendor, job);
            if (what.empty()) {
                gpu_tests::StreamJob stream_job;
                stream_job.seed = job.seed;
                what = run_stream_job(vendor, stream_job);
            }
            if (!what.empty()) {
                std::printf("%s, seed %llu: %s\n", vendor.name.c_str(), static_cast<unsigned long long>(job.seed),
                            what.c_str());
                return 1;
            }
        }
        n_jobs++;
    }
    std::printf("%llu jobs, all right\n", static_cast<unsigned long long>(n_jobs));
    return 0;
}
