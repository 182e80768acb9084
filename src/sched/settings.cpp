#include "settings.h"

#include <cstdlib>
#include <string>

#include "host/log.h"

namespace ggml_sched {

namespace {

std::string env(const char * name) {
    const char * value = std::getenv(name);
    return value ? value : "";
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
    settings.verify = env("GGML_SCHED_VERIFY") == "1";
    settings.debug = std::atoi(env("GGML_SCHED_DEBUG").c_str());
    return settings;
}

} // namespace ggml_sched
