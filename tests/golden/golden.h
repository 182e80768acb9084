// Golden files - texts that are kept in the repository and compared exactly, so that a review sees them change.

#pragma once

#include <string>

namespace ggml_sched::test {

// "" if the file `name`.txt holds exactly this text, else what differs. With GGML_SCHED_UPDATE_GOLDEN=1 in the
// environment the file is written instead.
std::string compare_with_golden(const std::string & name, const std::string & text);

// Both texts line by line, "-" for what is only in `expected`, "+" for what is only in `actual`. "" if they are equal.
std::string difference_of(const std::string & expected, const std::string & actual);

} // namespace ggml_sched::test
