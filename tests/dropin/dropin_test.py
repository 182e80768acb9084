#!/usr/bin/env python3
"""Configures small trees that look like ggml, of different ages, with cmake/ggml-sched-inject.cmake."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INJECT = ROOT / "cmake/ggml-sched-inject.cmake"
HOST = ROOT / "src/sched/host"

FUNCTIONS = """
    new free reserve get_n_backends get_backend get_n_splits get_n_copies get_buffer_size set_tensor_backend
    get_tensor_backend alloc_graph graph_compute graph_compute_async synchronize reset set_eval_callback
    """.split()
LATE_FUNCTIONS = ["reserve_size", "get_buffer_type", "split_graph"]

GRAPH_OPTIMIZE = {
    "none": "",
    "plain": "void (*graph_optimize)    (ggml_backend_t backend, struct ggml_cgraph * cgraph);",
    "with params": "void (*graph_optimize) (ggml_backend_t backend, struct ggml_cgraph * cgraph, "
                   "struct ggml_backend_graph_optimize_params * params);",
    "unknown": "void (*graph_optimize) (ggml_backend_t backend, struct ggml_cgraph * cgraph, int level);",
}

PROJECT = """
cmake_minimum_required(VERSION 3.14...3.28)
project("ggml" C CXX)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_subdirectory(src)
"""


class DropIn(unittest.TestCase):
    def configure(self, functions=(*FUNCTIONS, *LATE_FUNCTIONS), optimize="with params", target="ggml-base", impl="",
                  parameters="bool parallel, bool op_offload"):
        """Returns the exit code, CMake's output in one line, and the commands that would compile each file."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = Path(directory.name)
        ggml = root / "ggml"
        for name in ("include", "src"):
            (ggml / name).mkdir(parents=True)
        (ggml / "CMakeLists.txt").write_text(PROJECT)
        (ggml / "src/CMakeLists.txt").write_text("add_compile_definitions(GGML_SCHED_MAX_COPIES=7)\n"
                                                 f"add_library({target} ggml-backend.cpp)\n")
        (ggml / "src/ggml-backend.cpp").write_text("")
        (ggml / "src/ggml-impl.h").write_text(impl)
        (ggml / "src/ggml-backend-impl.h").write_text(GRAPH_OPTIMIZE[optimize])
        (ggml / "include/ggml-alloc.h").write_text("")
        (ggml / "include/ggml-backend.h").write_text("// GGML_API ggml_backend_sched_of_a_comment(void);\n" + "\n".join(
            f"    GGML_API bool                 ggml_backend_sched_{name}({parameters});"
            for name in functions))
        done = subprocess.run([os.environ.get("CMAKE", "cmake"), "-S", ggml, "-B", root / "build",
                               f"-DCMAKE_PROJECT_ggml_INCLUDE={INJECT}"], capture_output=True, text=True)
        commands = root / "build/compile_commands.json"
        return (done.returncode, " ".join((done.stdout + done.stderr).split()),
                commands.read_text() if commands.exists() else "")

    def test_takes_versions_of_all_ages(self):
        for late in ([], LATE_FUNCTIONS[:1], LATE_FUNCTIONS):
            for optimize in ("none", "plain", "with params"):
                with self.subTest(late=late, optimize=optimize):
                    code, output, _ = self.configure([*FUNCTIONS, *late], optimize)
                    self.assertEqual(code, 0, output)
                    self.assertIn("ggml-sched: added to ggml-base", output)

    def test_tells_the_sources_what_the_headers_have(self):
        _, _, old = self.configure(FUNCTIONS, "plain")
        self.assertIn("GGML_SCHED_HAS_GRAPH_OPTIMIZE=1", old)
        self.assertNotIn("GGML_SCHED_HAS_GRAPH_UID", old)
        self.assertNotIn("dropin/reserve_size.cpp", old)
        _, _, new = self.configure(impl="uint64_t ggml_graph_next_uid(void);")
        self.assertIn("GGML_SCHED_HAS_GRAPH_OPTIMIZE=2", new)
        self.assertIn("GGML_SCHED_HAS_GRAPH_UID=1", new)
        self.assertIn("dropin/reserve_size.cpp", new)

    def test_has_all_of_our_own_functions(self):
        header = (INJECT.parents[1] / "include/ggml-sched.h").read_text()
        source = (INJECT.parents[1] / "src/dropin/choice.cpp").read_text()
        declared = re.findall(r"^GGML_API .*?(ggml_sched_\w+)\(", header, re.MULTILINE)
        defined = re.findall(r"^\w.*?(ggml_sched_\w+)\(", source, re.MULTILINE)
        self.assertGreater(len(declared), 10)
        self.assertEqual([], sorted(set(declared) - set(defined)))

    def test_has_as_many_copies_as_this_ggml(self):
        _, _, commands = self.configure()
        slots = [line for line in commands.splitlines() if '"command"' in line and "split/slots.cpp" in line]
        self.assertEqual(len(slots), 1)
        self.assertIn("GGML_SCHED_MAX_COPIES=7", slots[0])
        for options, copies in (["-DGGML_SCHED_MAX_COPIES=7"], 7), ([], 4):
            self.assertEqual(self.compile(f"static_assert(ggml_sched::kMaxCopies == {copies});", options), "")
        self.assertIn("must be 1 or more", self.compile("", ["-DGGML_SCHED_MAX_COPIES=0"]))

    def compile(self, line, options):
        """What the compiler says of a line behind our header with the number of copies."""
        source = f'#include "max_copies.h"\n{line}\n'
        return subprocess.run([os.environ.get("CXX", "c++"), "-std=c++17", "-fsyntax-only", *options, f"-I{HOST}", "-x",
                               "c++", "-"], input=source, capture_output=True, text=True).stderr

    def test_renames_the_stock_functions_in_their_file_only(self):
        _, _, commands = self.configure()
        lines = [line for line in commands.splitlines() if '"command"' in line]
        renaming = [line for line in lines if "ggml_backend_sched_new=ggml_stock_sched_new" in line]
        self.assertEqual(len(renaming), 1)
        self.assertIn("ggml-backend.cpp", renaming[0])
        self.assertIn("ggml_backend_sched=ggml_stock_sched", renaming[0])

    def test_refuses_an_older_ggml_and_names_what_it_lacks(self):
        code, output, _ = self.configure([name for name in FUNCTIONS if name != "get_n_copies"])
        self.assertNotEqual(code, 0)
        self.assertIn("this ggml is too old for the drop-in", output)
        self.assertIn("ggml_backend_sched_get_n_copies", output)

    def test_refuses_a_ggml_whose_scheduler_does_not_offload(self):
        code, output, _ = self.configure(parameters="bool parallel")
        self.assertNotEqual(code, 0)
        self.assertIn("ggml_backend_sched_new has no parameter op_offload", output)

    def test_refuses_a_newer_ggml_and_names_what_it_adds(self):
        code, output, _ = self.configure([*FUNCTIONS, "new_thing"])
        self.assertNotEqual(code, 0)
        self.assertIn("newer than this ggml-sched", output)
        self.assertIn("ggml_backend_sched_new_thing", output)

    def test_refuses_an_interface_that_it_does_not_know(self):
        code, output, _ = self.configure(optimize="unknown")
        self.assertNotEqual(code, 0)
        self.assertIn("declares graph_optimize in a way that this ggml-sched does not know", output)

    def test_refuses_a_project_without_the_target(self):
        code, output, _ = self.configure(target="ggml")
        self.assertNotEqual(code, 0)
        self.assertIn("has no target ggml-base", output)


if __name__ == "__main__":
    unittest.main()
