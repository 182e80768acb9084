#include "session/settings.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "host/log.h"

namespace ggml_sched {

namespace {

std::string env(const char * name) {
    const char * value = std::getenv(name);
    return value ? value : "";
}

// Schedulers of one process do not write to the same file.
std::string trace_path() {
    static std::atomic<int> n_traces{0};
    const std::string path = env("GGML_SCHED_TRACE");
    const int index = path.empty() ? 0 : ++n_traces;
    return index > 1 ? path + "." + std::to_string(index) : path;
}

// False if it is no number of MiB.
bool read_stream(const std::string & text, StreamSettings & streaming) {
    if (text.empty() || text == "auto") {
        return true;
    }
    constexpr size_t kMost = SIZE_MAX >> 21;
    char * end = nullptr;
    const unsigned long long mib = std::strtoull(text.c_str(), &end, 10);
    if (*end != '\0' || text[0] < '0' || text[0] > '9' || mib > kMost) {
        return false;
    }
    streaming.budget = static_cast<size_t>(mib) << 20;
    return true;
}

// As in ggml: the default is 1 where ggml is compiled with GGML_SCHED_NO_REALLOC.
ReallocCheck realloc_check() {
#ifdef GGML_SCHED_NO_REALLOC
    const int by_default = 1;
#else
    const int by_default = 0;
#endif
    const std::string text = env("GGML_SCHED_DEBUG_REALLOC");
    const int level = text.empty() ? by_default : std::atoi(text.c_str());
    return level > 1 ? ReallocCheck::All : level == 1 ? ReallocCheck::Unexpected : ReallocCheck::None;
}

} // namespace

Settings read_settings() {
    Settings settings;
    const std::string sync = env("GGML_SCHED_SYNC");
    if (sync == "barrier") {
        settings.sync_mode = GGML_SCHED_SYNC_BARRIER;
    } else if (sync == "serial") {
        settings.sync_mode = GGML_SCHED_SYNC_SERIAL;
    } else if (!sync.empty() && sync != "auto") {
        host::log_warning("GGML_SCHED_SYNC is '" + sync + "'; it must be auto, barrier or serial. Using auto.");
    }
    const std::string stream = env("GGML_SCHED_STREAM");
    if (!read_stream(stream, settings.streaming)) {
        host::log_warning("GGML_SCHED_STREAM is '" + stream +
                          "'; it must be auto, 0, or a number of MiB for each device. Using auto.");
    }
    settings.keep_weights = env("GGML_SCHED_STREAM_KEEP") == "1";
    settings.verify = env("GGML_SCHED_VERIFY") == "1";
    settings.reuse = env("GGML_SCHED_REUSE") != "0";
    settings.debug = std::atoi(env("GGML_SCHED_DEBUG").c_str());
    settings.realloc_check = realloc_check();
    settings.trace = trace_path();
    return settings;
}

} // namespace ggml_sched
