#!/usr/bin/env python3
"""Configures small trees that look like ggml, of different ages, with cmake/ggml-sched-inject.cmake."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import fake_tree
from fake_tree import COPY_CALLBACK, FUNCTIONS, LATE_FUNCTIONS, REALLOC_CALLBACK, ROOT

HOST = ROOT / "src/sched/host"


class DropIn(unittest.TestCase):
    def configure(self, functions=(*FUNCTIONS, *LATE_FUNCTIONS), optimize="with params", target="ggml-base", impl="",
                  parameters="bool parallel, bool op_offload", more="", defined=()):
        """Returns the exit code, CMake's output in one line, and the commands that would compile each file.

        `more` is added to the header. `defined`: functions that ggml-backend.cpp defines."""
        header = fake_tree.header_of(functions, parameters) + more
        source = "".join(f"void ggml_backend_sched_{name}(void) {{}}\n" for name in defined) + "void f(void) {}\n"
        with tempfile.TemporaryDirectory() as directory:
            code, output = fake_tree.configure(Path(directory), header, optimize, target, impl, source)
            return code, output, fake_tree.commands_of(Path(directory))

    def test_takes_versions_of_all_ages(self):
        for late in ([], LATE_FUNCTIONS[:1], LATE_FUNCTIONS):
            for optimize in ("none", "plain", "with params"):
                with self.subTest(late=late, optimize=optimize):
                    code, output, commands = self.configure([*FUNCTIONS, *late], optimize)
                    self.assertEqual(code, 0, output)
                    self.assertIn("ggml-sched: added to ggml-base", output)
                    self.assertNotIn("becomes ggml's own", output)
                    self.assertNotIn("GGML_SCHED_PASSES_ON", commands)

    def test_tells_the_sources_what_the_headers_have(self):
        _, _, old = self.configure(FUNCTIONS, "plain")
        self.assertIn("GGML_SCHED_HAS_GRAPH_OPTIMIZE=1", old)
        self.assertNotIn("GGML_SCHED_HAS_GRAPH_UID", old)
        self.assertNotIn("dropin/reserve_size.cpp", old)
        _, _, new = self.configure(impl="uint64_t ggml_graph_next_uid(void);")
        self.assertIn("GGML_SCHED_HAS_GRAPH_OPTIMIZE=2", new)
        self.assertIn("GGML_SCHED_HAS_GRAPH_UID=1", new)
        self.assertIn("dropin/reserve_size.cpp", new)

    def test_builds_the_callbacks_that_this_ggml_declares(self):
        _, _, old = self.configure()
        self.assertNotIn("callback.cpp", old)
        code, output, new = self.configure(more=COPY_CALLBACK + REALLOC_CALLBACK)
        self.assertEqual(code, 0, output)
        self.assertIn("dropin/set_copy_callback.cpp", new)
        self.assertIn("dropin/set_realloc_callback.cpp", new)
        self.assertNotIn("becomes ggml's own", output)
        inline = REALLOC_CALLBACK.replace("ggml_backend_sched_on_realloc callback", "void (*callback)("
                                          "ggml_backend_sched_t, struct ggml_cgraph *, bool, bool, void *)")
        self.assertIn("dropin/set_realloc_callback.cpp", self.configure(more=inline)[2])

    def test_passes_on_a_copy_callback_of_other_parameters(self):
        other = COPY_CALLBACK.replace("struct ggml_cgraph * graph", "int split")
        code, output, commands = self.configure(more=other, defined=["set_copy_callback"])
        self.assertEqual(code, 0, output)
        self.assertNotIn("dropin/set_copy_callback.cpp", commands)
        self.assertIn("one of these functions is called on it: ggml_backend_sched_set_copy_callback", output)

    def test_has_all_of_our_own_functions(self):
        header = (ROOT / "include/ggml-sched.h").read_text()
        source = (ROOT / "src/dropin/choice.cpp").read_text()
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
        return subprocess.run([fake_tree.CXX, "-std=c++17", "-fsyntax-only", *options, f"-I{HOST}", "-x", "c++", "-"],
                              input=source, capture_output=True, text=True).stderr

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
        self.assertIn("this ggml is too old for ggml-sched", output)
        self.assertIn("ggml_backend_sched_get_n_copies", output)

    def test_refuses_a_ggml_whose_scheduler_does_not_offload(self):
        code, output, _ = self.configure(parameters="bool parallel")
        self.assertNotEqual(code, 0)
        self.assertIn("ggml_backend_sched_new has no parameter op_offload", output)

    def test_passes_on_what_a_newer_ggml_adds(self):
        more = "GGML_API int ggml_backend_sched_new_thing(ggml_backend_sched_t sched);\n" \
               "GGML_API void ggml_backend_sched_newer_thing(void);\n"
        code, output, commands = self.configure(more=more, defined=["new_thing", "newer_thing"])
        self.assertEqual(code, 0, output)
        self.assertIn("-- ggml-sched: a scheduler becomes ggml's own when one of these functions is called on it: "
                      "ggml_backend_sched_new_thing, ggml_backend_sched_newer_thing", output)
        lines = [line for line in commands.splitlines() if '"command"' in line]
        for file in ("ggml-sched-forwarders.cpp", "dropin/become_stock.cpp", "dropin/forward.cpp"):
            compiling = [line for line in lines if file in line]
            self.assertEqual(len(compiling), 1, file)
            self.assertIn("GGML_SCHED_PASSES_ON=1", compiling[0])
        stock = [line for line in lines if "ggml_backend_sched_new_thing=ggml_stock_sched_new_thing" in line]
        self.assertEqual(len(stock), 1)
        self.assertIn("ggml-backend.cpp", stock[0])

    def test_refuses_a_function_that_it_cannot_read_and_quotes_it(self):
        more = "GGML_API void ggml_backend_sched_new_thing(ggml_backend_sched_t sched, ...);"
        code, output, _ = self.configure(more=more, defined=["new_thing"])
        self.assertNotEqual(code, 0)
        self.assertIn("'void ggml_backend_sched_new_thing(ggml_backend_sched_t sched, ...)'", output)

    def test_refuses_a_function_that_is_not_in_the_schedulers_file(self):
        code, output, _ = self.configure(more="GGML_API void ggml_backend_sched_new_thing(void);")
        self.assertNotEqual(code, 0)
        self.assertIn("ggml-backend.cpp does not define ggml_backend_sched_new_thing", output)

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
