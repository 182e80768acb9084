// thread_pool.h - the threads of one CPU backend.
//
// Workers start at the first run that needs them and sleep on a condition variable between runs. The caller works too,
// as thread 0, so a pool for n threads has n - 1 workers.
// Threading: one thread at a time calls; run() is not reentrant.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace ggml_sched::cpu {

class ThreadPool {
  public:
    using Task = void (*)(void * arg, int thread);

    ThreadPool() = default;
    ~ThreadPool() { stop(); }
    ThreadPool(const ThreadPool &) = delete;
    ThreadPool & operator=(const ThreadPool &) = delete;

    // Makes n_threads - 1 workers run; returns the number of threads there are, fewer if the system gives no more.
    int start(int n_threads);
    // Ends the workers. A later start() makes new ones.
    void stop();

    // Calls task(arg, i) once for each i in [0, n_threads), in parallel, and returns when all calls have returned.
    // n_threads is at most what start() returned.
    void run(int n_threads, Task task, void * arg);

  private:
    void work(int thread);

    std::vector<std::thread> workers_;

    std::mutex mutex_;
    std::condition_variable begin_;
    std::condition_variable end_;
    // All below is guarded by mutex_.
    uint64_t generation_ = 0; // counts the runs
    Task task_ = nullptr;
    void * arg_ = nullptr;
    int n_active_ = 0;  // threads that take part in this run
    int n_pending_ = 0; // workers that have not finished this run
    bool stopping_ = false;
};

} // namespace ggml_sched::cpu
