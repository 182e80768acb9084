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
#include <string>
#include <unordered_map>
#include <unordered_set>
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

    // True if the graph reads experts of which add() has not decided yet.
    bool are_new(const ggml_cgraph * graph) const;
    // Makes blocks of the graph resident while the budget lasts. What has been decided stays until set(). Returns a
    // line for each block that says where it lies, and what keeps it in host memory.
    std::string add(const ggml_cgraph * graph);
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
        const void * data = nullptr;          // the original
        ggml_backend_buffer_t host = nullptr; // its buffer
        size_t bytes = 0;                     // of the copy, alignment included
        std::unique_ptr<ggml_tensor> tensor;
        std::unique_ptr<ggml_backend_buffer, Free> buffer;
    };
    // Block - the copies of one block. What another block has copied before is not among them.
    using Block = std::vector<Copy>;
    // Obstacle - what keeps a block in host memory: a text, and the tensor that it is about, or NULL
    struct Obstacle {
        const char * text = nullptr; // NULL: nothing
        const ggml_tensor * tensor = nullptr;
    };

    ggml_tensor * find(const ggml_tensor * tensor) const;
    std::vector<const ggml_tensor *> missing(const ExpertBlock & block) const;
    Obstacle place(const ExpertBlock & block, BackendId & backend);
    Obstacle obstacle_on(BackendId backend, const ExpertBlock & block) const;
    size_t left_on(BackendId backend);
    Obstacle load(const std::vector<const ggml_tensor *> & tensors, BackendId backend);
    static bool fill(Copy & copy, const ggml_tensor * tensor, ggml_backend_buffer_type_t buft);
    void keep(Block block);
    void free_last();

    const std::vector<host::Backend> & backends_;
    size_t budget_;
    std::vector<size_t> left_;  // by backend: bytes that may still be used; kAuto: not known yet
    std::vector<Block> blocks_; // in the order in which they became resident
    std::unordered_map<const void *, ggml_tensor *> by_address_; // copies by the address of the original
    std::vector<ggml_backend_buffer_t> hosts_;                   // the different buffers of the originals
    std::unordered_set<const void *> decided_;                   // addresses of tensors that stay in host memory
    OperandExchange exchange_;
    size_t n_checked_ = 0;
    bool is_full_ = false; // true if memory was given back
};

} // namespace ggml_sched
