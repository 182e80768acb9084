// timeline.h - a trace as one web page that needs nothing else.

#pragma once

#include "result.h"

#include <string>

namespace sched_run {

// Puts the trace of ggml_sched_trace_start into the page. Of a very long one only the beginning: the page says so.
engine::Status write_timeline(const std::string & page_path, const std::string & trace_path, const std::string & title,
                              const std::string & about);

} // namespace sched_run
