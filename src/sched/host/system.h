// system - what Windows does in another way than the C library of other systems: text in names of files and in the
// environment. Here it is UTF-8 everywhere. Any thread may call these functions.

#pragma once

#include <cstdio>
#include <string>

namespace ggml_sched::host {

// Makes a file, or empties the one of that name. Returns NULL if that fails; errno says why. The caller closes it.
std::FILE * open_for_writing(const std::string & name);
// True if the environment has the variable, also if its value is empty.
bool has_variable(const char * name);
// Returns the value of a variable of the environment; "" if it is not set.
std::string value_of_variable(const char * name);

} // namespace ggml_sched::host
