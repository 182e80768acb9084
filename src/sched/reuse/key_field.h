// KeyField - the parts of what kept results depend on. A test can let the scheduler ignore one of them, and then wants
// to see that the proof of reuse finds it out.

#pragma once

#include <cstdint>

namespace ggml_sched {

enum class KeyField : uint8_t {
    // of splits
    Structure,
    UserAssignments,
    StreamLimits,
    SplitOffers,
    Answers,
    StreamedSizes,
    // of stream plans
    StreamedInputs,
    Rings,
    WholeExperts,
    // of places
    Splits,
    Sizes,
    // of programs
    CurCopy,
    Layout,
    GivenPlaces,
    FoundPlaces,
    StreamPlans,
    Refusals,
    Mode,
    Observed,
    Offered,
    // of plans
    History,

    Count,
};

class IgnoredFields {
  public:
    void ignore(KeyField field) { bits_ |= bit(field); }
    bool has(KeyField field) const { return (bits_ & bit(field)) != 0; }

  private:
    static uint32_t bit(KeyField field) { return uint32_t{1} << static_cast<uint32_t>(field); }

    uint32_t bits_ = 0;
};

} // namespace ggml_sched
