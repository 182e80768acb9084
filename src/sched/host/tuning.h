// Tuning - the numbers that change how fast a run is, and never what it computes. Each says its unit and why it has
// this value. Tests and users cannot set them: what a user may choose is in ggml-sched.h.

#pragma once

#include <cstddef>

namespace ggml_sched {

// Numbers without another unit are bytes.
struct Tuning {
    static constexpr size_t kKiB = size_t{1} << 10;
    static constexpr size_t kMiB = size_t{1} << 20;

    // Inputs of the caller

    // Larger inputs are copied straight from the caller's memory: a snapshot would take longer than it saves.
    static constexpr size_t kSnapshotUpTo = kMiB;
    // Larger results of CPU splits are copied straight, too. The host often waits for results of the device before it
    // writes there again, and needs no snapshot then.
    static constexpr size_t kHostSnapshotUpTo = 256 * kKiB;
    // Both limits where runs may overlap. A snapshot then also lets the call return before the device is ready.
    static constexpr size_t kSnapshotUpToParallel = 64 * kMiB;
    // With several copies of each input, larger inputs go on the stream lane, while the device computes the run before.
    static constexpr size_t kStreamLaneFrom = 256 * kKiB;
    // Several threads make larger snapshots.
    static constexpr size_t kSharedFrom = 512 * kKiB;
    // Smaller copies take the host longer than the link, so neighbours are merged into one.
    static constexpr size_t kMergedUpTo = 64 * kKiB;

    // The host itself writes smaller copies to a device whose memory it reaches, if nothing there has to be waited for.
    // The device reads larger ones out of pinned memory faster.
    static constexpr size_t kWrittenUpTo = 128 * kKiB;
    // A write of 4 KiB that takes fewer microseconds is one of the host. A command of a queue takes 20 or more.
    static constexpr double kHostWriteUs = 10.0;
    // More than the window through which the host reaches memory where it does not reach all of it
    static constexpr size_t kBeyondWindow = 320 * kMiB;

    // Staging: copies out of pageable memory through pinned chunks

    // Backends copy smaller tensors as fast themselves.
    static constexpr size_t kStagedFrom = kMiB;
    // The size of a chunk, and the number of chunks that a queue has. Few chunks stay in the CPU's cache. More are
    // added where the host would have to wait for chunks that wait on their queue.
    static constexpr size_t kChunk = 4 * kMiB;
    static constexpr size_t kLeastChunks = 6;
    static constexpr size_t kMostChunks = 32;
    // A thread copies this much at a time: to pinned memory, and from host memory to host memory.
    static constexpr size_t kPart = 128 * kKiB;
    static constexpr size_t kHostPart = 256 * kKiB;

    // Registered memory: pageable memory that a driver has pinned

    // All together has at most one part in this many of the machine's memory, since it cannot be swapped out.
    static constexpr size_t kShareOfHost = 2;
    // Smaller buffers may share a page with others: the C library gives pages of their own to what is larger. A driver
    // pins whole pages, and refuses copies that begin in pinned memory and end elsewhere.
    static constexpr size_t kRegisteredFrom = 32 * kMiB;
    // Weights are registered only as long as all together has one part in this many. The rest is left for caches, which
    // are read with each token.
    static constexpr size_t kShareOfHostForWeights = 3;

    // Streaming

    // Copies run this far ahead of their use, in auto. A smaller distance would not bridge what the device computes.
    static constexpr size_t kLookahead = 1024 * kMiB;
    // One split has at most this much of weights. A split begins when its weights are there, so a large split begins
    // late; but many small splits cost launches.
    static constexpr size_t kMostPerSplit = 64 * kMiB;
    // The ring holds the weights of at least this many splits: one is used, one arrives, the others keep both busy.
    static constexpr size_t kSplitsInRing = 4;
    // Auto takes at most one part in this many of the free memory; engines want memory later, too.
    static constexpr size_t kShareOfFree = 4;
    // In auto, a smaller ring is not worth a queue.
    static constexpr size_t kLeastAuto = kMiB;
    // In auto, the mean of the weights is at least this: events and another queue cost more than smaller copies.
    static constexpr size_t kLeastMean = 256 * kKiB;
    // Smaller caches in host memory are copied without the ring.
    static constexpr size_t kLeastCache = kMiB;
    // Shorter rows, such as those of a transposed cache, are too many to be found one by one.
    static constexpr size_t kLeastRow = 32;
    // A weight that a copy callback may write is sent ahead up to this size, and compared when it is offered. On the
    // queue that computes it would wait for all streamed weights.
    static constexpr size_t kSmallTable = 64 * kKiB;
    // A ring is kept if it has kLeastOfRing of (kLeastOfRing + 1) parts of the memory that it should have. Caches grow
    // from graph to graph, and new memory would have to wait for what is in flight.
    static constexpr size_t kLeastOfRing = 3;
    // The prefetch distance is one part in this many of the ring: what may be sent before an urgent split's copies.
    // With one urgent split it keeps the device busy until the link has caught up. Where the host computes first, the
    // link has something to do meanwhile. Where several splits are urgent, all of them wait for it.
    static constexpr size_t kRingToPrefetchDistance = 4;
    static constexpr size_t kRingToPrefetchDistanceOfHost = 2;
    static constexpr size_t kRingToPrefetchDistanceOfMany = 8;

