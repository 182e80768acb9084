// BankCopies - what a program copies to the banks of experts, and out of them.
//
// A graph whose pairs are parted fills banks. Experts that have been promoted are copied while the device computes the
// half of the blocks that does not read their bank: at the begin of the program, or in the middle. They go on the lane
// that streams weights, in the reverse order of the graph, so that the first launch which waits for one waits for all.
// Missing experts that are needed at once are copied before the launch that reads them. Which experts that are is known
// when the host has parted the pairs. So each task counts as a write of the whole bank, and reads what the node which
// parts the pairs has written.
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
#include "lower/host_ids.h"
#include "lower/program_builder.h"

namespace ggml_sched {

class BankCopies {
  public:
    BankCopies(const BanksInUse & banks, const GraphView & graph, const Splits & splits,
               const std::vector<host::Backend> & backends, const Topology & topology, HostIds & ids,
               ProgramBuilder & out);

    // Adds the copies at the begin of the run.
    void begin() { promote(false, kNoBinding); }
    // Adds the copies before a split.
    void lower_split(int32_t split);
    // Returns the task that copies experts of a weight out of the bank of its device; nothing if there is none. The
    // copy then sends the others.
    std::optional<plan::Task> take_out(int32_t split, CopyBinding & copy);

  private:
    // Reader - a split that may read what a node has written that parts pairs
    struct Reader {
        int32_t split;
        WrittenIds pairs;
    };

    void find_readers(const GraphView & graph, const Splits & splits);
    void promote(bool at_middle, uint32_t ids);
    void fill(const BanksInUse::Filled & filled, CopyForm form, int32_t split, uint32_t ids);

    const BanksInUse & banks_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    HostIds & ids_;
    ProgramBuilder & out_;
    std::vector<Reader> readers_; // by BanksInUse::parted
};

} // namespace ggml_sched
