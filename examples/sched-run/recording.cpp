#include "recording.h"

#include "timeline.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>

namespace sched_run {

using engine::Status;

Recording::Recording(const Options & options)
    : timeline_path_(options.timeline)
    , keeps_trace_(!options.trace.empty())
    , trace_path_(keeps_trace_ || options.timeline.empty() ? options.trace : options.timeline + ".trace") {}

Recording::~Recording() {
    if (sched_) { // The run has failed. A file that is open cannot be removed on every system.
        (void) ggml_sched_trace_stop(sched_);
    }
    if (!keeps_trace_ && !trace_path_.empty()) {
        try {
            std::error_code ignored;
            std::filesystem::remove(std::filesystem::u8path(trace_path_), ignored);
        } catch (const std::exception &) {
            // No file has such a name, or memory has run out.
        }
    }
}

engine::Result<std::unique_ptr<Recording>> Recording::start(const Options & options, ggml_backend_sched_t sched) {
    std::unique_ptr<Recording> recording(new Recording(options));
    const std::string & page = recording->timeline_path_;
    if (!page.empty() &&
        !std::ofstream(std::filesystem::u8path(page), std::ios::app)) { // better known now than after the work
        return engine::failure("cannot write " + page + ": " + std::strerror(errno));
    }
    const std::string & trace = recording->trace_path_;
    if (!trace.empty() && !ggml_sched_trace_start(sched, trace.c_str())) {
        return engine::failure(ggml_sched_get_error(sched));
    }
    recording->sched_ = trace.empty() ? nullptr : sched;
    return recording;
}

Status Recording::finish(ggml_backend_sched_t sched, const std::string & title, const std::string & about) {
    if (trace_path_.empty()) {
        return {};
    }
    sched_ = nullptr;
    if (!ggml_sched_trace_stop(sched)) {
        return engine::failure(ggml_sched_get_error(sched));
    }
    return timeline_path_.empty() ? Status() : write_timeline(timeline_path_, trace_path_, title, about);
}

} // namespace sched_run
