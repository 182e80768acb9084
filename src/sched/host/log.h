// Log - the scheduler's lines in ggml's log. Any thread may call the functions.

#pragma once

#include <string>

namespace ggml_sched::host {

// Writes one line. The first form allocates no memory.
void log_error(const char * text);
void log_error(const std::string & text);
// Writes one line.
void log_warning(const std::string & text);
void log_info(const std::string & text);
// Writes the text as it is. It may have several lines.
void log_debug(const std::string & text);

} // namespace ggml_sched::host
