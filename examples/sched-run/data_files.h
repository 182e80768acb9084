// data_files.h - where our own model and text are.

#pragma once

#include "result.h"

#include <string>

namespace sched_run {

// The path of a file of the project's folder models; --help says where it is looked for.
engine::Result<std::string> find_data_file(const std::string & name);

engine::Result<std::string> read_text_file(const std::string & path);

} // namespace sched_run
