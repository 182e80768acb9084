// Calls of the functions that newer_ggml.py adds and that no version of our scheduler knows

#include "engine.h"

#include <stdio.h>

static int n_progress_calls = 0; // the scheduler's calls of the progress callback
static int n_calls = 0;          // our calls, in all scenarios

static void count_progress(int n_done, int n_splits, void * user_data) {
    require(n_done > 0 && n_done <= n_splits, "progress between nothing and everything");
    ++*(int *) user_data;
}

static bool set_progress_callback(ggml_backend_sched_t sched) {
    n_calls++;
    return ggml_backend_sched_set_progress_callback(sched, count_progress, &n_progress_calls);
}

static void set_label(ggml_backend_sched_t sched, const char * label) {
    n_calls++;
    ggml_backend_sched_set_label(sched, label);
}

static const struct ggml_backend_sched_report * get_report(ggml_backend_sched_t sched) {
    n_calls++;
    return ggml_backend_sched_get_report(sched);
}

static int set_priority(ggml_backend_sched_t sched, int priority) {
    n_calls++;
    return ggml_backend_sched_set_priority(sched, priority);
}

// Each of the functions is the first one at some moment.
static void call_first(ggml_backend_sched_t sched, const char * scenario, enum moment moment) {
    switch (moment % 4) {
    case 1: set_progress_callback(sched); break;
    case 2: set_label(sched, scenario); break;
    case 3: get_report(sched); break;
    default: break; // set_priority counts its calls, so it is called once
    }
}

static size_t buffer_sizes(ggml_backend_sched_t sched) {
    size_t bytes = 0;
    for (int i = 0; i < ggml_backend_sched_get_n_backends(sched); i++) {
        bytes += ggml_backend_sched_get_buffer_size(sched, ggml_backend_sched_get_backend(sched, i));
    }
    return bytes;
}

void call_newer_functions(ggml_backend_sched_t sched, const char * scenario, enum moment moment) {
    n_progress_calls = 0;
    const size_t reserved = buffer_sizes(sched);
    call_first(sched, scenario, moment);
    require(buffer_sizes(sched) >= reserved, "the memory that was reserved before");
    const int n_priorities = set_priority(sched, 7);
    const bool tells = set_progress_callback(sched);
    set_label(sched, scenario);
    const struct ggml_backend_sched_report * report = get_report(sched);
    printf("answers: %s: %d, %s, %s, priority %d\n", scenario, n_priorities, tells ? "true" : "false",
           report && report->label ? report->label : "no label", report ? report->priority : 0);
    fflush(stdout);
}

void call_newer_functions_again(ggml_backend_sched_t sched, const char * scenario) {
    const int n_priorities = set_priority(sched, 8);
    printf("later answers: %s: %d, %s\n", scenario, n_priorities,
           n_progress_calls > 0 ? "told of progress" : "not told of progress");
    printf("calls so far: %d\n", n_calls);
    fflush(stdout);
}
