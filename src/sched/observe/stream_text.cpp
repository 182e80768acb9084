#include "observe/stream_text.h"

namespace ggml_sched {

namespace {

std::string when(int32_t after) {
    return after == kBeforeTheRun ? "before the run" : "after split " + std::to_string(after);
}

// A copy is called as its tensor, without the backend.
std::string name_of(const StreamSlot & slot, const observe::Names & names) {
    const std::string & name = names.inputs[slot.copy];
    const size_t prefix = name.find('#');
    return prefix == std::string::npos ? name : name.substr(prefix + 1);
}

std::string line_of(const StreamSlot & slot, const observe::Names & names) {
    return "  " + when(slot.issued_after) + ": copy " + name_of(slot, names) + " to [" + std::to_string(slot.offset) +
           ", " + std::to_string(slot.offset + slot.size) + ") for split " + std::to_string(slot.split) + "\n";
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

} // namespace ggml_sched
