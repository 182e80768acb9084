// sched-run: runs a model over the CPU and other devices through ggml_backend_sched_*.

#include "exit_codes.h"
#include "job.h"
#include "options.h"
#include "report.h"
#include "system.h"

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

// Shows what the library logs, on stderr. The last error is kept, since the tool's own line may have to name it: the
// library says why something failed, and the tool says what.
class LibraryLog {
  public:
    LibraryLog() { ggml_log_set(receive, this); }
    ~LibraryLog() { ggml_log_set(nullptr, nullptr); }
    LibraryLog(const LibraryLog &) = delete;
    LibraryLog & operator=(const LibraryLog &) = delete;

    bool has_errors() const { return !last_error_.empty(); }
    // Returns the last error, which is not shown otherwise, without the line's end.
    const std::string & last_error() const { return last_error_; }
    void show_last_error() const {
        if (has_errors()) {
            std::fprintf(stderr, "%s\n", last_error_.c_str());
        }
    }

  private:
    static void receive(ggml_log_level level, const char * text, void * self) {
        if (level != GGML_LOG_LEVEL_ERROR) {
            std::fputs(text, stderr);
            return;
        }
        static_cast<LibraryLog *>(self)->show_last_error();
        std::string & error = static_cast<LibraryLog *>(self)->last_error_;
        error = text;
        while (!error.empty() && error.back() == '\n') {
            error.pop_back();
        }
    }

    std::string last_error_;
};

int fail(const std::string & error, const LibraryLog & log, int exit_code) {
    const std::string & logged = log.last_error();
    const bool says_the_same = logged.find(error) != std::string::npos || error.find(logged) != std::string::npos;
    const std::string reason = says_the_same ? "" : " (" + logged + ")";
    std::fprintf(stderr, "sched-run: %s%s\n", error.c_str(), reason.c_str());
    return exit_code;
}

int run(int argc, const char * const * argv) {
    const sched_run::Parsed parsed = sched_run::parse_options(argc, argv);
    if (!parsed.options) {
        return parsed.exit_code;
    }
    LibraryLog log;
    const sched_run::Outcome outcome = sched_run::run_job(*parsed.options);
    if (!outcome.report) {
        return fail(outcome.error, log, outcome.exit_code);
    }
    const std::string text = parsed.options->json ? sched_run::as_json(*parsed.options, *outcome.report)
                                                  : sched_run::as_table(*parsed.options, *outcome.report);
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
        std::fputs("sched-run: cannot write the result\n", stderr);
        return sched_run::kFailure;
    }
    // Such an error has lost something that was asked for, as a trace that GGML_SCHED_TRACE names.
    return log.has_errors() ? fail("the library reports an error", log, sched_run::kFailure) : sched_run::kSuccess;
}

} // namespace

int main(int argc, char ** argv) {
    const sched_run::Utf8Console console;
    try {
        const std::vector<std::string> words = sched_run::utf8_arguments(argc, argv);
        std::vector<const char *> arguments;
        arguments.reserve(words.size());
        for (const std::string & word : words) {
            arguments.push_back(word.c_str());
        }
        return run(static_cast<int>(arguments.size()), arguments.data());
    } catch (const std::exception & error) { // out of memory
        std::fprintf(stderr, "sched-run: %s\n", error.what());
        return sched_run::kFailure;
    }
}
