// What the environment says when a scheduler is made.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ggml-sched.h"
#include "stream/stream_settings.h"

namespace ggml_sched {

// Which replacements of a compute buffer that is too small make ggml_backend_sched_alloc_graph fail
enum class ReallocCheck : uint8_t { None, Unexpected, All };

struct Settings {
    ggml_sched_sync_mode sync_mode = GGML_SCHED_SYNC_AUTO; // GGML_SCHED_SYNC=auto|barrier|serial
    bool verify = false;                                   // GGML_SCHED_VERIFY=1
    bool reuse = true;                                     // GGML_SCHED_REUSE=0
    int debug = 0;                                         // GGML_SCHED_DEBUG=1|2
    StreamSettings streaming;                              // GGML_SCHED_STREAM=MiB|auto|0
    bool keep_weights = false;                             // GGML_SCHED_STREAM_KEEP=1
    ReallocCheck realloc_check = ReallocCheck::None;       // GGML_SCHED_DEBUG_REALLOC=0|1|2
    std::string trace;                                     // GGML_SCHED_TRACE=FILE; of the n-th scheduler FILE.n
};

Settings read_settings();

} // namespace ggml_sched
