// Declarations that the stub schedulers and the program share.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "ggml.h"

struct ggml_cgraph {
    std::vector<ggml_tensor *> nodes;
};

namespace stub {

extern size_t buffer_size;  // The bytes of our scheduler's buffer of the first backend; the second has twice as many.
extern std::string failing; // The call that fails, such as "stock new".

void say(const std::string & line); // Prints a line.
bool fails(const std::string & call);

} // namespace stub
