// What every call that enqueues has around it.

#pragma once

#include "simulator.h"

#include <new>

namespace ggml_sched::sim {

inline Queue & queue_of(ggml_backend_t backend) {
    return *static_cast<Queue *>(backend->context);
}

// Runs body, which enqueues. False when the host's memory runs out; the next launch reports it then.
template <typename Body> bool enqueuing_call(Simulator & simulator, Queue & queue, const Body & body) {
    simulator.let_adversary_act();
    simulator.begin_enqueuing_call(queue);
    bool has_memory = true;
    try {
        body();
    } catch (const std::bad_alloc &) {
        has_memory = false;
        queue.fail(queue.mark);
        GGML_LOG_ERROR("sim: no host memory to enqueue on %s; the next launch there fails\n", queue.device.name);
    }
    simulator.let_adversary_act();
    return has_memory;
}

} // namespace ggml_sched::sim
