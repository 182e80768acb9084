"""Tests of the command itself: its help, its errors, and the files that it names."""

import ast
import os
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
        for name in ("run", "doctor", "compare", "timeline", "patch", "cmake-file"):
            self.assertIn(name, done.stdout)

    def test_BadInputIsOneSentence(self):
        for arguments in ([], ["dance"], ["--", "ls"], ["cmake-file", "x"], ["cmake-file", "--", "x"],
                          ["timeline", "a", "--", "b"], ["patch"], ["patch", "a", "--", "b"], ["run", "--unknown", "--", "ls"]):
            code, out, err = self.command(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertOneSentence(err)


    def test_TheModuleOfTheCommandRunsIt(self):
        done = self.process("cmake-file", module="ggml_sched.command")
        self.assertEqual((done.returncode, Path(done.stdout.strip()).name), (0, "ggml-sched-inject.cmake"))

    def test_EmptyNamesAreRefused(self):
        for arguments in (["doctor", ""], ["doctor", "--"], ["run", "--trace", "", "--", "true"], ["timeline", ""],
                          ["timeline", "t.json", ""], ["compare", "--pattern", "", "--", "true"]):
            code, out, err = self.command(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertOneSentence(err)

    def test_AFullStdoutIsOneSentence(self):
        for arguments in (["doctor"], ["--help"], ["cmake-file"]):
            with open("/dev/full", "w") as full:
                done = self.process(*arguments, settings={"stdout": full})
            self.assertEqual(done.returncode, 2)
            self.assertOneSentence(done.stderr)

    def test_AFullOrClosedStderrStopsNothing(self):
        program = self.script("odd", "#!/usr/bin/env -S -u X sh\necho hello\n")
        program.chmod(0o755)
        with open("/dev/full", "w") as full:
            done = self.process("run", "--", program, settings={"stderr": full})
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"))
        done = self.process("run", "--", "no-such-command", settings={"preexec_fn": lambda: os.close(2)})
        self.assertEqual((done.returncode, done.stdout), (127, ""))

    def test_AGoneFolderIsOneSentence(self):
        self.enter_folder()
        (self.folder / "gone").mkdir()
        os.chdir(self.folder / "gone")
        (self.folder / "gone").rmdir()
        code, out, err = self.command("run", "--trace", "t.json", "--", "true")
        self.assertEqual((code, out), (2, ""))
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
