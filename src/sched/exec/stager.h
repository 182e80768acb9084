// Stager - copies a lot out of pageable memory to a device: weights in mapped files, a KV cache on the host.
//
// A device reads pinned memory only. Several threads fill pinned chunks, while the device reads earlier chunks. The
// call returns when the source has been read. The host is busy meanwhile, but the device is not: it computes what has
// been launched before. The same threads copy large snapshots.
//
// A copy consists of fills: a fill is what goes into one chunk at once. Threads copy a fill in parts. The host sends a
// fill in one or more pieces.
//
// The host waits before it fills a chunk that the device still reads. No plan shows such a wait, because which chunks a
// copy takes depends on the ids. The wait orders nothing but the chunk. Traces show it, and it counts as unplanned.
//
// One thread at a time calls a Stager. The Stager owns its threads, its chunks and their events.

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
    // Ends the threads, and frees the chunks. The copies that were enqueued must be done.
    ~Stager();

    Stager(const Stager &) = delete;
    Stager & operator=(const Stager &) = delete;

    // Makes memory, events and threads for copies on this queue. Within bounds, `bytes_waiting` bytes may then wait for
    // their turn on the queue without the host waiting for them. Returns false if there is no pinned memory; copy()
    // must not be called then. Throws std::bad_alloc; it may be called again then.
    bool prepare(const host::Backend & queue, size_t bytes_waiting);

    // Events - records and waits for the events of chunks. The event of a chunk is recorded on the queue when all of
    // the chunk has been sent. The host waits for it before it fills the chunk again.
    class Events {
      public:
        virtual ~Events() = default;
        virtual void record(ggml_backend_event_t event) = 0;
        virtual void wait(ggml_backend_event_t event) = 0;
    };

    // Enqueues on `queue` copies of all pieces to a tensor. prepare() has returned true for the queue.
    void copy(const host::Backend & queue, ggml_tensor * dst, const std::vector<Piece> & pieces, Events & events);

    // Starts threads that copy beside the thread of the caller. prepare() starts them, too. Where the system gives no
    // thread, the thread of the caller copies all.
    void start_threads(size_t n = threads_of_this_machine());
    // Copies from host memory to host memory, and returns when that is done.
    void copy(char * to, const char * from, size_t bytes);

  private:
    static constexpr size_t kNoChunk = Tuning::kMostChunks; // stands for memory of the caller
    static constexpr unsigned kMostThreads = 8;             // most threads that copy, the caller's included

    // Chunks - the chunks of one queue
    struct Chunks {
        const host::Backend * queue;
        std::vector<ggml_backend_buffer_t> memory; // buffers that hold the chunks
        std::vector<char *> at;                    // by chunk: its address
        std::vector<ggml_backend_event_t> free;    // by chunk: event after which the device does not read it any more
        std::vector<bool> in_use;                  // by chunk: true if its event has been recorded
        size_t now;                                // chunk that was filled last
        size_t used;                               // bytes of it that are filled
    };
    // Part - bytes that one thread copies at a time
    struct Part {
        const char * from;
        char * to;
        size_t bytes;
        size_t chunk; // chunk that `to` is in, or kNoChunk
    };
    // Sent - the bytes of a piece that lie in one chunk, and that are sent by one call
    struct Sent {
        size_t offset; // offset in the target tensor
        char * data;   // address in the chunk
        size_t bytes;
    };
    // Fill - what goes into one chunk at once. Its parts, and what it sends, end where those of the next fill begin.
    struct Fill {
        size_t chunk;
        bool is_new;       // true if the fill begins at the start of the chunk, which must be free
        bool is_last;      // true if the fill ends at the end of the chunk
        size_t first_part; // index of its first Part
        size_t first_sent; // index of its first Sent
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

    std::vector<Chunks> chunks_; // one for each queue
    std::vector<Fill> fills_;    // fills of the current call of copy()
    std::vector<Sent> sent_;     // pieces that these fills send

    // Threads take parts that have been published. Both counters only grow; parts_[i] has the number base_ + i.
    std::vector<Part> parts_;
    uint64_t base_ = 0;
    std::atomic<uint64_t> published_{0}; // number of the next part that will be published
    std::atomic<uint64_t> taken_{0};     // number of the next part that a thread takes
    // By chunk: parts that have not been copied yet
    std::array<std::atomic<size_t>, Tuning::kMostChunks + 1> left_ = {};

    std::mutex mutex_; // guards the sleep of threads with nothing to do
    std::condition_variable changed_;
    std::atomic<bool> ends_{false};
    std::vector<std::thread> threads_;
};

} // namespace ggml_sched
