#include "observe/stream_text.h"

namespace ggml_sched {

namespace {

std::string when(int32_t after) {
    return after == kBeforeTheRun ? "before the run" : "after split " + std::to_string(after);
}

// Returns the line of one copy.
std::string line_of(const StreamSlot & slot, const observe::Names & names) {
    return "  " + when(slot.issued_after) + ": copy " + observe::without_backend(names.inputs[slot.copy]) + " to [" +
           std::to_string(slot.offset) + ", " + std::to_string(slot.offset + slot.size) + ") for split " +
           std::to_string(slot.split) + "\n";
}

std::string urgent_line(const std::vector<int32_t> & urgent) {
    std::string text;
    for (const int32_t split : urgent) {
        text += (text.empty() ? "  urgent splits: " : ", ") + std::to_string(split);
    }
    return text.empty() ? "" : text + "\n";
}

} // namespace

std::string text_of(const StreamPlan & plan, const observe::Names & names,
                    const std::vector<host::Backend> & backends) {
    std::string text;
    for (size_t b = 0; b < plan.rings.size(); b++) {
        const StreamPlan::Ring & ring = plan.rings[b];
        if (ring.slots.empty()) {
            continue;
        }
        text += "streaming to " + backends[b].name + " through a ring of " + std::to_string(ring.bytes) + " bytes\n";
        for (const uint32_t slot : ring.order) {
            text += line_of(ring.slots[slot], names);
        }
        text += urgent_line(ring.urgent);
    }
    return text;
}

const char * text_of(uint64_t decision) {
    switch (decision) {
    case GGML_SCHED_STREAM_DECISION_NONE: return "no graph has been allocated or reserved since streaming was set";
    case GGML_SCHED_STREAM_DECISION_NOT_NEEDED:
        return "nothing is streamed: no device needs weights from host memory; small batches are computed where the "
               "weights are";
    case GGML_SCHED_STREAM_DECISION_OFF:
        return "nothing is streamed: streaming is off, or the synchronization mode is not auto";
    case GGML_SCHED_STREAM_DECISION_NO_QUEUE:
        return "nothing is streamed: the device has no asynchronous copies, no events or no free queue";
    case GGML_SCHED_STREAM_DECISION_NO_MEMORY:
        return "nothing is streamed: the device has too little free memory or makes no second queue, or the budget is "
               "too "
               "small for any weight";
    case GGML_SCHED_STREAM_DECISION_WRITTEN_WEIGHTS:
        return "nothing is streamed: a copy callback may write the weights";
    case GGML_SCHED_STREAM_DECISION_LARGE_WEIGHTS:
        return "nothing is streamed: no weight that may be streamed fits half of the memory for streaming; give "
               "it more";
    case GGML_SCHED_STREAM_DECISION_SMALL_WEIGHTS: // see Tuning::kLeastMean
        return "nothing is streamed: the weights that fit half of the memory for streaming have less than 256 KiB on "
               "average, and auto leaves such weights alone; give a number of MiB to stream them";
    case GGML_SCHED_STREAM_DECISION_STREAMED: return "weights are copied ahead of their use";
    default: return "";
    }
}

} // namespace ggml_sched
