// A trace in Chrome's JSON, one event per line. docs/tracing.md describes it.

#pragma once

#include <cstdio>

#include "observe/trace.h"

namespace ggml_sched::observe {

// False if the file did not take everything. Throws std::bad_alloc.
bool write_json(const Trace & trace, std::FILE * file);

} // namespace ggml_sched::observe
