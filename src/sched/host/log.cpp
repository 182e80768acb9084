#include "host/log.h"

#include "host/ggml_api.h"

namespace ggml_sched::host {

void log_error(const char * text) {
    GGML_LOG_ERROR("ggml-sched: %s\n", text);
}

void log_error(const std::string & text) {
    log_error(text.c_str());
}

void log_warning(const std::string & text) {
    GGML_LOG_WARN("ggml-sched: %s\n", text.c_str());
}

void log_info(const std::string & text) {
    GGML_LOG_INFO("ggml-sched: %s\n", text.c_str());
}

void log_debug(const std::string & text) {
    GGML_LOG_DEBUG("%s", text.c_str());
}

} // namespace ggml_sched::host
