// graph_cache.h - launches that have been captured, to be repeated at the cost of one call.
//
// A launch is known by everything that its kernels were given: of each node and operand the operation, its parameters,
// shape, strides, type and address. What differs in any of them, an address that rotates too, is another launch. The
// second time that a launch occurs it is captured; from the third on it is one call. Waits and copies between queues
// are never part of it: they are enqueued outside.
// Threading: one thread at a time.

#pragma once

#include "ggml-impl.h"
#include "vendor.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ggml_sched::gpu {
inline namespace GGML_SCHED_GPU_VENDOR {

class GraphCache {
  public:
    struct Entry {
        uint64_t hash = 0;
        std::vector<uint64_t> key;
        GraphExec exec = nullptr;
        bool cannot_capture = false;
        uint64_t last_use = 0;
    };

    GraphCache();
    ~GraphCache() { clear(); }
    GraphCache(const GraphCache &) = delete;
    GraphCache & operator=(const GraphCache &) = delete;

    bool enabled() const { return enabled_; }

    // The entry of a launch of these nodes, and whether it is new. The least recently used one gives way.
    // May throw std::bad_alloc.
    Entry & find(const std::vector<ggml_tensor *> & nodes, bool & is_new);
    // Forgets everything that was captured.
    void clear();

  private:
    void make_key(const std::vector<ggml_tensor *> & nodes);

    bool enabled_;
    uint64_t clock_ = 0;
    std::vector<uint64_t> key_; // of the launch that is looked for
    std::vector<Entry> entries_;
};

} // namespace GGML_SCHED_GPU_VENDOR
} // namespace ggml_sched::gpu
