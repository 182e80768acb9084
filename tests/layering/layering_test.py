#!/usr/bin/env python3
"""Shows that layering.py sees each kind of violation, on small trees with one include that is right or wrong."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from layering import RULES, TABLE_BEGIN, TABLE_END, Tree, table, words_of

CHECKER = Path(__file__).with_name("layering.py")

HEADERS = """
    include/ggml.h include/ggml-backend.h src/core/ggml-impl.h src/core/system_memory.h src/core/ggml-backend-impl.h src/core/enumerator.h
    src/core/types/half.h src/core/tensor/context.h src/core/backend/tensor_access.h
    src/sched/host/query.h src/sched/host/execute.h src/sched/host/graph_handle.h src/sched/host/log.h src/sched/host/ggml_api.h
    src/sched/graph/graph_view.h src/sched/assign/assign.h src/sched/split/split.h src/sched/alloc/memory_plan.h
    src/sched/lower/lower.h src/sched/plan/machine.h src/sched/plan/program.h src/sched/plan/plan.h
    src/sched/plan/planner.h src/sched/exec/executor.h src/sched/observe/verifier.h src/sched/session/scheduler.h
    src/sched/session/settings.h src/sched/reuse/split_memo.h src/sched/stream/layout.h src/sched/lower/bindings.h
    src/sched/host/topology.h src/backend-cpu/compute.h src/backend-sim/simulator.h src/backend-gpu/stream.h
    src/backend-cuda/vendor.h
    """.split()

ALLOWED = """
    include/gguf.h                 "ggml.h"
    include/gguf.h                 <stdint.h>
    src/core/types/types.cpp       "types/half.h"
    src/core/types/types.cpp       "enumerator.h"
    src/core/tensor/tensor.cpp     <vector>
    src/core/ops/view.cpp          "tensor/context.h"
    src/core/alloc/graph_plan.cpp  "backend/tensor_access.h"
    src/core/files.cpp             <sys/types.h>
    src/core/system_memory.cpp     <windows.h>
    src/backend-cpu/backend.cpp    "compute.h"
    src/backend-cpu/backend.cpp    "ggml-backend-impl.h"
    src/backend-gpu/host_memory.cpp "system_memory.h"
    src/backend-cuda/register.cpp  "stream.h"
    src/backend-cuda/vendor.h      <cuda_runtime.h>
    src/backend-gpu/stream.cpp     "vendor.h"
    src/sched/host/execute.cpp     "host/ggml_api.h"
    src/sched/host/ggml_api.h      "ggml-backend-impl.h"
    src/dropin/choice.cpp          "host/log.h"
    src/sched/graph/views.cpp      "host/query.h"
    src/sched/assign/expand.cpp    "graph/graph_view.h"
    src/sched/alloc/memory_planner.cpp "host/graph_handle.h"
    src/sched/lower/lower.cpp      "plan/program.h"
    src/sched/plan/planner.cpp     "plan/plan.h"
    src/sched/exec/executor.cpp    "host/execute.h"
    src/sched/observe/verifier.cpp "plan/plan.h"
    src/sched/session/scheduler.cpp "observe/verifier.h"
    src/sched/session/scheduler.cpp "reuse/split_memo.h"
    src/sched/reuse/split_memo.cpp "split/split.h"
    src/sched/lower/lower.cpp      "stream/layout.h"
    src/sched/exec/executor.cpp    "lower/bindings.h"
    src/sched/capi.cpp             "observe/verifier.h"
    src/sched/host/topology.cpp    "plan/machine.h"
    """

FORBIDDEN = """
    include/gguf.h                 <string>
    include/gguf.h                 <vector>
    include/gguf.h                 "../src/core/enumerator.h"
    src/core/log.cpp               "compute.h"
    src/core/log.cpp               <unistd.h>
    src/backend-sim/memory.cpp     <sys/mman.h>
    src/core/log.cpp               "tensor/context.h"
    src/core/tensor/tensor.cpp     "../../sched/plan/plan.h"
    src/core/tensor/tensor.cpp     "types/half.h"
    src/core/tensor/tensor.cpp     <boost/any.hpp>
    src/core/ops/view.cpp          "backend/tensor_access.h"
    src/core/backend/buffer.cpp    "tensor/context.h"
    src/core/stray/stray.cpp       "ggml.h"
    src/backend-cpu/backend.cpp    "plan/plan.h"
    src/backend-cpu/backend.cpp    "../sched/host/query.h"
    src/backend-cpu/backend.cpp    "../backend-sim/simulator.h"
    src/backend-gpu/stream.cpp     "../backend-cuda/vendor.h"
    src/backend-gpu/stream.cpp     <cuda_runtime.h>
    src/backend-hip/vendor.h       <cuda_runtime.h>
    src/backend-sim/device.cpp     "observe/verifier.h"
    src/sched/host/query.h         "ggml-impl.h"
    src/sched/host/query.h         "host/ggml_api.h"
    src/sched/exec/executor.cpp    "host/ggml_api.h"
    src/sched/capi.cpp             "host/ggml_api.h"
    src/dropin/choice.cpp          "host/query.h"
    src/dropin/choice.cpp          "ggml-impl.h"
    src/sched/host/execute.cpp     "types/half.h"
    src/sched/host/query.cpp       "graph/graph_view.h"
    src/sched/graph/views.cpp      "ggml-impl.h"
    src/sched/graph/views.cpp      <ggml-impl.h>
    src/sched/graph/views.cpp      "host/execute.h"
    src/sched/graph/views.cpp      "assign/assign.h"
    src/sched/assign/expand.cpp    "split/split.h"
    src/sched/split/split.cpp      "alloc/memory_plan.h"
    src/sched/alloc/memory_planner.cpp "plan/plan.h"
    src/sched/lower/lower.cpp      "plan/planner.h"
    src/sched/lower/lower.cpp      "exec/executor.h"
    src/sched/plan/planner.cpp     "ggml.h"
    src/sched/plan/planner.cpp     "host/query.h"
    src/sched/plan/planner.cpp     <unistd.h>
    src/sched/exec/executor.cpp    "plan/planner.h"
    src/sched/exec/executor.cpp    "observe/verifier.h"
    src/sched/exec/executor.cpp    "ggml-backend-impl.h"
    src/sched/observe/verifier.cpp "plan/planner.h"
    src/sched/observe/verifier.cpp "exec/executor.h"
    src/sched/host/topology.cpp    "observe/verifier.h"
    src/sched/split/split.cpp      "stream/layout.h"
    src/sched/lower/lower.cpp      "reuse/split_memo.h"
    src/sched/exec/executor.cpp    "reuse/split_memo.h"
    src/sched/exec/executor.cpp    "lower/lower.h"
    src/sched/reuse/split_memo.cpp "session/scheduler.h"
    src/sched/observe/verifier.cpp "session/settings.h"
    src/sched/stream/layout.cpp    "lower/lower.h"
    src/sched/session/scheduler.cpp "ggml-impl.h"
    src/sched/stray/stray.cpp      "ggml.h"
    src/sched/plan/planner.cpp     "plan/no_such_file.h"
    """


class Layering(unittest.TestCase):
    def tree_with(self, path, text):
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        for name in [*HEADERS, path]:
            file = Path(root.name, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("" if name != path else text)
        return root.name

    def violations(self, path, text):
        return list(Tree(self.tree_with(path, text)).violations())

    @staticmethod
    def cases(table):
        return [line.split(None, 1) for line in table.strip().splitlines()]

    def test_accepts_what_each_layer_may_include(self):
        for path, header in self.cases(ALLOWED):
            with self.subTest(path=path, header=header):
                self.assertEqual(self.violations(path, f"#pragma once\n#include {header}\n"), [])

    def test_names_the_file_and_the_line_of_each_violation(self):
        for path, header in self.cases(FORBIDDEN):
            with self.subTest(path=path, header=header):
                found = self.violations(path, f"// first\n/* two\n   lines */\n  #  include {header}\n")
                self.assertEqual(len(found), 1)
                self.assertTrue(found[0].startswith(path), found[0])
                if "stray" not in path:
                    self.assertTrue(found[0].startswith(f"{path}:4: "), found[0])

    def test_ignores_comments(self):
        text = '// #include "ggml.h"\n/*\n#include "ggml.h"\n*/\n'
        self.assertEqual(self.violations("src/sched/plan/planner.cpp", text), [])

    def test_fails_as_a_command_on_a_violation_and_on_an_empty_tree_only(self):
        def run(root):
            return subprocess.run([sys.executable, CHECKER, root], capture_output=True, text=True)

        good = run(self.tree_with("src/sched/plan/planner.cpp", '#include "plan/plan.h"\n'))
        self.assertEqual(good.returncode, 0, good.stdout)
        bad = run(self.tree_with("src/sched/plan/planner.cpp", '#include "ggml.h"\n'))
        self.assertEqual(bad.returncode, 1)
        self.assertEqual(bad.stdout, "src/sched/plan/planner.cpp:1: may not include include/ggml.h\n")
        with tempfile.TemporaryDirectory() as empty:
            self.assertEqual(run(empty).returncode, 1)

    def test_writes_patterns_as_a_person_does(self):
        for pattern, words in (
                (r"include/.*", "include/"),
                (r"src/sched/host/(query|log)\.h", "host/{query,log}.h"),
                (r"src/core/ggml-(backend-)?impl\.h", "src/core/ggml-[backend-]impl.h"),
                (r"src/core/((ops|tensor)/)?[^/]*", "src/core/[{ops,tensor}/]*"),
                (r"src/backend-\1/.*", "src/backend-<same>/"),
                (r"src/sched/host/.*\.h", "host/*.h"),
                (r"src/sched/host/(?!ggml_api|internals)[^/]*", "host/* but ggml_api.h and internals.h")):
            with self.subTest(pattern=pattern):
                self.assertEqual(words_of(pattern), words)

    def test_the_table_has_a_line_for_each_rule_and_fits_the_page(self):
        lines = table().splitlines()[1:-1]
        self.assertEqual(sum(not line.startswith(" ") for line in lines), len(RULES))
        self.assertLessEqual(max(map(len, lines)), 100)

    def test_finds_and_repairs_a_table_that_is_not_that_of_the_rules(self):
        def run(option, document):
            return subprocess.run([sys.executable, CHECKER, option, document], capture_output=True).returncode

        with tempfile.TemporaryDirectory() as folder:
            document = Path(folder, "document.md")
            document.write_text(f"before\n{TABLE_BEGIN}{table().replace('plan/', 'plans/')}{TABLE_END}after\n")
            self.assertEqual(run("--check-table", document), 1)
            self.assertEqual(run("--write-table", document), 0)
            self.assertEqual(run("--check-table", document), 0)
            self.assertEqual(document.read_text(), f"before\n{TABLE_BEGIN}{table()}{TABLE_END}after\n")
            document.write_text("no table\n")
            self.assertEqual(run("--check-table", document), 1)


if __name__ == "__main__":
    unittest.main()
