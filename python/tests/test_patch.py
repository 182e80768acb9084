"""Tests of `ggml-sched patch`, with small trees that look like ggml. scripts/try-attach compiles a real one."""

import os
import shutil
import subprocess
import sys
import unittest
from unittest import mock

from support import PYTHON, Case

sys.path.insert(0, str(PYTHON.parent / "tests/dropin"))

import fake_tree  # noqa: E402

import ggml_sched.edits  # noqa: E402
import ggml_sched.patch  # noqa: E402
from ggml_sched import installed  # noqa: E402
from ggml_sched.one_file import join  # noqa: E402

HEADER = fake_tree.header_of(fake_tree.FUNCTIONS)
SOURCES = {"ggml-backend.cpp": "// ggml's scheduler\nint a;\n", "ggml-threading.cpp": "int b;\n",
           "ggml-opt.cpp": "int c;\n", "ggml-impl.h": "", "ggml-backend-impl.h": ""}


class Patch(Case):
    def tree(self, header=HEADER, flat=False, name="tree"):
        """Makes a tree in the folder `name`. Returns the folder of its sources."""
        root = self.folder / name
        sources, headers = (root, root) if flat else (root / "ggml/src", root / "ggml/include")
        for folder in (sources, headers):
            folder.mkdir(parents=True, exist_ok=True)
        for file, text in SOURCES.items():
            (sources / file).write_text(text)
        for file, text in {"ggml-backend.h": header, "ggml-alloc.h": "", "ggml.h": ""}.items():
            (headers / file).write_text(text)
        return sources

    def contents(self):
        """All files of all trees, with their modes."""
        return {path: (path.read_bytes(), path.stat().st_mode) for path in self.folder.rglob("*") if path.is_file()}

    def assertRefused(self, text, *arguments):
        """The command ends with one sentence that has this text, and changes nothing."""
        before = self.contents()
        code, _, err = self.command("patch", "--yes", *arguments)
        self.assertEqual(code, 2, err)
        self.assertOneSentence(err)
        self.assertIn(text, err)
        self.assertEqual(self.contents(), before)

    def test_ThreeSourcesIncludeWhatIsAdded(self):
        sources = self.tree()
        code, out, _ = self.command("patch", "--yes", self.folder / "tree")
        self.assertEqual(code, 0)
        for name, included in (("ggml-backend.cpp", "stock.h"), ("ggml-threading.cpp", "ours.inc"),
                               ("ggml-opt.cpp", "choice.inc")):
            line, rest = (sources / name).read_text().split("\n", 1)
            self.assertTrue(line.startswith(f'#include "ggml-sched/{included}"'), line)
            self.assertEqual(rest, SOURCES[name])
            self.assertTrue((sources / "ggml-sched" / included).is_file())
            self.assertIn(f"+{line}\n", out)

    def test_WithoutAgreementTheDifferenceIsOnlyShown(self):
        self.tree()
        before = self.contents()
        with mock.patch.object(sys, "stdin", None):
            code, out, err = self.command("patch", self.folder / "tree")
        self.assertEqual(code, 1)
        self.assertIn('+#include "ggml-sched/stock.h"', out)
        self.assertOneSentence(err)
        self.assertEqual(self.contents(), before)

    def test_UndoRestoresEveryByte(self):
        sources = self.tree()
        (sources / "ggml-backend.cpp").write_bytes(b"\xef\xbb\xbf// with a mark\r\nint a;\r\n")
        (sources / "ggml-threading.cpp").write_bytes(b"")
        (sources / "ggml-opt.cpp").write_bytes(b"\xff int no_end;")
        (sources / "ggml-opt.cpp").chmod(0o640)
        before = self.contents()
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertTrue((sources / "ggml-backend.cpp").read_bytes().startswith(b"\xef\xbb\xbf#include"))
        self.assertEqual((sources / "ggml-opt.cpp").stat().st_mode & 0o777, 0o640)
        self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
        self.assertEqual(self.contents(), before)
        self.assertFalse((sources / "ggml-sched").exists())

    def test_PatchingAgainChangesNothing(self):
        self.tree()
        self.command("patch", "--yes", self.folder / "tree")
        before = self.contents()
        code, out, _ = self.command("patch", "--yes", self.folder / "tree")
        self.assertEqual((code, out.count("\n")), (0, 1))
        self.assertEqual(self.contents(), before)

    def test_AnOlderPatchIsReplaced(self):
        sources = self.tree()
        self.command("patch", "--yes", self.folder / "tree")
        before = self.contents()
        (sources / "ggml-sched/ours.inc").write_bytes(ggml_sched.patch.HEAD + b"// older\n")
        code, out, _ = self.command("patch", "--yes", self.folder / "tree")
        self.assertEqual(code, 0)
        self.assertIn("changed file ggml-sched/ours.inc", out)
        self.assertEqual(self.contents(), before)

    def test_FilesThatAreNotOursStay(self):
        sources = self.tree()
        self.command("patch", "--yes", self.folder / "tree")
        (sources / "ggml-sched/notes.txt").write_text("mine")
        (sources / "ggml-sched/stock.h").write_text("mine")
        self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
        self.assertEqual(sorted(path.name for path in (sources / "ggml-sched").iterdir()), ["notes.txt", "stock.h"])
        self.assertRefused("a file of yours", self.folder / "tree")

    def test_FilesOfOursAreKnownByTheirTextNotTheirBytes(self):
        sources = self.tree()
        before = self.contents()
        self.command("patch", "--yes", self.folder / "tree")
        for path in (sources / "ggml-sched").iterdir():
            path.write_bytes(b"// Copyright\r\n" + path.read_bytes().replace(b"\n", b"\r\n"))
        self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
        self.assertEqual(self.contents(), before)

    def test_LinksInOurFolderAreNotFollowed(self):
        sources = self.tree()
        (sources / "ggml-sched").mkdir()
        (sources / "ggml-sched/stock.h").symlink_to(self.folder / "victim")
        self.assertRefused("is a link", self.folder / "tree")
        (sources / "ggml-sched/stock.h").unlink()
        (self.folder / "victim").write_text("precious")
        (sources / "ggml-opt.cpp.ggml-sched-new").symlink_to(self.folder / "victim")
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertEqual((self.folder / "victim").read_text(), "precious")
        self.assertFalse((sources / "ggml-opt.cpp").is_symlink())

    def test_AnEditorsLockAndAnOldHeaderOfOursDoNotMatter(self):
        sources = self.tree()
        (sources / ".#ggml.h").symlink_to("me@host.1")
        (sources.parent / "include/ggml-sched.h").write_text("#error stale\n")
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertIn('#include "ggml-sched.h"', (sources / "ggml-sched/choice.inc").read_text())

    def test_UndoFindsWhatIsLeftOfAPatchedTree(self):
        sources = self.tree()
        self.command("patch", "--yes", self.folder / "tree")
        shutil.rmtree(sources / "ggml-sched")
        (sources / "ggml-opt.cpp").unlink()
        self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
        self.assertEqual((sources / "ggml-threading.cpp").read_text(), SOURCES["ggml-threading.cpp"])

    def test_AFolderOfTheUserStays(self):
        sources = self.tree()
        (sources / "ggml-sched").mkdir()
        self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
        self.assertTrue((sources / "ggml-sched").is_dir())

    def test_OurLineIsFoundWhereverItStands(self):
        sources = self.tree()
        before = self.contents()
        self.command("patch", "--yes", self.folder / "tree")
        path = sources / "ggml-threading.cpp"
        line = path.read_bytes().split(b"\n")[0] + b"\n"
        for changed in (b"// mine\n" + line, line + line, line.split(b" //")[0] + b"\n", line[:-1] + b"  \r\n"):
            path.write_bytes(changed + b"int b;\n")
            self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
            self.assertEqual(path.read_bytes(), (b"// mine\n" if b"mine" in changed else b"") + b"int b;\n")
            self.command("patch", "--yes", self.folder / "tree")
        path.write_bytes(line[:-1] + b" int joined;\n")
        self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)
        for other in (b"/* */ #include \"ggml-sched/ours.inc\"\n", b"#include <ggml-sched/ours.inc>\n",
                      b"#import \"../src/ggml-sched/ours.inc\"\n"):
            path.write_bytes(other)
            self.assertRefused("remove it by hand", "--undo", self.folder / "tree")
        path.write_text(SOURCES["ggml-threading.cpp"])
        self.assertEqual(self.contents(), before)

    def test_ANewHeaderChangesTheLineSoThatAllIsBuiltAgain(self):
        sources = self.tree()
        self.command("patch", "--yes", self.folder / "tree")
        before = (sources / "ggml-threading.cpp").read_text()
        (sources / "ggml-impl.h").write_text("struct another;\n")
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertNotEqual((sources / "ggml-threading.cpp").read_text(), before)

    def test_AnEditBehindTheQuestionIsNotLost(self):
        sources = self.tree()

        def agree():
            (sources / "ggml-backend.cpp").write_text("int edited;\n")
            return True
        with mock.patch.object(ggml_sched.patch, "is_agreed", agree):
            code, _, err = self.command("patch", self.folder / "tree")
        self.assertEqual(code, 2)
        self.assertIn("changed meanwhile", err)
        self.assertEqual((sources / "ggml-backend.cpp").read_text(), "int edited;\n")
        self.assertFalse((sources / "ggml-sched").exists())

    def test_UndoNeedsNeitherCMakeNorHeaders(self):
        sources = self.tree()
        self.command("patch", "--yes", self.folder / "tree")
        (sources.parent / "include/ggml-backend.h").unlink()
        with mock.patch("shutil.which", return_value=None):
            self.assertEqual(self.command("patch", "--yes", "--undo", self.folder / "tree")[0], 0)

    def test_HeadersMayLieBesideTheSources(self):
        sources = self.tree(flat=True)
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertIn('#include "../ggml-backend.h"', (sources / "ggml-sched/ggml-sched.h").read_text())

    def test_ALinkedSourceStaysALink(self):
        sources = self.tree()
        elsewhere = self.folder / "tree/elsewhere.cpp"
        (sources / "ggml-backend.cpp").rename(elsewhere)
        (sources / "ggml-backend.cpp").symlink_to(elsewhere)
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertTrue((sources / "ggml-backend.cpp").is_symlink())
        self.assertIn("ggml-sched", elsewhere.read_text())

    def test_ASourceOfAnotherTreeIsNotChanged(self):
        sources = self.tree()
        (sources / "ggml-backend.cpp").rename(self.folder / "elsewhere.cpp")
        (sources / "ggml-backend.cpp").symlink_to(self.folder / "elsewhere.cpp")
        self.assertRefused("outside of", self.folder / "tree")

    def test_OnlyOneGgmlCanBeMeant(self):
        self.assertRefused("no folder", self.folder / "missing")
        self.assertRefused("with all of ggml-backend.cpp", self.folder)
        self.tree()
        self.tree(name="other")
        self.assertRefused("more than one ggml", self.folder)
        self.assertEqual(self.command("patch", "--yes", self.folder / "other")[0], 0)

    def test_ATreeWithACopyBelowItIsTheOneThatIsNamed(self):
        self.tree(flat=True)
        self.tree(flat=True, name="tree/build")
        self.assertEqual(self.command("patch", "--yes", self.folder / "tree")[0], 0)
        self.assertFalse((self.folder / "tree/build/ggml-sched").exists())

    def test_PathsThatCMakeOrCCannotTakeAreRefused(self):
        for name in ("a;b", "a[b", 'a"b', "a$b", "a\nb"):
            self.tree(name=name)
            self.assertRefused("in its path", self.folder / name)
        self.tree(name="of a user \u00e4\udcff")
        self.assertEqual(self.command("patch", "--yes", self.folder / "of a user \u00e4\udcff")[0], 0)

    def test_ABrokenCMakeIsNamed(self):
        self.tree()
        for text, reason in (("exit 3", "said nothing"), ("exit 0", "did not run"),
                             ("echo CMake 3.19 or higher is required >&2; exit 1", "too old")):
            broken = self.script("cmake", f"#!/bin/sh\n{text}\n")
            with mock.patch("shutil.which", return_value=str(broken)):
                self.assertRefused(reason, self.folder / "tree")

    def test_AnUnknownGgmlIsRefused(self):
        self.tree(header="// nothing")
        self.assertRefused("too old", self.folder / "tree")
        sources = self.tree(name="strange")
        (sources / "ggml-backend-impl.h").write_text(fake_tree.GRAPH_OPTIMIZE["unknown"])
        self.assertRefused("graph_optimize", self.folder / "strange")

    def test_WithoutCMakeItSaysWhatToInstall(self):
        self.tree()
        with mock.patch("shutil.which", return_value=None):
            self.assertRefused("install", self.folder / "tree")

    def fail_at(self, failing, error, *arguments):
        """Runs the command; the replacement of a file with this number fails."""
        written, calls = os.replace, iter(range(1, 99))

        def replace(source, target):
            if next(calls) == failing:
                raise error
            written(source, target)
        with mock.patch.object(ggml_sched.edits.os, "replace", replace):
            return self.command("patch", "--yes", *arguments, self.folder / "tree")

    def test_AFailureLeavesTheTreeAsItWas(self):
        self.tree()
        before = self.contents()
        for failing in range(1, 8):
            code, _, err = self.fail_at(failing, OSError(28, "No space left on device", "x"))
            self.assertEqual((code, self.contents()), (2, before), failing)
            self.assertOneSentence(err)
            self.assertIn("as it was", err)
            self.assertEqual(self.fail_at(failing, KeyboardInterrupt())[0], 130)
            self.assertEqual(self.contents(), before, failing)

    def test_AReadOnlyTreeIsAsItWas(self):
        sources = self.tree()
        before = self.contents()
        sources.chmod(0o555)
        self.addCleanup(sources.chmod, 0o755)
        done = self.powerless("patch", "--yes", self.folder / "tree")
        self.assertEqual(done.returncode, 2)
        self.assertOneSentence(done.stderr)
        self.assertIn("as it was", done.stderr)
        self.assertEqual(self.contents(), before)

    def test_WhatCannotBeTakenBackIsNamed(self):
        sources = self.tree()
        written, calls = os.replace, iter(range(1, 99))

        def replace(source, target):
            if next(calls) >= 6:
                raise OSError(5, "Input/output error", str(target))
            written(source, target)
        with mock.patch.object(ggml_sched.edits.os, "replace", replace):
            code, _, err = self.command("patch", "--yes", self.folder / "tree")
        self.assertEqual(code, 2)
        self.assertIn(f"could not be taken back: {sources}", err)

    def test_OurSourcesCompileAsOneFile(self):
        """Two of our sources may not have the same name for different things."""
        compiler = shutil.which("g++") or shutil.which("c++")
        if not compiler:
            self.skipTest("there is no C++ compiler")
        root = installed.sources()
        joined = self.folder / "joined.cpp"
        joined.write_text(join(sorted((root / "src/sched").rglob("*.cpp")), root, [root / "src/sched"], {}))
        done = subprocess.run([compiler, "-std=c++17", "-fsyntax-only", f"-I{root}/include", f"-I{root}/src/core", joined],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[:2000])


if __name__ == "__main__":
    unittest.main()
