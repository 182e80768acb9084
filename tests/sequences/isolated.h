// Runs a sequence in a process of its own, so that one that crashes can be made smaller, too.

#pragma once

#include <string>

#include "runner.h"

namespace sequences {

// As run_sequence. A crash is something that is wrong, too; on Windows it ends the program.
std::string run_isolated(const Sequence & sequence, const Checks & checks);

} // namespace sequences
