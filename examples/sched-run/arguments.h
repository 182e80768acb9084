// arguments.h - the words of the command line as UTF-8, on every system.

#pragma once

#include <string>
#include <vector>

namespace sched_run {

// Returns the words that main() was called with. On Windows main() gets them in another encoding, so the system is
// asked; and its console is told that the program writes UTF-8.
std::vector<std::string> utf8_arguments(int argc, const char * const * argv);

} // namespace sched_run
