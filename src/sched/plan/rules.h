// Rules - the hazards that are covered, each with the bug as which it shipped somewhere. All are on. A regression test
// switches one off to show that it would notice.

#pragma once

#include <cstdint>

#include "plan/plan.h"

namespace ggml_sched::plan {

enum class Rule : uint8_t {
    CopyLandsBeforeUse,    // H1: a launch reads an input copy before it landed
    SlotFreeBeforeCopy,    // H2: a copy overwrites a slot that its destination still reads
    SourceKeptUntilCopied, // H3: the producer overwrites a copy's source before the copy has read it
    CopiesInOrder,         // H4: two copies into the same bytes
    SharedMemory,          // H5: launches of different lanes that share memory
    EarlierRuns,           // H6: all of these from one run to the next
    CallerInputs,          // H7: the caller overwrites an input as soon as the call has returned
    BufferGrowth,          // H8: a buffer is freed while something in flight uses it
    ObservedSlices,        // H9: an eval callback looks at results before they are there
    WritesInPlace,         // H10: a node that writes into an operand runs where the operand lives
};

class Rules {
  public:
    bool all_on() const { return off_ == 0; }
    bool is_on(Rule rule) const { return !(off_ & bit(rule)); }
    void switch_off(Rule rule) { off_ = static_cast<uint16_t>(off_ | bit(rule)); }

  private:
    static uint16_t bit(Rule rule) { return static_cast<uint16_t>(1u << static_cast<unsigned>(rule)); }

    uint16_t off_ = 0;
};

// Which of H1 to H7, or H9, a hazard between two tasks is.
Rule rule_of(const Program & program, const Reason & reason);

} // namespace ggml_sched::plan
