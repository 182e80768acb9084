// gguf_exercise.h - reads a file out of memory and uses everything in it, for files that may be wrong.

#pragma once

#include <cstddef>

namespace gguf_test {

// True if the file was accepted. Ends the process if what was accepted contradicts itself.
bool exercise(const void * data, size_t size, bool no_alloc);

} // namespace gguf_test
