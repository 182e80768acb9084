// Stream text - text about a stream plan. These are pure functions, and so any thread may call them.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/query.h"
#include "observe/text.h"
#include "stream/plan.h"

namespace ggml_sched {

// Returns, for each ring, a line, a line for each copy in the order of issue, and a line of the urgent splits. Returns
// "" if nothing is streamed.
std::string text_of(const StreamPlan & plan, const observe::Names & names, const std::vector<host::Backend> & backends);

// Returns the sentence for a ggml_sched_stream_decision; "" for another number. The text is static.
const char * text_of(uint64_t decision);

} // namespace ggml_sched
