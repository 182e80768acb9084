// Imports - the functions of ggml's scheduler that code in this process calls.
//
// This library puts itself in front of the functions that it knows. An engine that calls another one would pass it our
// handle. So our scheduler is not used in a process that does. Any thread may call this.

#pragma once

#include <string>

namespace ggml_sched::attach {

// Returns "" if every function of ggml's scheduler that a loaded object imports is known to us. Otherwise returns a
// sentence that names the object and the function.
std::string unknown_import();

} // namespace ggml_sched::attach
