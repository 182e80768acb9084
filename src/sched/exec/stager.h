// Stager - copies a lot out of pageable memory to a device: weights in mapped files, a KV cache on the host.
//
// A device reads pinned memory only. Left to the backend, one thread copies piece by piece; here several threads fill
// pinned chunks, while earlier chunks are on their way. The call returns when the source has been read: the host is
// busy meanwhile, but not the device, which computes what has been launched before. The same threads copy large
// snapshots aside.
//
// The host waits before it fills a chunk again that is still being read. No plan shows such a wait: which chunks a copy
// takes depends on the ids. It orders nothing but the chunk. Traces show it, and it counts as unplanned.

#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "host/query.h"
#include "host/tuning.h"
#include "lower/copy_parts.h"

namespace ggml_sched {

class Stager {
  public:
    Stager() = default;
    ~Stager(); // the copies that it has enqueued must be done

    Stager(const Stager &) = delete;
    Stager & operator=(const Stager &) = delete;

    // Makes memory, events and threads for copies by this backend, unless it has been done: so much that as many bytes
    // may wait for their turn on the queue without the host waiting for them, within bounds. False: there is none, and
    // copy() must not be called. Throws std::bad_alloc; it may be called again then.
    bool prepare(const host::Backend & queue, size_t bytes_waiting);

    // Each chunk has an event: recorded on the queue when it has been sent, and waited for, by the host, before it is
    // filled again.
    class Events {
      public:
        virtual ~Events() = default;
        virtual void record(ggml_backend_event_t event) = 0;
        virtual void wait(ggml_backend_event_t event) = 0;
    };

    // Enqueues on `queue` copies of all pieces to a tensor.
    void copy(const host::Backend & queue, ggml_tensor * dst, const std::vector<Piece> & pieces, Events & events);

    // Threads to copy with, beside the caller's; prepare() starts them, too. Where the system gives none, the caller
    // does all by itself.
    void start_threads(size_t n = threads_of_this_machine());
    // Copies from host memory to host memory, and returns when that is done.
    void copy(char * to, const char * from, size_t bytes);

  private:
    static constexpr size_t kNoChunk = Tuning::kMostChunks; // The memory is the caller's.
    static constexpr unsigned kMostThreads = 8;

    struct Chunks {
        const host::Backend * queue;
        std::vector<ggml_backend_buffer_t> memory;
        std::vector<char *> at;                 // by chunk
        std::vector<ggml_backend_event_t> free; // by chunk: what was read from it has arrived
        std::vector<bool> in_use;
        size_t now;  // the chunk that was filled last,
        size_t used; // and how far
    };
    struct Part {
        const char * from;
        char * to;
        size_t bytes;
        size_t chunk;
    };
    struct Sent { // a piece, or what of it fits a chunk
        size_t offset;
        char * data;
        size_t bytes;
    };
    struct Fill { // of a chunk, with the first of its parts and of what is then sent; they end where the next one's
                  // begin
        size_t chunk;
        bool is_new; // the chunk has to be free
        size_t first_part;
        size_t first_sent;
    };

    static size_t threads_of_this_machine();
    Chunks * chunks_of(const host::Backend & queue);
    static void reserve(Chunks & chunks, size_t n);
    static void add_chunks(Chunks & chunks, size_t n);
    void cut(Chunks & chunks, const std::vector<Piece> & pieces);
    void add_parts(const char * from, char * to, size_t bytes, size_t part, size_t chunk);
    void publish(const Chunks & chunks, size_t fill, Events & events);
    void publish(size_t chunk, size_t first_part, size_t end);
    void finish(size_t chunk);
    void send(Chunks & chunks, ggml_tensor * dst, size_t fill, Events & events);
    size_t end_of_parts(size_t fill) const;
    bool take_part();
    void work();

    std::vector<Chunks> chunks_; // by queue
    std::vector<Fill> fills_;    // of the call
    std::vector<Sent> sent_;

    // Threads take parts that have been published. Both counters only grow; parts_[i] is number base_ + i.
    std::vector<Part> parts_;
    uint64_t base_ = 0;
    std::atomic<uint64_t> published_{0};
    std::atomic<uint64_t> taken_{0};
    std::array<std::atomic<size_t>, Tuning::kMostChunks + 1> left_ =
        {}; // by chunk: parts that have not been copied yet

    std::mutex mutex_; // for threads with nothing to do
    std::condition_variable changed_;
    std::atomic<bool> ends_{false};
    std::vector<std::thread> threads_;
};

} // namespace ggml_sched
