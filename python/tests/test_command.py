"""Tests of the command itself: its help, its errors, and the files that it names."""

import ast
import sys
import unittest
from pathlib import Path

from support import PYTHON, Case

MODULES = sorted((PYTHON / "ggml_sched").glob("*.py"))


class Command(Case):
    def test_TheCmakeFileIsNamed(self):
        code, out, _ = self.command("cmake-file")
        self.assertEqual(code, 0)
        self.assertTrue(Path(out.strip()).is_file())
        self.assertEqual(Path(out.strip()).name, "ggml-sched-inject.cmake")

    def test_HelpNamesEverySubcommand(self):
        done = self.process("--help")
        self.assertEqual(done.returncode, 0)
        for name in ("run", "doctor", "compare", "timeline", "cmake-file"):
            self.assertIn(name, done.stdout)

    def test_BadInputIsOneSentence(self):
        for arguments in ([], ["dance"], ["--", "ls"], ["cmake-file", "x"], ["cmake-file", "--", "x"],
                          ["timeline", "a", "--", "b"], ["run", "--unknown", "--", "ls"]):
            code, out, err = self.command(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertOneSentence(err)


class Sources(unittest.TestCase):
    def test_OnlyTheStandardLibraryIsImported(self):
        if not hasattr(sys, "stdlib_module_names"):
            self.skipTest("this Python does not list its library")
        for path in MODULES:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
                for name in names:
                    self.assertIn(name.split(".")[0], sys.stdlib_module_names, path)

    def test_TheyAreReadableByPython39(self):
        for path in MODULES:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


if __name__ == "__main__":
    unittest.main()
