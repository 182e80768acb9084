#include "ggml-impl.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

void print_to_stderr(ggml_log_level level, const char * text, void * user_data) {
    (void) level;
    (void) user_data;
    std::fputs(text, stderr);
    std::fflush(stderr);
}

struct LogTarget {
    ggml_log_callback callback = print_to_stderr;
    void * user_data = nullptr;
};

// Written only before other threads use the library (see ggml_log_set).
LogTarget log_target;

void log_formatted(ggml_log_level level, const char * format, va_list args) {
    char line[512];
    va_list again;
    va_copy(again, args);
    const int length = std::vsnprintf(line, sizeof(line), format, args);
    if (length >= static_cast<int>(sizeof(line))) {
        // Without memory for a long line its beginning has to do.
        const auto size = static_cast<size_t>(length) + 1;
        if (char * text = new (std::nothrow) char[size]) {
            std::vsnprintf(text, size, format, again);
            log_target.callback(level, text, log_target.user_data);
            delete[] text;
        } else {
            log_target.callback(level, line, log_target.user_data);
        }
    } else if (length >= 0) {
        log_target.callback(level, line, log_target.user_data);
    }
    va_end(again);
}

} // namespace

extern "C" {

void ggml_log_internal(enum ggml_log_level level, const char * format, ...) {
    va_list args;
    va_start(args, format);
    log_formatted(level, format, args);
    va_end(args);
}

void ggml_log_set(ggml_log_callback log_callback, void * user_data) {
    log_target.callback = log_callback ? log_callback : print_to_stderr;
    log_target.user_data = user_data;
}

void ggml_log_get(ggml_log_callback * log_callback, void ** user_data) {
    if (log_callback) {
        *log_callback = log_target.callback;
    }
    if (user_data) {
        *user_data = log_target.user_data;
    }
}

void ggml_abort(const char * file, int line, const char * fmt, ...) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s:%d: ", file ? file : "?", line);
    if (fmt) {
        va_list args;
        va_start(args, fmt);
        std::vfprintf(stderr, fmt, args);
        va_end(args);
    }
    std::fputc('\n', stderr);
    std::fflush(stderr);
    std::abort();
}

} // extern "C"
