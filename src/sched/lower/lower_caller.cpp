// The programs of what the caller and the host do between runs.

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

Lowered lower_sample(ggml_tensor * weight, ggml_tensor * target, size_t bytes, BackendId backend, bool pageable,
                     const Topology & topology, Spaces & spaces) {
    BufferTable buffers(spaces);
    Lowered lowered;
    CopyBinding copy = {kNoBinding, kNoTensor, weight, target, backend, backend, bytes, false, 0};
    copy.on_stream_lane = true;
    copy.pageable = pageable;
    lowered.copies.push_back(copy);
    plan::Task send = {plan::TaskKind::SetAsync, topology.stream_of[backend]};
    send.destination = send.lane;
    send.bytes = bytes;
    send.binding = 0;
    send.only_at_call = pageable;
    send.reads_at_call = true;
    send.n_accesses = 2;
    lowered.program.accesses = {access_to(weight, false, buffers), access_to(target, true, buffers)};
    plan::Task free = {plan::TaskKind::Return, plan::kHost};
    free.first_access = 2;
    free.n_accesses = 1;
    lowered.program.accesses.push_back(access_to(target, true, buffers));
    lowered.program.tasks = {send, free};
    return lowered;
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
