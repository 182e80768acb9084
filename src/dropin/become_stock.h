// Become stock - makes a scheduler of ours ggml's own, for functions that only ggml's scheduler has.
//
// The engine's handle stays: its wrapper (choice.h) then owns a scheduler of ggml's. One thread at a time uses it.

#pragma once

#include <initializer_list>

#include "choice.h"

namespace ggml_sched {

// Makes these schedulers ggml's own. They keep the engine's callbacks and assignments, and an allocated graph with its
// contents. A scheduler that is already ggml's own stays as it is. `function` names the function that the engine
// called. Returns false, with an error in the log, if a scheduler is NULL, has to stay ours (GGML_SCHED=ours), is
// running, or if memory runs out.
bool become_stock(const char * function, std::initializer_list<const ggml_backend_sched *> schedulers);

} // namespace ggml_sched
