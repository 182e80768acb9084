// What the profiles promise: the one place that tells them apart.
// Pure functions over constant tables; any thread.

#pragma once

#include "ggml-backend-impl.h"
#include "ggml-sim.h"

namespace ggml_sched::sim {

struct ProfileTraits {
    const char * name;
    const char * description;
    enum ggml_backend_dev_type type;
    bool async;       // work is queued
    bool events;      // never without async
    bool pinned;      // has a buffer type of pinned host memory
    bool host_memory; // computes in host buffers
};

bool is_profile(const enum ggml_sim_profile & profile);         // any number
const ProfileTraits & traits_of(enum ggml_sim_profile profile); // profile is one

// May a queue of `waiter` wait for an event that `recorder` has recorded?
bool event_reaches(enum ggml_sim_profile recorder, enum ggml_sim_profile waiter, bool same_device);

// Where an asynchronous copy between two simulated devices runs.
enum ggml_backend_copy_queue copy_queue(enum ggml_sim_profile src, enum ggml_sim_profile dst, bool same_device);

// Does an asynchronous copy from pinned host memory into a device of this profile work?
bool copies_from_pinned(enum ggml_sim_profile dst);

} // namespace ggml_sched::sim
