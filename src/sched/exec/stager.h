// Stager - copies weights out of pageable memory, mapped files for example, to a device.
//
// A device reads pinned memory only. Left to the backend, one thread copies piece by piece; here several threads fill
// pinned chunks, while earlier chunks are on their way. The call returns when the source has been read: the host is
// busy meanwhile, but not the device, which computes what has been launched before.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "host/query.h"

namespace ggml_sched {

// Host memory, and where in a tensor it goes
struct Piece {
    size_t offset;
    const char * data;
    size_t bytes;
};

class Stager {
  public:
    Stager() = default;
    ~Stager(); // the copies that it has enqueued must be done

    Stager(const Stager &) = delete;
    Stager & operator=(const Stager &) = delete;

    // Makes memory, events and threads for copies by this backend, unless it has been done. False: there are none, and
    // copy() must not be called.
    bool prepare(const host::Backend & queue);

    // Enqueues on `queue` copies of all pieces to a tensor.
    void copy(const host::Backend & queue, ggml_tensor * dst, const std::vector<Piece> & pieces);

  private:
    static constexpr size_t kChunk = size_t{32} << 20;
    static constexpr size_t kChunks = 3;
    static constexpr size_t kPart = size_t{1} << 20; // that a thread copies at a time
    static constexpr unsigned kMostThreads = 8;

    struct Chunks {
        const host::Backend * queue;
        ggml_backend_buffer_t memory;
        std::vector<ggml_backend_event_t> free; // by chunk: what was read from it has arrived
        std::vector<bool> in_use;
        size_t now;  // the chunk that is being filled,
        size_t used; // and how far
    };
    struct Part {
        const char * from;
        char * to;
        size_t bytes;
    };
    struct Staged { // a piece, or what of it fits a chunk
        size_t offset;
        char * data;
        size_t bytes;
    };

    Chunks * chunks_of(const host::Backend & queue);
    void start_threads();
    void next_chunk(Chunks & chunks);
    void stage(const char * from, char * to, size_t bytes);
    void send(Chunks & chunks, ggml_tensor * dst);
    void copy_parts();
    void take_parts();
    void work();

    std::vector<Chunks> chunks_; // by queue
    std::vector<Staged> staged_; // of the chunk that is being filled

    std::vector<Part> parts_; // written while no thread works
    std::atomic<size_t> next_part_{0};
    std::mutex mutex_; // guards what follows
    std::condition_variable changed_;
    uint64_t round_ = 0; // of copying parts
    size_t n_busy_ = 0;
    bool ends_ = false;
    std::vector<std::thread> threads_;
};

} // namespace ggml_sched
