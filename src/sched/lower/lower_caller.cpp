// Programs of what callers and hosts do between runs.

#include "lower/accesses.h"
#include "lower/lower.h"

namespace ggml_sched {

plan::Program lower_caller_writes(const GraphView & graph, Spaces & spaces) {
    plan::Program program;
    BufferTable buffers(spaces);
    append_writes_of_inputs(graph, buffers, program.accesses);
    program.tasks.push_back({plan::TaskKind::Return, plan::kHost});
    program.tasks.back().n_accesses = static_cast<uint32_t>(program.accesses.size());
    return program;
}

plan::Program lower_freeing(const std::vector<ggml_backend_buffer_t> & buffers, Spaces & spaces) {
    plan::Program program;
    for (const ggml_backend_buffer_t buffer : buffers) {
        const host::BufferFacts facts = host::facts_of(buffer);
        program.accesses.push_back({spaces.of(buffer), true, facts.begin, facts.end});
    }
    program.tasks.push_back({plan::TaskKind::Return, plan::kHost});
    program.tasks.back().n_accesses = static_cast<uint32_t>(program.accesses.size());
    return program;
}

} // namespace ggml_sched
