// Offers - which copies of weights are offered to the copy callback, and which bytes the callback may write.
//
// During the call the callback may write the host memory of every weight that it is offered, also of weights that
// other graphs offer. The copies that it enqueues may write every buffer of weights in the device's memory.
//
// One lowering owns it. One thread at a time.

#pragma once

#include <functional>
#include <vector>

#include "alloc/memory_plan.h"
#include "lower/buffer_table.h"
#include "lower/lower.h"

namespace ggml_sched {

// Offers - the offered copies of one graph.
class Offers {
  public:
    // `is_whole(copy)` is true if the copy would be made whole. The arguments are not used after the call.
    Offers(const CutGraph & graph, const std::vector<host::Backend> & backends, BufferTable & buffers, Offered offered,
           const std::function<bool(uint32_t copy)> & is_whole);

    // True if the copy is offered.
    bool includes(uint32_t copy) const { return !is_offered_.empty() && is_offered_[copy]; }

    // Appends what the callback may write if the next task of the program offers a copy on `backend`.
    void append_writes(BackendId backend, plan::Program & program);

  private:
    // Notes what the new tasks of the program may still read when an offer behind them is made.
    void note_late_reads(const plan::Program & program);
    // Notes one such read, as far as it lies in memory that the callback may write.
    void note_late_read(const plan::Access & read);
    // Finds the host memory that the callback may write.
    void find_tables(const CutGraph & graph, BufferTable & buffers);
    // Finds the buffers of weights in each device's memory.
    void find_banks(const CutGraph & graph, BufferTable & buffers);

    std::vector<bool> is_offered_;                 // by copy; empty if nothing is
    std::vector<plan::Access> tables_;             // host memory that the callback may write; sorted, not overlapping
    std::vector<plan::Access> late_tables_;        // the parts of tables_ that tasks of this run may still read
    std::vector<std::vector<plan::Access>> banks_; // by backend: its buffers of weights, in device memory
    bool is_first_ = true;                         // no offer of this run has been made yet
    size_t n_noted_ = 0;                           // tasks of the program whose reads have been noted
};

} // namespace ggml_sched
