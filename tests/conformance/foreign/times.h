// Times - how long the calls of a backend take, for its author.

#pragma once

#include <string>

namespace conformance {

// Prints the times of the device. Returns the exit code: 2 if the device lacks what is measured.
int print_times(const std::string & device);

} // namespace conformance
