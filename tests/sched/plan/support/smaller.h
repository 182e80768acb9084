// Scenarios a step smaller than a given one, for RapidCheck to shrink with.

#pragma once

#include "support/scenario.h"

namespace plan_test {

rc::Seq<Scenario> smaller(const Scenario & scenario);

} // namespace plan_test
