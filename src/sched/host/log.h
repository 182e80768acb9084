// The scheduler's lines in ggml's log.

#pragma once

#include <string>

namespace ggml_sched::host {

void log_error(const char * text); // takes no memory
void log_error(const std::string & text);
void log_warning(const std::string & text);
void log_debug(const std::string & text); // may be several lines

} // namespace ggml_sched::host
