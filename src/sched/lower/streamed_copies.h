// StreamedCopies - the copies of weights and caches that a StreamPlan issues ahead of the launches that read them.
//
// A streamed cache may be written after its copy has been issued. What was written is then sent once more: only the
// rows that ids name, if there are ids. The caller has written these ids, and they get a snapshot at the beginning.
//
// It refers to the graph's tensors. One lowering owns it. One thread at a time.

#pragma once

#include <vector>

#include "lower/bank_copies.h"
#include "lower/host_ids.h"
#include "lower/input_copies.h"
#include "lower/program_builder.h"

namespace ggml_sched {

class StreamedCopies {
  public:
    // The references must outlive it.
    StreamedCopies(const CutGraph & graph, const StreamPlan & streams, const InputCopies & inputs,
                   const std::vector<host::Backend> & backends, const Topology & topology, HostIds & host_ids,
                   BankCopies & banks, ProgramBuilder & out);

    // Takes snapshots of the ids of caches. Their memory may be reused when the node that reads them is done.
    void keep_ids_of_rows();
    // Adds the copies that may be issued once this split has been launched, to the tasks of split `section`.
    void issue_after(int32_t split, int32_t section);
    // Adds copies of what nodes have written into a cache since its own copy was issued, to `tasks` of the split.
    void send_what_was_written(int32_t split, uint32_t copy, std::vector<plan::Task> & tasks);

    // Returns the binding by which an offered weight was streamed; kNoBinding if it was not.
    uint32_t sent_ahead(uint32_t copy) const { return sent_ahead_[copy]; }

  private:
    // Adds the copy of a slot.
    void stream(int32_t section, const StreamSlot & slot);
    // Adds the copy of experts that the device has in a bank, if it has not been added before.
    void take_out_of_bank(int32_t section, const StreamSlot & slot);
    void send_written(int32_t split, uint32_t index, const CacheWrite & write, std::vector<plan::Task> & tasks);
    // Notes the bytes of caches that may wait in chunks behind weights. Other copies need few chunks.
    void note_waiting(const StreamSlot & slot, const CopyBinding & copy);
    // True if the copy goes in chunks because the device cannot read the source by itself.
    bool must_stage(uint32_t copy);

    const GraphView & graph_;
    const Splits & splits_;
    const StreamPlan & streams_;
    const InputCopies & inputs_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    HostIds & host_ids_;
    BankCopies & banks_;
    ProgramBuilder & out_;
    const WritesByCache writes_;
    std::vector<size_t> next_free_;  // by backend: the next slot of its ring that has no room yet
    std::vector<size_t> next_issue_; // by backend: the next entry of its ring's order
    size_t waiting_ = 0;             // bytes of the caches of split waiting_for_
    int32_t waiting_for_ = kBeforeTheRun;
    std::vector<int32_t> streamed_after_;            // by copy: the split behind which it was issued
    std::vector<const ExpertResidency *> residency_; // by copy: what its bank has; NULL if it has none
    std::vector<uint32_t> sent_ahead_;               // by copy: the binding by which an offered weight was streamed
};

} // namespace ggml_sched
