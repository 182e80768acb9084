// Rules - the kinds of hazards that are covered. Each Rule names the bug that happens without it. All rules are on by
// default. A regression test switches one off to show that it notices.

#pragma once

#include <cstdint>

#include "plan/plan.h"

namespace ggml_sched::plan {

// Rule - one kind of hazard.
enum class Rule : uint8_t {
    CopyLandsBeforeUse,    // H1: a launch reads an input copy before it landed
    SlotFreeBeforeCopy,    // H2: a copy overwrites a slot that its destination still reads
    SourceKeptUntilCopied, // H3: the producer overwrites a copy's source before the copy has read it
    CopiesInOrder,         // H4: two copies write the same bytes in the wrong order
    SharedMemory,          // H5: launches of different lanes use shared memory at the same time
    EarlierRuns,           // H6: any of H1 to H5, between two runs
    CallerInputs,          // H7: the caller overwrites an input that is still read when the call returns
    BufferGrowth,          // H8: a buffer is freed while something in flight uses it
    ObservedSlices,        // H9: an eval callback looks at results before they are there
    WritesInPlace,         // H10: a node writes into a copy of an operand, and the write is lost
};

// Rules - the set of rules that are on.
class Rules {
  public:
    bool all_on() const { return off_ == 0; }
    bool is_on(Rule rule) const { return !(off_ & bit(rule)); }
    void switch_off(Rule rule) { off_ = static_cast<uint16_t>(off_ | bit(rule)); }

  private:
    static uint16_t bit(Rule rule) { return static_cast<uint16_t>(1u << static_cast<unsigned>(rule)); }

    uint16_t off_ = 0;
};

// Returns the rule (H1 to H7, or H9) that covers the hazard of a reason.
Rule rule_of(const Program & program, const Reason & reason);

} // namespace ggml_sched::plan
