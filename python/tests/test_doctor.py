"""Tests of `ggml-sched doctor`, on ggmls that the compiler makes."""

import contextlib
import os
import random
import shutil
import unittest
import zipfile
from unittest import mock

from support import FAKE_BASE, FAKE_REGISTRY, Case, compile_file, compile_library

from ggml_sched.collection import unpack
from ggml_sched.messages import Failed
from ggml_sched.probe import Answers, load_failure
from ggml_sched.report import auto_budget

GIB = 1 << 30


class Doctor(Case):
    def doctor(self, *arguments, code=0):
        result, out, err = self.command("doctor", *arguments)
        self.assertEqual((result, err), (code, ""), out)
        return out

    def test_TellsVersionLayoutAndDevices(self):
        out = self.doctor(self.fake_ggml())
        self.assertIn("9.8.7, shared library with a scheduler", out)
        self.assertIn("yes: its layout is proved", out)
        self.assertIn("CPU (9.8.7): 2.0 GiB of 8.0 GiB free; nothing is streamed", out)
        self.assertIn("FAKE0 (9.8.7): 2.0 GiB of 8.0 GiB free; streaming may take up to 512 MiB", out)

    def test_DevicesAreFoundWithoutARunpath(self):
        folder = self.fake_ggml()
        compile_library(folder / "libggml-cpu.so.0", "int cpu(void) { return 1; }")
        compile_library(folder / "libggml.so.0", FAKE_REGISTRY, folder / "libggml-base.so.0", "-Wl,--no-as-needed",
                        folder / "libggml-cpu.so.0")
        self.assertIn("FAKE0 (9.8.7)", self.doctor(folder))

    def test_FindsTheGgmlOfAProgramAndOfACommand(self):
        program = self.fake_program()
        self.assertIn("ggml/libggml-base.so.0", self.doctor(program))
        self.assertIn("FAKE0", self.doctor("--", program, "-m", "x"))

    def test_FindsTheGgmlOfALibrary(self):
        self.assertIn("libggml-base.so.0", self.doctor(self.fake_ggml() / "libggml.so.0"))

    def test_AHashedNameIsFoundInAWheel(self):
        folder = self.fake_ggml("libggml-base-0a1b2c3d.so.0.9.8", "libggml-4e5f6a7b.so.0.9.8")
        wheel = self.folder / "package.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"package.libs/{path.name}")
        out = self.doctor(wheel)
        self.assertIn("package.libs/libggml-base-0a1b2c3d.so.0.9.8", out)
        self.assertIn("yes: its layout is proved", out)

    def test_CopiesOfAFileAreOneLibrary(self):
        folder = self.fake_ggml()
        shutil.copy(folder / "libggml-base.so.0", folder / "libggml-base.so")
        os.symlink("libggml-base.so.0", folder / "libggml-base.so.0.9.8")
        out = self.doctor(folder)
        self.assertIn("libggml-base.so.0 (also as libggml-base.so, libggml-base.so.0.9.8)", out)
        self.assertEqual(out.count("\nggml "), 1)

    def test_ARefusalOfTheProofIsPassedOn(self):
        with mock.patch.dict(os.environ, FAKE_REFUSAL="ggml_tensor::op is elsewhere"):
            self.assertIn("no: ggml_tensor::op is elsewhere", self.doctor(self.fake_ggml(), code=1))

    def test_SaysWhyAGgmlCannotBeAttached(self):
        version = "int ggml_sched_version(void) { return 1; }"
        cases = {"already": (FAKE_BASE + version, [], "has ggml-sched in it already"),
                 "without": ("const char * ggml_version(void) { return 0; }", [], "has no scheduler"),
                 "hidden": (FAKE_BASE, ["-fvisibility=hidden"], "hides the functions of its ggml")}
        for name, (source, options, words) in cases.items():
            folder = self.folder / name
            folder.mkdir()
            compile_library(folder / "libggml-base.so", source, *options)
            self.assertIn(f"no: it {words}", self.doctor(folder, code=1))

    def test_AnEngineThatBindsItsCallsInsideIsRefused(self):
        source = FAKE_BASE + "void * llama_init(void) { return ggml_backend_sched_new(); }"
        compile_library(self.folder / "libllama.so", source, "-Wl,-Bsymbolic")
        self.assertIn("binds these calls inside", self.doctor(self.folder, code=1))

    def test_ACallerOfAnUnknownFunctionIsNamed(self):
        self.fake_ggml()
        compile_library(self.folder / "libengine.so", "void ggml_backend_sched_dance(void);"
                        "void go(void) { ggml_backend_sched_dance(); }")
        self.assertIn("calls ggml_backend_sched_dance", self.doctor(self.folder, code=1))

    def test_AGgmlThatCannotBeLoadedIsOneSentence(self):
        missing = compile_library(self.folder / "libgone.so", "int gone(void) { return 1; }")
        folder = self.folder / "ggml"
        folder.mkdir()
        source = FAKE_BASE + "int gone(void); int f(void) { return gone(); }"
        compile_library(folder / "libggml-base.so", source, missing)
        missing.unlink()
        self.assertIn("the loader does not find libgone.so", self.doctor(folder, code=1))

    def test_AGgmlThatEndsTheProcessIsSurvived(self):
        source = FAKE_BASE.replace('return "9.8.7"', "__builtin_trap()")
        compile_library(self.folder / "libggml-base.so", source)
        self.assertIn("ended with exit code -", self.doctor(self.folder, code=1))

    def test_AStaticProgramIsSentToTheFlag(self):
        program = compile_file(self.folder / "static", "int main(void) { return 0; }", "-static")
        self.assertIn("ggml-sched cmake-file", self.doctor(program, code=1))

    def test_AProgramWithoutGgmlMayOpenOneLater(self):
        self.assertIn("one that it opens while it runs is attached then", self.doctor("--", "sh"))

    def test_TheInstallationIsChecked(self):
        self.assertIn("loads      yes", self.doctor())
        broken = self.folder / "broken.so"
        broken.write_bytes((self.folder / self.fake_ggml() / "libggml.so.0").read_bytes())
        shutil.rmtree(self.folder / "ggml")
        with mock.patch.dict(os.environ, GGML_SCHED_ATTACH_LIBRARY=str(broken)):
            self.assertIn("the loader does not find libggml-base.so.0", self.doctor(code=1))

    def test_APipeAndADeviceAreRefused(self):
        os.mkfifo(self.folder / "pipe")
        for mode in (0o600, 0o700):
            (self.folder / "pipe").chmod(mode)
            for path in (self.folder / "pipe", "/dev/zero"):
                code, out, err = self.command("doctor", path)
                self.assertEqual((code, out), (2, ""))
                self.assertOneSentence(err)
        self.assertIn("has 0 ELF files", self.doctor(self.folder, code=1))

    def test_ADamagedWheelIsOneSentence(self):
        wheel = self.folder / "package.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/b.so", bytes(range(256)) * 9)
        whole = wheel.read_bytes()
        generator = random.Random(1)
        wheel.write_bytes(whole[:50] + b"\xff" * 20 + whole[70:])
        code, out, err = self.command("doctor", wheel)
        self.assertEqual((code, out), (2, ""))
        self.assertOneSentence(err)
        for i in range(60):
            content = bytearray(whole)
            at = generator.randrange(len(whole))
            content[at:at + 4] = generator.randbytes(len(content[at:at + 4]))
            wheel.write_bytes(content[:at] if i % 9 == 0 else content)
            with contextlib.suppress(Failed):
                unpack(wheel, self.folder)

    def test_WhatCannotBeReadIsNamed(self):
        self.fake_ggml()
        closed, listed = self.closed_folder("closed"), self.closed_folder("listed", 0o700)
        (listed / "libx.so").write_text("x")
        listed.chmod(0o600)
        (self.folder / "text").write_text("x")
        (self.folder / "text").chmod(0)
        done = self.powerless("doctor", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn(", and 2 more: cannot be read", done.stdout)
        for path in (closed, closed / "x", listed / "libx.so", self.folder / "text"):
            done = self.powerless("doctor", path)
            self.assertEqual((done.returncode, done.stdout), (2, ""), path)
            self.assertOneSentence(done.stderr)

    def test_AProgramThatCannotBeReadIsUnknown(self):
        program = self.script("program", "x")
        program.chmod(0o111)
        for arguments in ([program], ["--", program]):
            done = self.powerless("doctor", *arguments)
            self.assertEqual((done.returncode, done.stderr), (1, ""))
            self.assertIn(f"attach     unknown: {program} cannot be read: Permission denied", done.stdout)

    def test_ADamagedLibraryIsLeftOut(self):
        folder = self.fake_ggml()
        (folder / "libbad.so").write_bytes(b"\x7fELF" + b"\xff" * 60)
        self.assertIn("left out   libbad.so: is a damaged ELF file", self.doctor(folder))

    def test_AFileNameStaysOnItsRow(self):
        folder = self.folder / os.fsdecode(b"a\nb\xff\xc3\xa9")
        folder.mkdir()
        compile_library(self.folder / "libggml-base.so", FAKE_BASE)
        shutil.copy(self.folder / "libggml-base.so", folder / "libggml\nbase.so")
        out = self.doctor(folder)
        self.assertIn("a\\nb\\xff\u00e9: has 1 ELF file", out)
        self.assertIn("ggml       libggml\\nbase.so\n", out)
        done = self.process("doctor", self.folder / "no\nsuch", PYTHONIOENCODING="ascii")
        self.assertOneSentence(done.stderr)

    def test_ARefusalOfAPathWithANewLineIsSeen(self):
        said = "ggml-sched: not attached to /a\nb/libggml.so, which keeps the scheduler that it has: why"
        self.assertEqual(Answers([{"asked": True}], said, 0).refusal, "why")

    def test_BadInputIsOneSentence(self):
        text = self.folder / "text"
        text.write_text("x")
        for arguments in (["/no/such/path"], [text], ["/tmp", "--", "sh"], ["--", "no-such-command"], ["a", "b"]):
            code, out, err = self.command("doctor", *arguments)
            self.assertNotEqual(code, 0)
            self.assertOneSentence(err)

    def test_AFolderWithoutGgmlSaysSo(self):
        self.assertIn("ggml       none", self.doctor(self.folder, code=1))


class Rules(unittest.TestCase):
    def test_StreamingTakesAQuarterAndAtMostOneGiB(self):
        self.assertEqual([auto_budget(free) for free in (0, 3 << 20, 4 << 20, 2 * GIB, 99 * GIB)],
                         [0, 0, 1 << 20, GIB // 2, GIB])

    def test_TheLoadersMessagesBecomeSentences(self):
        old = "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/libggml-base.so)"
        self.assertIn("needs GLIBC_2.38, and glibc of this system is older", load_failure(old))
        self.assertIn("C++ library", load_failure("x: version `GLIBCXX_3.4.32' not found (required by y)"))
        self.assertIn("says: odd", load_failure("odd"))


class RealLibrary(Case):
    uses_real_attach = True

    def test_TheProofRefusesAGgmlThatLacksFunctions(self):
        code, out, err = self.command("doctor", self.fake_ggml())
        self.assertEqual((code, err), (1, ""))
        self.assertIn("no: it does not export ggml_", out)


if __name__ == "__main__":
    unittest.main()
