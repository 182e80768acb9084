// What the environment says when a scheduler is made.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ggml-sched.h"
#include "stream/stream_settings.h"

namespace ggml_sched {

// Which replacements of a compute buffer that is too small make ggml_backend_sched_alloc_graph fail. The values are the
// levels of GGML_SCHED_DEBUG_REALLOC.
enum class ReallocCheck : uint8_t { None, Unexpected, All };

// ggml-sched.h lists the switches and their values.
struct Settings {
    ggml_sched_sync_mode sync_mode = GGML_SCHED_SYNC_AUTO; // GGML_SCHED_SYNC
    bool verify = false;                                   // GGML_SCHED_VERIFY
    bool reuse = true;                                     // GGML_SCHED_REUSE
    int debug = 0;                                         // GGML_SCHED_DEBUG
    StreamSettings streaming;                              // GGML_SCHED_STREAM
    bool keep_weights = false;                             // GGML_SCHED_STREAM_KEEP
    ReallocCheck realloc_check = ReallocCheck::None;       // GGML_SCHED_DEBUG_REALLOC
    std::string trace; // GGML_SCHED_TRACE; FILE.n for the n-th scheduler of the process
};

// Returns what the environment says. An unknown value is an error on stderr, and counts as not set.
Settings read_settings();

} // namespace ggml_sched
