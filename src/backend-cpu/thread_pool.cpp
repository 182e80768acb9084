#include "thread_pool.h"

#include "ggml-impl.h"

#include <exception>

namespace ggml_sched::cpu {

int ThreadPool::start(int n_threads) {
    try {
        while (static_cast<int>(workers_.size()) + 1 < n_threads) {
            const int thread = static_cast<int>(workers_.size()) + 1;
            workers_.emplace_back([this, thread] { work(thread); });
        }
    } catch (const std::exception & e) { // no memory, or no more threads: fewer threads give the same results
        GGML_LOG_WARN("%s: only %zu of %d threads could be started (%s); computing with those\n", __func__,
                      workers_.size() + 1, n_threads, e.what());
    }
    return static_cast<int>(workers_.size()) + 1;
}

void ThreadPool::stop() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    begin_.notify_all();
    for (std::thread & worker : workers_) {
        worker.join();
    }
    workers_.clear();
    stopping_ = false;
    generation_ = 0; // new workers have seen no run
}

void ThreadPool::run(int n_threads, Task task, void * arg) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        task_ = task;
        arg_ = arg;
        n_active_ = n_threads;
        n_pending_ = n_threads - 1;
        ++generation_;
    }
    begin_.notify_all();
    task(arg, 0);
    std::unique_lock<std::mutex> lock(mutex_);
    end_.wait(lock, [this] { return n_pending_ == 0; });
}

void ThreadPool::work(int thread) {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        begin_.wait(lock, [&] { return stopping_ || generation_ != seen; });
        if (stopping_) {
            return;
        }
        seen = generation_;
        if (thread >= n_active_) {
            continue;
        }
        const Task task = task_;
        void * const arg = arg_;
        lock.unlock();
        task(arg, thread);
        lock.lock();
        if (--n_pending_ == 0) {
            end_.notify_one();
        }
    }
}

} // namespace ggml_sched::cpu
