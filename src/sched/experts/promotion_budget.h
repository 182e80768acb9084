// PromotionBudget - which uploads of experts that replace others are worth their time.
//
// An upload pays if the device computes the expert often enough later. Nobody knows how often. Two rules bound what is
// lost. An expert must have been chosen so much more often than the one it replaces that the CPU would save the time
// of the upload soon. And all uploads together take a part of the time that entries have saved so far, and a small part
// of the time of runs. So few experts replace others where the link is slow, the CPU is fast, or choices change.
//
// It knows numbers alone. One thread at a time.

#pragma once

#include "experts/expert_residency.h"

namespace ggml_sched {

class PromotionBudget {
  public:
    // Notes how long a run took, and how much longer the CPU would have worked if no expert had an entry.
    void note_run(double us, double saved_us);
    // Returns the limits for experts whose upload takes `upload_us` and which take the CPU `cpu_us`. There are none
    // until the CPU is measured, that is with 0. The last upload may take more than what is left: later runs pay for
    // it.
    PromotionLimits limits_of(double upload_us, double cpu_us) const;
    // Notes the time of uploads that begin.
    void take(double us) { left_us_ -= us; }

  private:
    double left_us_ = 0.0;
};

} // namespace ggml_sched
