// BankCopies - what a program copies to the banks of experts, and out of them.
//
// A graph whose pairs are parted fills banks, by two kinds of copies. Experts that have been promoted are copied while
// the device computes the half of the blocks that does not read their bank. These copies go on the lane that streams
// weights, behind a launch that keeps the device busy. They are in the reverse order of the graph: the first launch
// that waits for one waits for all. Missing experts that are needed at once are copied before the launch that reads
// them, on its lane. Which ones these are is known when the host has parted the pairs, so such a copy reads what the
// node has written that parts them. Each copy counts as a write of the whole bank.
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

    // Add the copies at the begin of the program, before the launch of a split, and behind it.
    void begin() { promote(kBeforeTheRun); }
    void before_launch(int32_t split);
    void behind_launch(int32_t split) { promote(split); }
    // Returns the task that copies experts of a weight out of the bank of its device; nothing if there is none. The
    // copy then sends the others.
    std::optional<plan::Task> take_out(int32_t split, CopyBinding & copy);

  private:
    // Reader - a split that may read what a node has written that parts pairs
    struct Reader {
        int32_t split;
        WrittenIds pairs;
    };
    // Place - a bank that gets promoted experts, and the split behind whose launch they are copied
    struct Place {
        BanksInUse::Filled filled;
        int32_t behind;
    };

    void find_readers(const GraphView & graph, const Splits & splits);
    void find_places(const Splits & splits);
    void promote(int32_t split);
    void fill(const BanksInUse::Filled & filled, CopyForm form, int32_t split, uint32_t ids);

    const BanksInUse & banks_;
    const std::vector<host::Backend> & backends_;
    const Topology & topology_;
    HostIds & ids_;
    ProgramBuilder & out_;
    std::vector<Reader> readers_; // by BanksInUse::parted
    std::vector<Place> places_;   // in the reverse order of the graph
};

} // namespace ggml_sched
