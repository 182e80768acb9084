// Lowering - turns a split, allocated graph into a Program: the copies and launches of a run, in order, with their
// bytes. Lowering decides how each input travels. The planner decides when it may.
//
//   from            to             how
//   host memory     async device   SetAsync, or Snapshot + SetAsync if the source may be written again soon
//   async device    host memory    GetAsync
//   async device    async device   CopyAsync if the pair has one, else GetAsync + SetAsync through the ring
//   host memory     async device   SetNow if it is small and waits for nothing, where the host writes device memory
//   anything else                  CopyNow, which is done when its call returns
//
// GetAsync is issued in front of its split. From a device that does not overlap it comes even before what is streamed
// for later splits.
//
// An input that several devices need gets one snapshot. Small inputs that are adjacent in the ring and on the device
// are sent by one SetAsync, if the device sets ranges.
//
// If n_copies > 1, large inputs go on the lane that streams weights, while the device computes the run before.
//
// Streamed weights and caches are SetAsync on the same lane. The StreamPlan says behind which launch each is issued
// (see lower/streamed_copies.h).
//
// MUL_MAT_ID reads only the experts that its ids name, so only these are sent from host memory. The SetAsync or SetNow
// that sends them reads the ids when it is issued (see lower/host_ids.h).
//
// Experts that a device keeps in a bank are copied there, or are not sent again (see lower/bank_copies.h).
//
// With a copy callback, a weight in host memory that would be copied whole becomes an Offer, behind the other inputs of
// its split. The Offer makes the copy itself if the callback declines. A small weight has already been streamed from a
// snapshot; its Offer sends it again only if it has changed since.
//
// The functions keep nothing between calls, except for the Spaces. A Lowered refers to the graph's tensors. One thread
// at a time.

#pragma once

#include "alloc/memory_plan.h"
#include "experts/expert_bank.h"
#include "host/topology.h"
#include "lower/bindings.h"
#include "lower/spaces.h"
#include "stream/plan.h"

namespace ggml_sched {

// Offered - which weights in host memory are offered to the copy callback.
enum class Offered : uint8_t {
    Nothing,     // there is no callback
    WholeCopies, // weights that are neither streamed nor copied by ids
    AllWeights,  // all weights that are copied
};

// CopyLimits - the sizes, in bytes, that decide how inputs travel.
struct CopyLimits {
    size_t snapshot = 0;                // larger inputs get no snapshot, so the call waits for their copies
    size_t host_snapshot = 0;           // the same for what the CPU computes
    size_t stream_lane_from = SIZE_MAX; // if n_copies > 1, such inputs go on the lane that streams weights
};

// LoweringOptions - what the settings of a scheduler say about its programs.
struct LoweringOptions {
    plan::Mode mode = plan::Mode::Auto;
    bool observed = false; // an eval callback looks at nodes while the graph runs
    Offered offered = Offered::Nothing;
    CopyLimits limits = {};
    BanksInUse banks = {};
};

// Returns the program of a run. The graph is allocated. `adjacent_copies` come from its memory plan, `streams` from its
// stream plan.
Lowered lower(const CutGraph & graph, const AdjacentCopies & adjacent_copies, const StreamPlan & streams,
              const std::vector<host::Backend> & backends, const Topology & topology, const LoweringOptions & options,
              Spaces & spaces);

// Returns the program of a caller that writes all inputs. The caller may do so between allocation and the first run.
plan::Program lower_caller_writes(const GraphView & graph, Spaces & spaces);

// Returns the program of one copy that goes the way of streamed weights. It copies `bytes` of a weight to a tensor,
// whose buffer the host frees afterwards. Both tensors must exist until the program has run.
Lowered lower_sample(ggml_tensor * weight, ggml_tensor * target, size_t bytes, BackendId backend, bool pageable,
                     const Topology & topology, Spaces & spaces);

// Returns the program of a host that frees these buffers.
plan::Program lower_freeing(const std::vector<ggml_backend_buffer_t> & buffers, Spaces & spaces);

} // namespace ggml_sched
