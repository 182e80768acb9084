// BankCopies - what a program copies to the banks of experts, and out of them.
//
// A graph whose pairs are parted fills banks: at the beginning of its program, experts that have been given an entry
// are copied there. Which ones is known when the run begins, so each task counts as a write of the whole bank. Where a
// node of the CPU enqueues uploads while the graph runs, they go on the lane of the launch that reads the bank behind
// them. That launch counts as their writer.
//
// Blocks whose pairs are not parted may send weights that have a bank on the same device. A task of its own then copies
// the experts that have an entry out of the bank, on the lane that sends the others behind it. It needs no ids, so a
// streamed weight gets it as soon as there is room. A program does not copy out of a bank that it fills.
//
// It refers to banks, which must stay. One thread at a time.

#pragma once

#include <optional>
#include <vector>

#include "experts/expert_bank.h"
#include "lower/program_builder.h"

namespace ggml_sched {

class BankCopies {
  public:
    BankCopies(const BanksInUse & banks, const std::vector<host::Backend> & backends, const Topology & topology,
               ProgramBuilder & out)
        : banks_(banks)
        , backends_(backends)
        , topology_(topology)
        , out_(out) {}

    // Adds the copies of experts that have been given an entry.
    void fill();
    // Returns the task that copies experts of a weight out of the bank of its device; nothing if there is none. The
    // copy then sends the others.
    std::optional<plan::Task> take_out(int32_t split, CopyBinding & copy);
    // Lets the accesses from `first` on be writes where the launch counts as the writer of a bank.
    void note_uploads(size_t first);

  private:
    const BanksInUse & banks_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    ProgramBuilder & out_;
    std::vector<plan::Space> filled_; // the spaces of the banks that are filled
};

} // namespace ggml_sched
