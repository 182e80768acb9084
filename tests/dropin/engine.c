// The main program of the engine:
//
//   engine [HOST:PORT ...]              runs all scenarios on the CPU, and on RPC servers if any are given
//   engine --newer [HOST:PORT ...]      calls the functions that only this ggml has, each time at another moment
//   engine --serve HOST:PORT            is an RPC server, until it is ended
//
// Standard output has one line for each hash and each count. Standard error has our scheduler's lines of ggml's log,
// with their level, and what went wrong.

#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-cpu.h"
#include "ggml-rpc.h"

enum { N_STEPS = 240, N_STEPS_NEWER = 48 };

static const struct scenario SCENARIOS[] = {
    {"CPU alone", 0, 1, N_STEPS, MOMENT_NEVER},
    {"CPU alone, callback, 4 in flight", PARALLEL | CALLBACK, 4, N_STEPS, MOMENT_NEVER},
    {"experts on the CPU", ON_DEVICES, 1, N_STEPS, MOMENT_NEVER},
    {"experts on the CPU, 4 in flight", ON_DEVICES | PARALLEL, 4, N_STEPS, MOMENT_NEVER},
    {"experts copied", ON_DEVICES | CALLBACK | OFFLOAD, 1, N_STEPS, MOMENT_NEVER},
    {"experts copied, 4 in flight", ON_DEVICES | CALLBACK | OFFLOAD | PARALLEL, 4, N_STEPS, MOMENT_NEVER},
    {"expert cache", ON_DEVICES | CALLBACK | CACHE | OFFLOAD, 1, N_STEPS, MOMENT_NEVER},
    {"expert cache, prefill on the CPU", ON_DEVICES | CALLBACK | CACHE, 1, N_STEPS, MOMENT_NEVER},
    {"expert cache, KV on the host", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | KV_ON_HOST, 1, N_STEPS, MOMENT_NEVER},
    {"expert cache, 3 in flight", ON_DEVICES | CALLBACK | CACHE | OFFLOAD, 3, N_STEPS, MOMENT_NEVER},
    {"expert cache, parallel, 4 in flight", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | PARALLEL, 4, N_STEPS,
     MOMENT_NEVER},
    {"expert cache, KV on the host, parallel", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | KV_ON_HOST | PARALLEL, 4,
     N_STEPS, MOMENT_NEVER},
    {"expert cache, graphs computed again", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | REUSE, 1, N_STEPS, MOMENT_NEVER},
    {"expert cache, table copied by the scheduler", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | TABLE_BY_SCHED | PARALLEL,
     4, N_STEPS, MOMENT_NEVER},
    {"expert cache, late callback", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | LATE_CALLBACK | PARALLEL, 4, N_STEPS,
     MOMENT_NEVER},
    {"expert cache, eval callback", ON_DEVICES | CALLBACK | CACHE | OFFLOAD | EVAL_CALLBACK, 1, N_STEPS, MOMENT_NEVER},
};

void require(bool condition, const char * what) {
    if (!condition) {
        fprintf(stderr, "engine: this does not hold: %s\n", what);
        exit(1);
    }
}

// Prints errors of ggml, and every line of our scheduler.
static void log_line(enum ggml_log_level level, const char * text, void * user_data) {
    (void) user_data;
    static const char * const names[] = {"none", "debug", "info", "warning", "error", "continued"};
    if (level == GGML_LOG_LEVEL_ERROR || strstr(text, "ggml-sched:")) {
        fprintf(stderr, "%s: %s", names[level], text);
    }
}

static ggml_backend_t new_cpu(void) {
    ggml_backend_t cpu = ggml_backend_cpu_init();
    require(cpu, "a CPU backend");
    ggml_backend_cpu_set_n_threads(cpu, 1);
    return cpu;
}

static int serve(const char * endpoint) {
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_rpc_start_server(endpoint, NULL, 1, 1, &cpu);
    return 1; // A server that can serve does not return.
}

static struct machine new_machine(char ** endpoints, int n_endpoints) {
    struct machine machine = {.n_devices = n_endpoints};
    for (int i = 0; i < n_endpoints; i++) {
        machine.backends[i] = ggml_backend_rpc_init(endpoints[i], 0);
        require(machine.backends[i], "an RPC server");
    }
    machine.backends[n_endpoints] = new_cpu();
    return machine;
}

static void run_scenarios(const struct machine * machine, bool on_devices) {
    struct model model;
    model_new(&model, machine);
    for (size_t i = 0; i < sizeof(SCENARIOS) / sizeof(SCENARIOS[0]); i++) {
        if (on_devices == ((SCENARIOS[i].options & ON_DEVICES) != 0)) {
            run_scenario(machine, &model, &SCENARIOS[i]);
        }
    }
    model_free(&model);
}

// Runs each kind of scenario without the calls, and with them at each moment.
static void run_newer_scenarios(const struct machine * machine) {
    static const char * const moments[N_MOMENTS] = {
        [MOMENT_NEVER] = "no call",
        [MOMENT_NEW] = "call before any graph",
        [MOMENT_RESERVED] = "call after the reserve",
        [MOMENT_ASSIGNED] = "call with nodes assigned",
        [MOMENT_ALLOCATED] = "call with a graph allocated",
        [MOMENT_IN_FLIGHT] = "call with runs in flight",
        [MOMENT_UNREAD] = "call with logits unread",
    };
    static const struct scenario kinds[] = {
        {"eval callback", EVAL_CALLBACK, 1, N_STEPS_NEWER, MOMENT_NEVER},
        {"reuse", REUSE, 1, N_STEPS_NEWER, MOMENT_NEVER},
        {"parallel", PARALLEL, 4, N_STEPS_NEWER, MOMENT_NEVER},
    };
    struct model model;
    model_new(&model, machine);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (int moment = MOMENT_NEVER; moment < N_MOMENTS; moment++) {
            char name[64];
            snprintf(name, sizeof(name), "%s, %s", moments[moment], kinds[i].name);
            struct scenario scenario = kinds[i];
            scenario.name = name;
            scenario.options |= CALLBACK | (machine->n_devices > 0 ? ON_DEVICES | CACHE | OFFLOAD : 0);
            scenario.moment = (enum moment) moment;
            run_scenario(machine, &model, &scenario);
        }
    }
    model_free(&model);
}

int main(int argc, char ** argv) {
    ggml_log_set(log_line, NULL);
    if (argc == 3 && strcmp(argv[1], "--serve") == 0) {
        return serve(argv[2]);
    }
    const bool newer = argc > 1 && strcmp(argv[1], "--newer") == 0;
    const int first = newer ? 2 : 1;
    require(argc - first <= MAX_DEVICES, "at most MAX_DEVICES RPC servers");

    const struct machine cpu = new_machine(NULL, 0);
    const struct machine all = new_machine(argv + first, argc - first);
    if (newer) {
        run_newer_scenarios(&all);
    } else {
        run_scenarios(&cpu, false);
        if (all.n_devices > 0) {
            run_scenarios(&all, true);
        }
    }
    for (int i = 0; i <= all.n_devices; i++) {
        ggml_backend_free(all.backends[i]);
    }
    ggml_backend_free(cpu.backends[0]);
    return 0;
}
