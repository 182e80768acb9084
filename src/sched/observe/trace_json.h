// Trace JSON - writes a trace in Chrome's JSON, one event per line. docs/tracing.md describes it.

#pragma once

#include <cstdio>

#include "observe/trace.h"

namespace ggml_sched::observe {

// Writes a trace to an open file, which stays open. Returns false if not all could be written. Throws std::bad_alloc.
bool write_json(const Trace & trace, std::FILE * file);

} // namespace ggml_sched::observe
