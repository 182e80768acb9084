#!/usr/bin/env python3
"""Tests of the attach library with published ggmls of many versions.

    attach_test.py LIBRARY PROOF_PROGRAM FOLDER

FOLDER holds one folder for each version of libggml-python, with the unpacked wheel. scripts/try-attach makes it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

# Programs that use the scheduler in ways that few do. Each ends with 0, and prints the same without our library.
TAIL_CALL = """
#include "ggml-backend.h"
#include "ggml-cpu.h"
ggml_backend_sched_t make(ggml_backend_t * backends) {  // Its return address lies in the caller.
    return ggml_backend_sched_new(backends, 0, 1, 64, false, false);
}
ggml_backend_t new_backend(void) { return ggml_backend_cpu_init(); }
int count(ggml_backend_sched_t sched) { return ggml_backend_sched_get_n_backends(sched); }
"""
CALLER_WITHOUT_GGML = """
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char ** argv) {
    void * library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    void * (*make)(void **), * (*new_backend)(void);
    int (*count)(void *);
    *(void **) &make = dlsym(library, "make");
    *(void **) &new_backend = dlsym(library, "new_backend");
    *(void **) &count = dlsym(library, "count");
    void * backend = new_backend();
    printf("%d\\n", count(make(&backend)));
    return argc != 2;
}
"""
LOG_CALLBACK = """
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include <stdio.h>
static ggml_backend_sched_t sched;
static int wrong;
static void log_line(enum ggml_log_level level, const char * text, void * data) {
    wrong += sched && (!data || level < 0 || !text || ggml_backend_sched_get_n_backends(sched) != 1);
}
int main(void) {
    ggml_log_set(log_line, &wrong);
    ggml_backend_t cpu = ggml_backend_cpu_init();
    sched = ggml_backend_sched_new(&cpu, 0, 1, 64, false, false);
    ggml_backend_sched_free(sched);
    printf("%d\\n", wrong);
    return wrong;
}
"""
AT_EXIT = """
#include "ggml-backend.h"
#include "ggml-cpu.h"
static ggml_backend_t cpu;
static ggml_backend_sched_t make(void) { return ggml_backend_sched_new(&cpu, 0, 1, 64, false, false); }
__attribute__((constructor)) static void first(void) { cpu = ggml_backend_cpu_init(); make(); }
__attribute__((destructor)) static void last(void) { ggml_backend_sched_free(make()); }
int main(void) { return 0; }
"""
EXCEPTION = """
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include <cstdio>
static bool refuse(ggml_tensor *, bool, void *) { throw 7; }
int main() {
    ggml_backend_t cpu = ggml_backend_cpu_init();
    ggml_backend_sched_t sched = ggml_backend_sched_new(&cpu, nullptr, 1, 64, false, false);
    ggml_context * context = ggml_init({1 << 20, nullptr, true});
    ggml_tensor * x = ggml_new_tensor_1d(context, GGML_TYPE_F32, 4);
    ggml_cgraph * graph = ggml_new_graph(context);
    ggml_build_forward_expand(graph, ggml_scale(context, x, 2.0f));
    ggml_backend_sched_set_eval_callback(sched, refuse, nullptr);
    ggml_backend_sched_alloc_graph(sched, graph);
    try {
        ggml_backend_sched_graph_compute(sched, graph);
    } catch (int number) {
        std::printf("caught %d\\n", number);
    }
}
"""
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
void * ggml_backend_sched_new(void * backends, void * types, int n, size_t size, bool parallel, bool offload) {
    void * (*next)(void *, void *, int, size_t, bool, bool);
    *(void **) &next = dlsym(RTLD_NEXT, "ggml_backend_sched_new");
    return next(backends, types, n, size, parallel, offload);
}
"""

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests/attach/program.c"
MADE_OURS = "ggml-sched: made a scheduler: ggml-sched "
MADE_STOCK = "ggml-sched: made a scheduler: ggml's own"


