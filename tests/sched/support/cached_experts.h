// CachedExperts - a graph of several layers of experts behind an expert cache that a copy callback keeps, as llama.cpp
// has one: each layer has a table in host memory that says in which slot of a bank on the device an expert lies. The
// graph looks slots up by the ids that the router chose; the callback uploads experts that are missing, and rewrites
// the tables, also those of other layers.

#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "support/rig.h"

namespace ggml_sched::test {

struct CacheOptions {
    int n_layers = 3;
    int n_slots = 5;              // of the bank that all layers share
    bool pinned = false;          // weights and tables lie in the device's pinned memory
    int64_t table_padding = 0;    // numbers behind each table: a large one is not copied aside
    bool declines_tables = false; // the callback only rewrites the table, and leaves the copy to the scheduler
};

class CachedExperts {
  public:
    static constexpr int64_t kWidth = 16;
    static constexpr int64_t kExperts = 8;
    static constexpr int64_t kUsed = 2;
    static constexpr int64_t kTokens = 2;

    CachedExperts(Rig & rig, const CacheOptions & options = {});

    // Builds the graph anew and allocates it. Its tensors are described where earlier ones were.
    void build();
    // Chooses experts and values by a seed, and runs the graph. Reads nothing and waits for nothing.
    void run(uint64_t seed);
    std::vector<float> result() const { return read_floats(result_); }
    // The result that the CPU computes for the same seed, with the experts themselves
    std::vector<float> expected(uint64_t seed) const;

    int n_asked() const { return n_asked_; }
    int n_uploaded() const { return n_uploaded_; }
    int n_other_weights() const { return n_other_; } // how often it was asked for anything but a table

  private:
    struct Layer {
        ggml_tensor * experts;
        ggml_tensor * table; // I32 [1, kExperts + padding]: a slot, or -1
        ggml_tensor * norm;  // read by MUL
    };
    struct Key {
        int layer = -1;
        int expert = -1;
    };

    static bool on_copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph,
                        void * self);
    bool copy(ggml_backend_t backend, const ggml_tensor * src, ggml_tensor * dst, ggml_cgraph * graph);
    void bring(ggml_backend_t backend, int layer, const std::vector<int32_t> & ids);
    int32_t * table_of(int layer) const { return static_cast<int32_t *>(layers_[layer].table->data); }
    ggml_tensor * add_layer(ggml_context * ctx, int layer, ggml_tensor * x, ggml_tensor * scores, bool cached,
                            std::vector<ggml_tensor *> & on_device) const;

    Rig & rig_;
    const CacheOptions options_;
    ContextPtr host_context_ = make_context();
    ContextPtr bank_context_ = make_context();
    std::vector<BufferPtr> buffers_;
    std::vector<Layer> layers_;
    ggml_tensor * bank_ = nullptr;
    std::vector<Key> key_of_; // by slot
    std::deque<int> by_age_;  // slots, the one that was used least recently first
    ContextPtr context_;
    ggml_tensor * x_ = nullptr;
    std::vector<ggml_tensor *> scores_; // by layer
    ggml_tensor * result_ = nullptr;
    ggml_cgraph * graph_ = nullptr;
    int n_asked_ = 0;
    int n_uploaded_ = 0;
    int n_other_ = 0;
};

} // namespace ggml_sched::test
