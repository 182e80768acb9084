// from_c - calls that are legal in C and undefined in C++.

#pragma once

#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// ggml_sched_set_sync_mode with any number
void set_sync_mode_number(ggml_backend_sched_t sched, int mode);

#ifdef __cplusplus
}
#endif