def library_of(folder, name):
    return min(folder.rglob(f"lib{name}.so*"), key=lambda path: len(path.name))


def compile_program(folder, output, *options):
    """Links the program, or with -DIS_LIBRARY a library, to the ggml of a wheel."""
    base, cpu = library_of(folder, "ggml-base"), library_of(folder, "ggml-cpu")
    # The wheel's libraries need each other by names that only the loader has to resolve.
    done = subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT}/include", *options, SOURCE, "-o", output, base, cpu,
                           f"-Wl,-rpath,{base.parent}", "-Wl,--allow-shlib-undefined", "-ldl", "-lm"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output


def compile_text(text, output, *options, language="c"):
    done = subprocess.run(["c++" if language == "c++" else "cc", "-O2", f"-I{ROOT}/include", "-x", language, "-", "-o", output,
                           "-x", "none", *options], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output


def links_to(folder):
    base, cpu = library_of(folder, "ggml-base"), library_of(folder, "ggml-cpu")
    return [base, cpu, f"-Wl,-rpath,{base.parent}", "-Wl,--allow-shlib-undefined", "-lm"]


def run(*command, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GGML_SCHED")}
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment, timeout=60)


class Attach(unittest.TestCase):
    library, proof, wheels = (Path(word).resolve() for word in sys.argv[1:4])

    @classmethod
    def setUpClass(cls):
        cls.folders = sorted(path for path in cls.wheels.iterdir() if path.is_dir())
        assert len(cls.folders) > 5, cls.folders
        cls.work = tempfile.TemporaryDirectory()
        cls.programs = {folder.name: compile_program(folder, Path(cls.work.name) / folder.name) for folder in cls.folders}
        cls.old, cls.new = cls.wheels / "0.9.4", cls.wheels / "0.20.2.post1"  # their files have different names
        cls.newest = cls.programs[cls.new.name]

    @classmethod
    def tearDownClass(cls):
        cls.work.cleanup()

    def attached(self, *command, **variables):
        return run(*command, LD_PRELOAD=self.library, **variables)

    def expect_same(self, ended, plain):
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(ended.stdout, plain.stdout, ended.stderr)

    def test_one_layout_is_proved_and_each_shifted_field_refused(self):
        for folder in self.folders:
            with self.subTest(folder.name):
                proved = run(self.proof, library_of(folder, "ggml-base"))
                self.assertEqual(proved.returncode, 0, proved.stdout)

    def test_every_version_gives_the_same_results(self):
        for version, program in self.programs.items():
            with self.subTest(version):
                plain = run(program)
                if plain.returncode == -signal.SIGILL:
                    self.skipTest(f"the wheel of {version} was compiled for another processor")
                self.assertEqual(plain.returncode, 0, plain.stderr)
                self.assertEqual(plain.stderr, "")
                quiet = self.attached(program)
                self.expect_same(quiet, plain)
                # ggml's own log callback prints debug lines, too.
                self.assertEqual(set(quiet.stderr.splitlines()), {"ggml-sched: scheduler made by ours"})
                verified = self.attached(program, GGML_SCHED_VERIFY=1)
                self.expect_same(verified, plain)
                self.assertIn(MADE_OURS, verified.stderr)
                stock = self.attached(program, GGML_SCHED="stock")
                self.expect_same(stock, plain)
                self.assertIn(MADE_STOCK, stock.stderr)

    def test_a_trace_is_written(self):
        trace = Path(self.work.name) / "trace.json"
        self.expect_same(self.attached(self.newest, GGML_SCHED_TRACE=trace), run(self.newest))
        self.assertTrue(json.loads(trace.read_text())["traceEvents"])

    def test_two_ggmls_in_one_process_are_told_apart(self):
        for program, other in ((self.old, self.new), (self.new, self.old)):
            with self.subTest(program=program.name):
                library = compile_program(other, Path(self.work.name) / "libother.so", "-DIS_LIBRARY", "-shared", "-fPIC")
                command = [self.programs[program.name], library]
                ended = self.attached(*command, GGML_SCHED_VERIFY=1)
                self.expect_same(ended, run(*command))
                self.assertIn(MADE_OURS, ended.stderr)

    def expect_same_as_plain(self, text, *options, language="c", arguments=(), **variables):
        program = compile_text(text, Path(self.work.name) / "odd", *options, language=language)
        ended = self.attached(program, *arguments, **variables)
        self.expect_same(ended, run(program, *arguments))
        return ended

    def test_a_tail_call_finds_its_ggml(self):
        library = compile_text(TAIL_CALL, Path(self.work.name) / "libtail.so", "-shared", "-fPIC", *links_to(self.new))
        ended = self.expect_same_as_plain(CALLER_WITHOUT_GGML, "-ldl", arguments=[library], GGML_SCHED="ours")
        self.assertIn(MADE_OURS, ended.stderr)

    def test_the_log_callback_may_call_while_a_scheduler_is_freed(self):
        self.expect_same_as_plain(LOG_CALLBACK, *links_to(self.new), GGML_SCHED_TRACE="/dev/full")

    def test_schedulers_may_be_made_while_the_process_ends(self):
        ended = self.expect_same_as_plain(AT_EXIT, *links_to(self.new), GGML_SCHED="ours")
        self.assertEqual(ended.stderr.count(MADE_OURS), 1, "the line is said once")

    def test_an_exception_of_a_callback_passes_through(self):
        self.expect_same_as_plain(EXCEPTION, *links_to(self.new), language="c++")

    def test_another_library_may_stand_between(self):
        shim = compile_text(SHIM, Path(self.work.name) / "libshim.so", "-shared", "-fPIC", "-ldl")
        ended = run(self.newest, LD_PRELOAD=f"{self.library}:{shim}", GGML_SCHED="ours")
        self.expect_same(ended, run(self.newest))
        self.assertIn(MADE_OURS, ended.stderr)

    def test_an_unknown_function_makes_it_step_aside(self):
        source = Path(self.work.name) / "unknown.c"
        source.write_text("void ggml_backend_sched_set_profiling(void *, int);\n"
                          "void use(void) { ggml_backend_sched_set_profiling(0, 1); }\n")
        for style, hides in (("sysv", False), ("gnu", False), ("gnu", True)):
            with self.subTest(hash_table=style, exports=not hides):
                unknown = Path(self.work.name) / "libunknown.so"
                visibility = ["-fvisibility=hidden"] if hides else []
                subprocess.run(["cc", "-shared", "-fPIC", *visibility, source, f"-Wl,--hash-style={style}", "-o", unknown],
                               check=True)
                ended = run(self.newest, LD_PRELOAD=f"{self.library}:{unknown}")
                self.expect_same(ended, run(self.newest))
                self.assertIn("calls ggml_backend_sched_set_profiling, which only ggml's own scheduler has", ended.stderr)
                self.assertEqual(ended.stderr.count("not attached"), 1)

    def test_a_ggml_that_lacks_a_function_keeps_its_scheduler(self):
        source = Path(self.work.name) / "old.c"
        source.write_text("void * ggml_backend_sched_new(void) { return (void *) 1; }\n")
        old = Path(self.work.name) / "libold.so"
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", old], check=True)
        caller = Path(self.work.name) / "caller"
        source.write_text("#include <stdio.h>\nvoid * ggml_backend_sched_new(void *, void *, int, long, int, int);\n"
                          "int main(void) { printf(\"%p\\n\", ggml_backend_sched_new(0, 0, 0, 0, 0, 0)); }\n")
        subprocess.run(["cc", source, "-o", caller, old, f"-Wl,-rpath,{old.parent}"], check=True)
        ended = self.attached(caller)
        self.assertEqual(ended.stdout, "0x1\n", ended.stderr)
        self.assertIn("it does not export ggml_", ended.stderr)

    def test_a_program_without_ggml_does_not_notice(self):
        ended = self.attached("true", GGML_SCHED_VERIFY=1)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
