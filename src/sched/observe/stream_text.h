// Text about a stream plan.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/query.h"
#include "observe/text.h"
#include "stream/plan.h"

namespace ggml_sched {

// Returns a line for each ring, each copy in the order of issue, and the urgent splits; "" if nothing is streamed.
std::string text_of(const StreamPlan & plan, const observe::Names & names, const std::vector<host::Backend> & backends);

// Returns a ggml_sched_stream_decision as a sentence, which stays; "" if it is none.
const char * text_of(uint64_t decision);

} // namespace ggml_sched
