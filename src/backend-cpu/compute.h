// compute.h - running a graph on the CPU.
//
// ComputeContext is what an operation computes with: the threads and the scratch memory of one backend. Memory grows
// between nodes only and stays, so that a graph that runs again allocates nothing.
// Invariant: what an operation writes does not depend on how for_each_range divides its work, because every element of
// a result is computed by one call, from its operands alone.

#pragma once

#include "ggml-impl.h"
#include "thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace ggml_sched::cpu {

// Elements that an operation takes at once out of a row; a multiple of every block size and of every lane count.
constexpr int64_t kPiece = 1024;
// Pieces of float scratch that every thread always has
constexpr int64_t kScratchPieces = 4;
// Elementary operations below which waking other threads costs more than it saves
constexpr int64_t kMinParallelWork = 65536;

class ComputeContext {
  public:
    void set_n_threads(int n_threads);
    int n_threads() const { return n_threads_; }

    // Makes room for thread_floats floats per thread and for shared_bytes for all. Contents are lost.
    // False, with a message, when memory runs out.
    bool reserve(int64_t thread_floats, size_t shared_bytes);
    float * scratch(int thread) const { return memory_start_ + thread * thread_floats_; }
    void * shared() const { return shared_start_; } // aligned like the rest, to kAlignment

    // Calls f(thread, first, last) with ranges that together cover [0, n) once. f runs on several threads if
    // n * work_per_unit (elementary operations) is worth it.
    template <class F> void for_each_range(int64_t n, int64_t work_per_unit, const F & f);

  private:
    static constexpr size_t kAlignment = 64;

    template <class F> struct Job {
        const F & f;
        int64_t n;
        int64_t grain;
        std::atomic<int64_t> next{0};

        Job(const F & function, int64_t units, int64_t units_at_once)
            : f(function)
            , n(units)
            , grain(units_at_once) {}

        void run(int thread) {
            for (;;) {
                const int64_t first = next.fetch_add(grain, std::memory_order_relaxed);
                if (first >= n) {
                    return;
                }
                f(thread, first, std::min(n, first + grain));
            }
        }
    };

    ThreadPool pool_;
    int n_threads_ = 1;

    std::unique_ptr<unsigned char[]> memory_;
    size_t capacity_ = 0;
    float * memory_start_ = nullptr;
    int64_t thread_floats_ = 0;
    void * shared_start_ = nullptr;
};

template <class F> void ComputeContext::for_each_range(int64_t n, int64_t work_per_unit, const F & f) {
    if (n <= 0) {
        return;
    }
    const int64_t work = n * std::max<int64_t>(work_per_unit, 1);
    int threads = static_cast<int>(std::min<int64_t>({n_threads_, n, work / kMinParallelWork + 1}));
    if (threads > 1) {
        threads = std::min(threads, pool_.start(n_threads_));
    }
    if (threads <= 1) {
        f(0, 0, n);
        return;
    }
    // Several ranges a thread, so that a thread that the system delays holds up little.
    Job<F> job(f, n, std::max<int64_t>(1, n / (int64_t{4} * threads)));
    pool_.run(
        threads, [](void * arg, int thread) { static_cast<Job<F> *>(arg)->run(thread); }, &job);
}

struct AbortCallback {
    ggml_abort_callback callback = nullptr;
    void * data = nullptr;
};

// Computes the nodes of cgraph in order. Nodes without GGML_TENSOR_FLAG_COMPUTE are not asked for, and skipped.
ggml_status compute_graph(ComputeContext & ctx, const ggml_cgraph * cgraph, const AbortCallback & abort);

} // namespace ggml_sched::cpu
