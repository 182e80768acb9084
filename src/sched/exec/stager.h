// Stager - copies weights out of pageable memory, mapped files for example, to a device.
//
// A device reads pinned memory only. Left to the backend, one thread copies piece by piece; here several threads fill
// pinned chunks, while earlier chunks are on their way. The call returns when the source has been read: the host is
// busy meanwhile, but not the device, which computes what has been launched before.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "host/query.h"

namespace ggml_sched {

class Stager {
  public:
    Stager() = default;
    ~Stager(); // the copies that it has enqueued must be done

    Stager(const Stager &) = delete;
    Stager & operator=(const Stager &) = delete;

    // Makes memory, events and threads for copies by this backend, unless it has been done. False: there are none, and
    // copy() must not be called.
    bool prepare(const host::Backend & queue);

    // Enqueues on `queue` a copy of [data, data + bytes) to the tensor's bytes from `offset` on.
    void copy(const host::Backend & queue, ggml_tensor * dst, size_t offset, const char * data, size_t bytes);

    static constexpr size_t kChunk = size_t{8} << 20;

  private:
    static constexpr size_t kChunks = 4;
    static constexpr unsigned kMostThreads = 6;

    struct Chunks {
        const host::Backend * queue;
        ggml_backend_buffer_t memory;
        std::vector<ggml_backend_event_t> free; // by chunk: what was read from it has arrived
        std::vector<bool> in_use;
        size_t next;
    };
    struct Part {
        const char * from;
        char * to;
        size_t bytes;
    };

    Chunks * chunks_of(const host::Backend & queue);
    bool start_threads();
    void copy_in_parallel(char * to, const char * from, size_t bytes);
    void work(size_t thread);

    std::vector<Chunks> chunks_; // by queue

    std::mutex mutex_; // guards what follows
    std::condition_variable changed_;
    std::vector<Part> parts_; // by thread; bytes == 0: nothing to do
    size_t n_busy_ = 0;
    bool ends_ = false;
    std::vector<std::thread> threads_;
};

} // namespace ggml_sched
