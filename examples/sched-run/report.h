// report.h - prints a report, for people or as JSON.

#pragma once

#include "job.h"
#include "options.h"

#include <string>

namespace sched_run {

std::string as_json(const Options & options, const Report & report); // one object, one line
std::string as_table(const Options & options, const Report & report);

} // namespace sched_run
