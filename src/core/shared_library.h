// shared_library - libraries that are loaded while the program runs, as those of a GPU's vendor are.
//
// Only a library with a GPU backend has these functions.
// Any thread may call these functions.

#pragma once

#include <string>

namespace ggml_sched::core {

// Returns the name of the file of a shared library, such as "libcublas.so.12" or "cublas64_12.dll" for "cublas", 12.
// Version 0 is no part of the name.
std::string library_file(const std::string & name, int version);
// Loads a shared library, which stays loaded. Returns NULL if it is not found or cannot be loaded.
void * open_library(const std::string & file);
// Returns a function of such a library; NULL if it has none of this name.
void * find_in_library(void * library, const char * name);

} // namespace ggml_sched::core
