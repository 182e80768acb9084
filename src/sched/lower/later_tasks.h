// LaterTasks - the tasks of a split behind all that goes through the host. They are put behind it in this order, so
// that one wait of the host serves several copies.
//
// Lowering fills it for one split after another.

#pragma once

#include <cstdint>
#include <vector>

#include "plan/program.h"

namespace ggml_sched {

struct LaterTasks {
    std::vector<plan::Task> direct;
    std::vector<plan::Task> staged;  // these read the ring after another device has written it
    std::vector<plan::Task> experts; // the host waits for the ids
    std::vector<uint32_t> offers;    // indices of copies; the callback may look at all other inputs

    void clear() {
        direct.clear();
        staged.clear();
        experts.clear();
        offers.clear();
    }
};

} // namespace ggml_sched