    // Experts: whole, or only those that the ids name

    // This many runs are measured first. The first one also pays for what devices do once, and any may have been
    // disturbed: the shortest of the others counts.
    static constexpr int kFirstRuns = 4;
    // One run in this many is measured later.
    static constexpr int kMeasureEach = 64;
    // Sending all experts must take at most this part of the time by ids, since measuring errs.
    static constexpr double kMargin = 0.93;
    // A copy of this size measures the link, this many times.
    static constexpr size_t kLinkSample = 128 * kMiB;
    static constexpr int kLinkSamples = 4;
    // Auto leaves this much free where it makes experts resident: caches and buffers of engines may grow.
    static constexpr size_t kExpertsMargin = 512 * kMiB;

    // Experts: parted pairs

    // Pairs of blocks with more tokens are not parted: devices compute such batches themselves, and streaming sends the
    // experts.
    static constexpr int64_t kMostPartedTokens = 31;
    // A choice counts half as much so many runs later.
    static constexpr double kExpertHalfLife = 16.0;
    // An expert takes the entry of another if its score is so many times the other's.
    static constexpr double kExpertMargin = 1.25;
    // So many experts of a layer are replaced after a run. Each upload takes as long as the CPU needs for some pairs.
    static constexpr size_t kMostReplacedExperts = 2;
    // So many runs are parted before the first trial without, which fills the banks, and so many between later ones: a
    // run without may take three times as long.
    static constexpr int kPartedBeforeTrial = 32;
    static constexpr int kPartedBetweenTrials = 1024;
    // A trial compares the mean of the last eight parted runs, with their uploads, and the shortest of two others. The
    // first of these also pays for another allocation.
    static constexpr int kPartedInTrial = 8;
    static constexpr int kWholeInTrial = 2;
    // An engine that runs an allocated graph more often keeps its graphs, and gets no trials.
    static constexpr int kRunsOfAGraph = 4;
    // A copy of this size to a new bank measures the link.
    static constexpr size_t kUploadSample = 8 * kMiB;
    // It is measured while at most so many threads read host memory, as the CPU reads experts when it computes. Each
    // looks after so many bytes whether it shall end.
    static constexpr size_t kMostReaders = 16;
    static constexpr size_t kReadAtOnce = 64 * kKiB;
    // The time that the CPU needs for missing experts is a running average. The last run has this weight in it.
    static constexpr double kNewestOfCpu = 0.125;
    // An expert that replaces another must save the time of its upload in so many runs. With more, chance decides where
    // experts are chosen almost equally often.
    static constexpr double kRunsToPayUpload = 96.0;
    // Such uploads take this part of the time that entries have saved the CPU: two thirds remain if no upload pays. And
    // they take this part of the time of all runs: so a bank that nobody hits is renewed.
    static constexpr double kSavedForPromotions = 1.0 / 3.0;
    static constexpr double kRunForPromotions = 0.01;
    // The budget for such uploads grows to the time of so many runs. A new topic then gets other experts soon.
    static constexpr double kMostRunsOfPromotions = 128.0;
    // After so many runs it is known how often each layer chooses its experts. Layers get other numbers of entries
    // if so many more of all pairs would find their expert. Banks then fill anew, by kMostUploaded in each half of a
    // run.
    static constexpr int kRunsBeforeSharing = 512;
    static constexpr double kLeastGainOfSharing = 0.03;
    // So much is uploaded to the banks of one half of a run, so that no token waits long. A PCIe link of 25 GB/s takes
    // 1.3 ms. The device computes the other half meanwhile.
    static constexpr size_t kMostUploaded = 32 * kMiB;
    // So many runs of kept graphs show what entries save. Below this part of the time of runs they save less than what
    // parting costs: 3 to 5 % where the CPU is fast and all layers are parted (docs/journal/2026-12.md).
    static constexpr int kRunsToJudge = 256;
    static constexpr double kLeastSaved = 0.05;
    // One lost trial may be chance, or banks that have not filled yet.
    static constexpr int kLostTrials = 2;
};

} // namespace ggml_sched
