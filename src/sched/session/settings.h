// Settings - the switches of a scheduler. The environment gives their first values, and functions of ggml-sched.h
// change them. Settings are a value, which the scheduler owns. One thread at a time uses it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "experts/resident_experts.h"
#include "ggml-sched.h"
#include "stream/stream_settings.h"

namespace ggml_sched {

// ReallocCheck - which replacements of a compute buffer that is too small make ggml_backend_sched_alloc_graph fail. The
// values are the levels of GGML_SCHED_DEBUG_REALLOC.
enum class ReallocCheck : uint8_t { None, Unexpected, All };

// Settings - the values of the switches that ggml-sched.h lists.
struct Settings {
    ggml_sched_sync_mode sync_mode = GGML_SCHED_SYNC_AUTO; // GGML_SCHED_SYNC
    bool verify = false;                                   // GGML_SCHED_VERIFY
    bool reuse = true;                                     // GGML_SCHED_REUSE
    int debug = 0;                                         // GGML_SCHED_DEBUG
    StreamSettings streaming;                              // GGML_SCHED_STREAM
    bool keep_weights = false;                             // GGML_SCHED_STREAM_KEEP
    ResidentExperts::Settings experts;                     // GGML_SCHED_EXPERTS, GGML_SCHED_EXPERT_MISSES
    ReallocCheck realloc_check = ReallocCheck::None;       // GGML_SCHED_DEBUG_REALLOC
    std::string trace; // GGML_SCHED_TRACE; FILE.n for the n-th traced scheduler of the process, from the second on
};

// Reads the environment. An unknown value is an error on stderr, and the default is used. Throws std::bad_alloc.
Settings read_settings();

} // namespace ggml_sched
