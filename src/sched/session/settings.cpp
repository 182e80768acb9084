#include "session/settings.h"

#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "host/switches.h"

namespace ggml_sched {

namespace {

// Returns the file of the trace; "" for no trace. Schedulers of one process do not write to the same file.
std::string trace_path() {
    static std::atomic<int> n_traces{0};
    const std::string path = host::value_of_switch("GGML_SCHED_TRACE");
    const int index = path.empty() ? 0 : ++n_traces;
    return index > 1 ? path + "." + std::to_string(index) : path;
}

// Reads a switch that is a number of MiB, or one of these words. Returns bytes.
size_t read_bytes(const char * name, const char * words_in_text, std::initializer_list<host::SwitchWord> words,
                  size_t by_default) {
    constexpr size_t kMostMiB = SIZE_MAX >> 21;
    const std::string text = host::value_of_switch(name);
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) {
        if (const unsigned long long mib = std::strtoull(text.c_str(), nullptr, 10); mib <= kMostMiB) {
            return static_cast<size_t>(mib) << 20;
        }
    }
    return host::read_switch(name, words_in_text, words, by_default);
}

// Returns the level of GGML_SCHED_DEBUG_REALLOC. As in ggml, the default is 1 if GGML_SCHED_NO_REALLOC is defined.
int realloc_check() {
#ifdef GGML_SCHED_NO_REALLOC
    const int by_default = 1;
#else
    const int by_default = 0;
#endif
    return host::read_level("GGML_SCHED_DEBUG_REALLOC", by_default);
}

} // namespace

Settings read_settings() {
    Settings settings;
    (void) host::read_choice(); // It tells an unknown value, also without the drop-in.
    settings.sync_mode = static_cast<ggml_sched_sync_mode>(host::read_switch(
        "GGML_SCHED_SYNC", "auto, barrier or serial",
        {{"auto", GGML_SCHED_SYNC_AUTO}, {"barrier", GGML_SCHED_SYNC_BARRIER}, {"serial", GGML_SCHED_SYNC_SERIAL}},
        GGML_SCHED_SYNC_AUTO));
    settings.streaming.budget =
        read_bytes("GGML_SCHED_STREAM", "auto, off, unlimited, or a number of MiB for each device",
                   {{"auto", GGML_SCHED_STREAM_AUTO},
                    {"unlimited", GGML_SCHED_STREAM_UNLIMITED},
                    {"off", GGML_SCHED_STREAM_OFF},
                    {"no", GGML_SCHED_STREAM_OFF},
                    {"false", GGML_SCHED_STREAM_OFF}},
                   GGML_SCHED_STREAM_AUTO);
    settings.experts.budget = read_bytes("GGML_SCHED_EXPERTS", "off, auto, or a number of MiB for each device",
                                         {{"auto", GGML_SCHED_EXPERTS_AUTO},
                                          {"off", GGML_SCHED_EXPERTS_OFF},
                                          {"no", GGML_SCHED_EXPERTS_OFF},
                                          {"false", GGML_SCHED_EXPERTS_OFF}},
                                         GGML_SCHED_EXPERTS_OFF);
    settings.experts.misses =
        static_cast<Misses>(host::read_switch("GGML_SCHED_EXPERT_MISSES", "shared, none or upload",
                                              {{"none", static_cast<size_t>(Misses::None)},
                                               {"shared", static_cast<size_t>(Misses::Shared)},
                                               {"upload", static_cast<size_t>(Misses::Upload)}},
                                              static_cast<size_t>(Misses::Shared)));
    settings.keep_weights = host::read_on_off("GGML_SCHED_STREAM_KEEP", false);
    settings.verify = host::read_on_off("GGML_SCHED_VERIFY", false);
    settings.reuse = host::read_on_off("GGML_SCHED_REUSE", true);
    settings.debug = host::read_level("GGML_SCHED_DEBUG", 0);
    settings.realloc_check = static_cast<ReallocCheck>(realloc_check());
    settings.trace = trace_path();
    return settings;
}

} // namespace ggml_sched
