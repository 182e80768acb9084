// Tuning - the numbers that change how fast a run is, and never what it computes. Each says its unit and why it has
// this value. Tests and users cannot set them: what a user may choose is in ggml-sched.h.

#pragma once

#include <cstddef>

namespace ggml_sched {

struct Tuning {
    static constexpr size_t kKiB = size_t{1} << 10;
    static constexpr size_t kMiB = size_t{1} << 20;

    // Inputs of the caller
    // Bytes. Larger inputs are copied straight from the caller's memory: a snapshot would take longer than it saves.
    static constexpr size_t kSnapshotUpTo = kMiB;
    // Bytes. The same where runs may overlap: then a snapshot also lets the call return before the device is ready.
    static constexpr size_t kSnapshotUpToParallel = 64 * kMiB;
    // Bytes. Where copies rotate, larger inputs travel on the stream lane, while the device computes the run before.
    static constexpr size_t kStreamLaneFrom = 256 * kKiB;
    // Bytes. Larger snapshots are copied by several threads.
    static constexpr size_t kSharedFrom = 512 * kKiB;
    // Bytes. Up to this size a copy takes the host longer than the link, so neighbours are merged into one.
    static constexpr size_t kMergedUpTo = 64 * kKiB;

    // Staging: copies out of pageable memory through pinned chunks
    // Bytes. Backends copy smaller tensors as fast themselves.
    static constexpr size_t kStagedFrom = kMiB;
    // Bytes of a chunk, and how many chunks a queue has. Few chunks stay in the CPU's cache; more are added where the
    // host would have to wait for chunks that wait on their queue.
    static constexpr size_t kChunk = 4 * kMiB;
    static constexpr size_t kLeastChunks = 6;
    static constexpr size_t kMostChunks = 32;
    // Bytes that a thread copies at a time: to pinned memory, and from host memory to host memory.
    static constexpr size_t kPart = 512 * kKiB;
    static constexpr size_t kHostPart = 256 * kKiB;
    // Rounds that a thread looks for the next part before it sleeps: the next part is often published soon.
    static constexpr int kPatience = 1000;

    // Streaming
    // Bytes that copies run ahead of their use, in auto. The device's computing in between is bridged by less.
    static constexpr size_t kLookahead = 1024 * kMiB;
    // Bytes of weights in one split. A split begins when its weights are there, so a large split begins late; but many
    // small splits cost launches.
    static constexpr size_t kMostPerSplit = 64 * kMiB;
    // Splits whose weights fit the ring at least: one is used, one arrives, and the others keep both busy.
    static constexpr size_t kSplitsInRing = 4;
    // 1 / part of the free memory that auto takes at most; engines want memory later, too.
    static constexpr size_t kShareOfFree = 4;
    // Bytes. In auto a smaller ring is not worth a queue.
    static constexpr size_t kLeastAuto = kMiB;
    // Bytes. In auto the weights must be this large on average: events and another queue cost more than smaller copies.
    static constexpr size_t kLeastMean = 256 * kKiB;
    // Bytes. Smaller caches in host memory are copied without the ring.
    static constexpr size_t kLeastCache = kMiB;
    // Bytes. Shorter rows, such as those of a transposed cache, are too many to be found one by one.
    static constexpr size_t kLeastRow = 32;
    // Bytes. A weight that a copy callback may write is sent ahead up to this size, and compared when it is offered. On
    // the queue that computes it would wait for all streamed weights.
    static constexpr size_t kSmallTable = 64 * kKiB;
    // A ring with kLeastOfRing of (kLeastOfRing + 1) parts of the bytes that it should have is kept: caches grow from
    // graph to graph, and new memory would have to wait for what is in flight.
    static constexpr size_t kLeastOfRing = 3;
    // 1 / part of the ring that copies for urgent splits let through first (the prefetch distance). With one urgent
    // split: enough to keep the device busy until the link has caught up. Where the host computes first: the link has
    // something to do meanwhile. With several urgent splits all of them wait for it.
    static constexpr size_t kRingToPrefetchDistance = 4;
    static constexpr size_t kRingToPrefetchDistanceOfHost = 2;
    static constexpr size_t kRingToPrefetchDistanceOfMany = 8;

    // Experts: whole, or only those that the ids name
    // Runs that are measured first. The first also pays for what devices do once, and any may have been disturbed: the
    // shortest of the others counts.
    static constexpr int kFirstRuns = 4;
    // Runs after which one is measured again.
    static constexpr int kMeasureEach = 64;
    // Sending all experts must take at most this part of the time by ids, since measuring errs.
    static constexpr double kMargin = 0.93;
    // Bytes of a copy that measures the link, and how often it is made.
    static constexpr size_t kLinkSample = 128 * kMiB;
    static constexpr int kLinkSamples = 4;
};

} // namespace ggml_sched
