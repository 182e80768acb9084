// KeyField - the parts of the keys of kept results. A test lets the scheduler ignore one of them, and expects the proof
// of reuse to find the wrong result. These are values.

#pragma once

#include <cstdint>

namespace ggml_sched {

enum class KeyField : uint8_t {
    // The key of splits
    Structure,
    UserAssignments,
    StreamLimits,
    SplitOffers,
    Answers,
    StreamedSizes,
    // The key of stream plans
    StreamedInputs,
    Rings,
    WholeExperts,
    // The key of places
    Splits,
    Order,
    Sizes,
    // The key of programs
    CurCopy,
    Layout,
    GivenPlaces,
    FoundPlaces,
    StreamPlans,
    Refusals,
    Mode,
    Observed,
    Offered,
    // The key of plans
    History,

    Count,
};

// IgnoredFields - the fields that keys ignore. Only tests ignore fields.
class IgnoredFields {
  public:
    void ignore(KeyField field) { bits_ |= bit(field); }
    bool has(KeyField field) const { return (bits_ & bit(field)) != 0; }

  private:
    static uint32_t bit(KeyField field) { return uint32_t{1} << static_cast<uint32_t>(field); }

    uint32_t bits_ = 0;
};

} // namespace ggml_sched
