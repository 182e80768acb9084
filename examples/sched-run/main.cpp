// sched-run: runs a model over the CPU and other devices through ggml_backend_sched_*.

#include "exit_codes.h"
#include "job.h"
#include "options.h"
#include "report.h"

#include <cstdio>
#include <exception>
#include <string>

namespace {

// The library says in its log why something failed; the tool says what. They end up in one line.
struct LibraryLog {
    std::string last_error;

    static void receive(ggml_log_level level, const char * text, void * self) {
        if (level == GGML_LOG_LEVEL_ERROR) {
            std::string & error = static_cast<LibraryLog *>(self)->last_error;
            error = text;
            while (!error.empty() && error.back() == '\n') {
                error.pop_back();
            }
            return;
        }
        std::fputs(text, stderr);
    }
};

int run(int argc, const char * const * argv) {
    const sched_run::Parsed parsed = sched_run::parse_options(argc, argv);
    if (!parsed.options) {
        return parsed.exit_code;
    }
    LibraryLog log;
    ggml_log_set(LibraryLog::receive, &log);
    const sched_run::Outcome outcome = sched_run::run_job(*parsed.options);
    ggml_log_set(nullptr, nullptr);
    if (!outcome.report) {
        const bool has_reason = !log.last_error.empty() && outcome.error.find(log.last_error) == std::string::npos;
        const std::string reason = has_reason ? " (" + log.last_error + ")" : "";
        std::fprintf(stderr, "sched-run: %s%s\n", outcome.error.c_str(), reason.c_str());
        return outcome.exit_code;
    }
    const std::string text = parsed.options->json ? sched_run::as_json(*parsed.options, *outcome.report)
                                                  : sched_run::as_table(*parsed.options, *outcome.report);
    if (std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0) {
        std::fputs("sched-run: cannot write the result\n", stderr);
        return sched_run::kFailure;
    }
    return sched_run::kSuccess;
}

} // namespace

int main(int argc, char ** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception & error) { // out of memory
        std::fprintf(stderr, "sched-run: %s\n", error.what());
        return sched_run::kFailure;
    }
}
