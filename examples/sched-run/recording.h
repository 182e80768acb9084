// recording.h - a trace of what the tool does: as the library's JSON (--trace), as a page to look at (--timeline).

#pragma once

#include "options.h"
#include "result.h"

#include "ggml-sched.h"

#include <memory>
#include <string>

namespace sched_run {

class Recording {
  public:
    // Starts a trace if the options ask for one.
    static engine::Result<std::unique_ptr<Recording>> start(const Options & options, ggml_backend_sched_t sched);
    ~Recording(); // leaves no file behind that nobody asked for

    Recording(const Recording &) = delete;
    Recording & operator=(const Recording &) = delete;

    // Writes the files. `about` says on the page what has been run.
    engine::Status finish(ggml_backend_sched_t sched, const std::string & title, const std::string & about);

  private:
    explicit Recording(const Options & options);

    const std::string timeline_path_;      // "": none
    ggml_backend_sched_t sched_ = nullptr; // that traces; NULL: none does
    const bool keeps_trace_;
    const std::string trace_path_; // "": none
};

} // namespace sched_run
