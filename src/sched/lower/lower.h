// Lowering - turns a split, allocated graph into a Program: which copies and launches a run consists of, in order, with
// their bytes. This is where it is decided how each input travels; when it may is the planner's business.
//
//   from            to             how
//   host memory     async device   SetAsync, or Snapshot + SetAsync if the host will soon write the source again
//   async device    host memory    GetAsync
//   async device    async device   CopyAsync if the pair has one, else GetAsync + SetAsync through the ring
//   anything else                  CopyNow, which is done when its call returns
//
// An input that several devices need is copied aside once. Small snapshots that lie side by side on the device, too,
// are one SetAsync where the device sets ranges.
//
// Where slots take turns, large inputs go on the lane that streams weights: the device computes the run before
// meanwhile.
//
// Weights that are streamed are SetAsync on a lane of their own, issued as far ahead of the launch that needs them as
// the ring's memory is free: behind the launch that used it last. Out of pageable memory, where the host copies itself,
// only one split ahead.
//
// Caches that are streamed are copied like weights, and once more what this run writes into them before the launch. Of
// rows that ids name only those are sent; the ids, which the caller has written, are copied aside when the run begins.
//
// Of experts' weights in host memory (MUL_MAT_ID) only the parts that the ids name are sent. The task that sends the
// weights, SetAsync or CopyNow, reads the ids when it is issued. Ids that are computed are fetched to the host once
// they are, ids that are there before the run are copied aside.
//
// Weights in host memory that would be copied whole are an Offer if there is a copy callback, behind the other inputs
// of their split. The Offer also makes the copy that the callback leaves to it. A small one has been streamed out of a
// snapshot; then the Offer sends it again only if it differs from that.

#pragma once

#include "alloc/memory_plan.h"
#include "host/topology.h"
#include "lower/bindings.h"
#include "lower/spaces.h"
#include "stream/plan.h"

namespace ggml_sched {

// Which weights in host memory are offered to the copy callback
enum class Offered : uint8_t {
    Nothing,     // there is no callback
    WholeCopies, // those that are neither streamed nor copied by ids
    AllWeights,  // all that are copied
};

// Sizes, in bytes, that decide how inputs travel
struct CopyLimits {
    size_t snapshot = 0;                // larger inputs are copied straight, and waited for before the call returns
    size_t stream_lane_from = SIZE_MAX; // where copies take turns, larger inputs go on the lane that streams weights
};

struct LoweringOptions {
    plan::Mode mode = plan::Mode::Auto;
    bool observed = false; // the caller looks at nodes while the graph runs
    Offered offered = Offered::Nothing;
    CopyLimits limits = {};
};

// The graph is allocated; `adjacent_copies` are those of its memory plan. `streams` is what is streamed of it.
Lowered lower(const CutGraph & graph, const AdjacentCopies & adjacent_copies, const StreamPlan & streams,
              const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
              Spaces & spaces);

// The program of a caller who writes all its inputs, which it may do between allocation and the first run.
plan::Program lower_caller_writes(const GraphView & graph, Spaces & spaces);

// The program of one copy as streamed weights are copied: `bytes` of a weight to a tensor in a buffer that the host
// frees afterwards. Both tensors must stay until it has run.
Lowered lower_sample(ggml_tensor * weight, ggml_tensor * target, size_t bytes, BackendId backend, bool pageable,
                     const Topology & topology, Spaces & spaces);

// The program of a host that frees these buffers.
plan::Program lower_freeing(const std::vector<ggml_backend_buffer_t> & buffers, Spaces & spaces);

} // namespace ggml_sched
