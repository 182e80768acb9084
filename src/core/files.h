// files - files of the C library whose names are UTF-8 on every system, and whose positions have 64 bits.
//
// Any thread may call these functions.

#pragma once

#include <cstdint>
#include <cstdio>

namespace ggml_sched::core {

// Does what std::fopen does. The caller closes the file.
std::FILE * open_file(const char * name, const char * mode);
// Moves the position of the file. Returns false if it has none.
bool seek_file(std::FILE * file, uint64_t offset);
bool seek_end(std::FILE * file);
// Returns the position of the file; -1 if it has none.
int64_t position_of(std::FILE * file);

} // namespace ggml_sched::core
