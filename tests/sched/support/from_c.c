#include "support/from_c.h"

#include "ggml-sched.h"

void set_sync_mode_number(ggml_backend_sched_t sched, int mode) {
    ggml_sched_set_sync_mode(sched, (enum ggml_sched_sync_mode) mode);
}
