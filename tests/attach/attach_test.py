#!/usr/bin/env python3
"""Tests of the attach library with published ggmls of many versions.

    attach_test.py LIBRARY PROOF_PROGRAM FOLDER

FOLDER holds one folder for each version of libggml-python, with the unpacked wheel. scripts/try-attach makes it.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

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
        cls.newest = cls.programs[cls.folders[-1].name]

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
        other = compile_program(self.folders[0], Path(self.work.name) / "libother.so", "-DIS_LIBRARY", "-shared", "-fPIC")
        ended = self.attached(self.newest, other, GGML_SCHED_VERIFY=1)
        self.expect_same(ended, run(self.newest, other))
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
        source.write_text("#include <stdio.h>\nvoid * ggml_backend_sched_new(void) { return (void *) 1; }\n")
        old = Path(self.work.name) / "libold.so"
        subprocess.run(["cc", "-shared", "-fPIC", source, "-o", old], check=True)
        caller = Path(self.work.name) / "caller"
        source.write_text("#include <stdio.h>\nvoid * ggml_backend_sched_new(void);\n"
                          "int main(void) { printf(\"%p\\n\", ggml_backend_sched_new()); }\n")
        subprocess.run(["cc", source, "-o", caller, old, f"-Wl,-rpath,{old.parent}"], check=True)
        ended = self.attached(caller)
        self.assertEqual(ended.stdout, "0x1\n", ended.stderr)
        self.assertIn("it does not export ggml_", ended.stderr)

    def test_a_program_without_ggml_does_not_notice(self):
        ended = self.attached("true", GGML_SCHED_VERIFY=1)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
