// ResidentExperts - expert tensors of host memory of which a copy stays in the memory of a device.
//
// While a call of the scheduler works with a graph, its nodes read these copies in place of the tensors in host memory.
// So all stages see weights that lie on the device, as if the engine had put them there: nothing is sent, and nobody
// waits for ids. The caller promises that the weights do not change (see ggml_sched_set_experts).
//
// Blocks become resident in the order of the graph, each on the device of its layer, for as long as the budget of that
// device lasts. A block stays until the memory is needed for something else. ResidentExperts owns the copies and their
// memory. One thread at a time uses it.

#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "experts/expert_blocks.h"
#include "graph/backend_id.h"
#include "graph/operand_exchange.h"
#include "host/query.h"

namespace ggml_sched {

class ResidentExperts {
  public:
    static constexpr size_t kAuto = SIZE_MAX; // as a budget: what is free, less a margin

    // `budget` is in bytes for each device; 0: no experts are resident. `backends` must stay.
    ResidentExperts(const std::vector<host::Backend> & backends, size_t budget);
    ResidentExperts(const ResidentExperts &) = delete;
    ResidentExperts & operator=(const ResidentExperts &) = delete;

    // Changes the budget, and frees all copies. Nothing may use them, and no operands are exchanged.
    void set(size_t budget);
    bool is_on() const { return budget_ > 0; }
    bool is_automatic() const { return budget_ == kAuto; }

    // Makes blocks of the graph resident while the budget lasts. Blocks that are resident stay as they are.
    void add(const ggml_cgraph * graph);
    // Makes the nodes of the graph read the resident tensors. Ends the exchange of the last graph, which must exist if
    // its operands are exchanged.
    void take(const ggml_cgraph * graph);
    // Exchanges the operands of the last graph again, or gives them back. The graph must exist.
    void replace_operands() { exchange_.exchange(); }
    void restore() { exchange_.restore(); }

    // Frees the block that became resident last, and makes no other resident until set() is called. Nothing may use its
    // memory. The next call is take().
    void give_back();
    bool has_blocks() const { return !blocks_.empty(); }

    // Returns the bytes of device memory that the copies need.
    size_t bytes() const;
    // Returns a copy that the last graph reads and whose original has other bytes; NULL if there is none. Each call
    // looks at another copy. It is slow.
    const ggml_tensor * find_changed();

  private:
    struct Free {
        void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
    };
    // Copy - the copy of one tensor, in a buffer of its own: types of buffers limit the size
    struct Copy {
        const void * data;          // the original
        ggml_backend_buffer_t host; // its buffer
        size_t bytes;               // of the copy, alignment included
        std::unique_ptr<ggml_tensor> tensor;
        std::unique_ptr<ggml_backend_buffer, Free> buffer;
    };
    // Block - the copies of one block. What another block has copied before is not among them.
    using Block = std::vector<Copy>;

    ggml_tensor * find(const ggml_tensor * tensor) const;
    std::vector<const ggml_tensor *> missing(const ExpertBlock & block) const;
    BackendId device_of(const ExpertBlock & block) const;
    bool can_compute(BackendId backend, const ExpertBlock & block) const;
    size_t left_on(BackendId backend);
    bool load(const std::vector<const ggml_tensor *> & tensors, BackendId backend);
    static bool fill(Copy & copy);
    void keep(Block block);
    void free_last();

    const std::vector<host::Backend> & backends_;
    size_t budget_;
    std::vector<size_t> left_;  // by backend: bytes that may still be used; kAuto: not known yet
    std::vector<Block> blocks_; // in the order in which they became resident
    std::unordered_map<const void *, ggml_tensor *> by_address_; // copies by the address of the original
    std::vector<ggml_backend_buffer_t> hosts_;                   // the different buffers of the originals
    OperandExchange exchange_;
    size_t n_checked_ = 0;
    bool is_full_ = false; // true if memory was given back
};

} // namespace ggml_sched
