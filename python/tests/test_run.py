"""Tests of `ggml-sched run`: the environment of the command, its exit code, and what cannot be attached."""

import argparse
import os
import shutil
import signal
import types
import unittest

from support import CALLER, FAKE_BASE, REAL_ATTACH, Case, compile_file, compile_library, fake_attach, once

from ggml_sched.attachable import changes_user, why_not_program
from ggml_sched.elf import Elf
from ggml_sched.switches import stream_budget

SHOW = "#!/bin/sh\nenv | grep -E '^(GGML_SCHED|LD_PRELOAD)' | sort\n"


class Environment(Case):
    def variables(self, *options, **environment):
        done = self.process("run", *options, "--", self.script("show", SHOW), **environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    def test_TheLibraryIsPreloadedAndOursIsChosen(self):
        seen = self.variables()
        self.assertEqual(seen["LD_PRELOAD"], str(fake_attach()))
        self.assertEqual(seen["GGML_SCHED"], "ours")

    def test_OptionsBecomeVariables(self):
        seen = self.variables("--sync", "serial", "--stream", "512", "--experts", "auto", "--expert-misses", "shared", "--verify", "--debug",
                              "--trace", self.folder / "t")
        self.assertEqual(seen["GGML_SCHED_SYNC"], "serial")
        self.assertEqual(seen["GGML_SCHED_STREAM"], "512")
        self.assertEqual(seen["GGML_SCHED_EXPERTS"], "auto")
        self.assertEqual(seen["GGML_SCHED_EXPERT_MISSES"], "shared")
        self.assertEqual(seen["GGML_SCHED_VERIFY"], "1")
        self.assertEqual(seen["GGML_SCHED_DEBUG"], "1")
        self.assertEqual(seen["GGML_SCHED_TRACE"], str(self.folder / "t"))

    def test_StockChoosesGgmlsOwn(self):
        self.assertEqual(self.variables("--stock")["GGML_SCHED"], "stock")

    def test_TheEnvironmentHoldsWhereNoOptionIsGiven(self):
        self.assertEqual(self.variables(GGML_SCHED="stock", GGML_SCHED_SYNC="barrier")["GGML_SCHED_SYNC"], "barrier")
        self.assertEqual(self.variables(GGML_SCHED="stock")["GGML_SCHED"], "stock")
        self.assertEqual(self.variables("--sync", "auto", GGML_SCHED_SYNC="barrier")["GGML_SCHED_SYNC"], "auto")

    def test_OtherPreloadedLibrariesStayBehindOurs(self):
        other = once("libother.so", "int other(void) { return 0; }", make=compile_library)
        self.assertEqual(self.variables(LD_PRELOAD=str(other))["LD_PRELOAD"], f"{fake_attach()}:{other}")

    def test_APathWithASpaceWorksToo(self):
        folder = self.folder / "a b"
        folder.mkdir()
        shutil.copy(fake_attach(), folder)
        attach = str(folder / fake_attach().name)
        seen = self.variables(GGML_SCHED_ATTACH_LIBRARY=attach)
        self.assertEqual(seen["LD_PRELOAD"], fake_attach().name)
        source = '#include <dlfcn.h>\nint main(void) { return dlsym(0, "ggml_backend_sched_new") ? 7 : 1; }'
        program = once("asks", source, "-ldl")
        self.assertEqual(self.process("run", "--", program, GGML_SCHED_ATTACH_LIBRARY=attach).returncode, 7)

    def test_APathWithAColonIsRefused(self):
        folder = self.folder / "a:b"
        folder.mkdir()
        shutil.copy(fake_attach(), folder)
        done = self.process("run", "--", "true", GGML_SCHED_ATTACH_LIBRARY=str(folder / fake_attach().name))
        self.assertEqual(done.returncode, 2)
        self.assertOneSentence(done.stderr)

    def test_TheTracePathDoesNotDependOnTheFolder(self):
        self.enter_folder()
        self.assertEqual(self.variables("--trace", "t.json")["GGML_SCHED_TRACE"], str(self.folder / "t.json"))


    def test_TheLocaleIsTheCallers(self):
        program = self.script("locale", "#!/bin/sh\necho \"${LC_CTYPE-none}\"\n")
        seen = [self.process("run", "--", program, LANG="C", LC_ALL="", **given).stdout
                for given in ({}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8"})]
        before = os.environ.get("LC_CTYPE", "none")
        self.assertEqual(seen, [f"{before}\n", "C\n", "C.UTF-8\n"])


class Commands(Case):
    def test_ThePathThatWasTypedIsTheOneThatRuns(self):
        self.enter_folder()
        for name in ("echo", "-c", "only-here"):
            self.script(name, "#!/bin/sh\necho \"here: $0 $1\"\n")
            done = self.process("run", "--", f"./{name}", "42")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, f"here: ./{name} 42\n", ""))
        self.assertEqual(self.process("run", "--", "echo", "42", PATH=f":{os.environ['PATH']}").stdout,
                         "here: ./echo 42\n")

    def test_IgnoredSignalsOfPythonAreRestored(self):
        done = self.process("run", "--", "grep", "SigIgn", "/proc/self/status")
        ignored = int(done.stdout.split()[1], 16)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            self.assertFalse(ignored >> (number - 1) & 1, number)

    def test_AScriptOfEnvWithOptionsRuns(self):
        program = self.script("tool", "#!/usr/bin/env -S -u FOO sh\necho \"$LD_PRELOAD\"; exit 7\n")
        done = self.process("run", "--", program)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (7, f"{fake_attach()}\n", ""))

    def test_WhatCannotBeExaminedRunsWithANote(self):
        closed = compile_file(self.folder / "closed", '#include <stdlib.h>\nint main(void) '
                              '{ return getenv("LD_PRELOAD") && *getenv("LD_PRELOAD") ? 7 : 1; }')
        closed.chmod(0o111)
        behind_env = self.script("tool", '#!/usr/bin/env -S PATH=/usr/bin:/bin sh\n[ -n "$LD_PRELOAD" ] && exit 7\n')
        for program in (closed, behind_env):
            done = self.powerless("run", "--", program)
            self.assertEqual(done.returncode, 7, done.stderr)
            self.assertOneSentence(done.stderr)
            self.assertIn(f"{program} runs with ggml-sched in front", done.stderr)

    def test_AMissingInterpreterIsNamed(self):
        done = self.process("run", "--", self.script("tool", "#!/no/such/sh\r\n"))
        self.assertEqual(done.returncode, 127)
        self.assertOneSentence(done.stderr)
        self.assertIn("/no/such/sh\\r", done.stderr)

    def test_AnUnreachableTraceIsOneSentence(self):
        for folder in (self.closed_folder("closed"), self.closed_folder("fixed", 0o555)):
            done = self.powerless("run", "--trace", folder / "t.json", "--", "true")
            self.assertEqual(done.returncode, 2)
            self.assertOneSentence(done.stderr)

    def test_AStreamBudgetHasTheRangeOfSchedRun(self):
        for text in ("0", "0001", "1048576", "auto"):
            self.assertEqual(stream_budget(text), text)
        for text in ("1048577", "9" * 5000, "-1", "\u0665", ""):
            with self.assertRaises(argparse.ArgumentTypeError):
                stream_budget(text)

    def test_TheExitCodeIsPassedOn(self):
        self.assertEqual(self.process("run", "--", self.fake_program()).returncode, 7)
        self.assertEqual(self.process("run", "--", "sh", "-c", "exit 42").returncode, 42)

    def test_ArgumentsBehindTheDashesAreTheCommands(self):
        done = self.process("run", "--", "echo", "--verify", "--", "a b")
        self.assertEqual(done.stdout, "--verify -- a b\n")

    def test_ASignalIsPassedOn(self):
        self.assertEqual(self.process("run", "--", "sh", "-c", "kill -9 $$").returncode, -9)

    def test_BadInputIsOneSentence(self):
        cases = [(["run"], 2), (["run", "ls"], 2), (["run", "--"], 2), (["run", "--", "no-such-command"], 127),
                 (["run", "--stream", "1.5", "--", "true"], 2), (["run", "--sync", "fast", "--", "true"], 2),
                 (["run", "--experts", "unlimited", "--", "true"], 2),
                 (["run", "--expert-misses", "gpu", "--", "true"], 2),
                 (["run", "--trace", "/no/such/folder/t", "--", "true"], 2), (["run", "--trace", "/", "--", "true"], 2),
                 (["run", "--", self.script("odd", "no interpreter\n")], 126)]
        for arguments, code in cases:
            done = self.process(*arguments)
            self.assertEqual((done.returncode, done.stdout), (code, ""), arguments)
            self.assertTrue(done.stderr.startswith("ggml-sched: ") and "Traceback" not in done.stderr, done.stderr)

    def test_AMissingAttachLibraryIsNamed(self):
        done = self.process("run", "--", "true", GGML_SCHED_ATTACH_LIBRARY="/no/such.so")
        self.assertEqual(done.returncode, 2)
        self.assertIn("/no/such.so", done.stderr)
        self.assertOneSentence(done.stderr)


class NotAttached(Case):
    """The command runs as it is, and one sentence says why."""

    def refused(self, program, *words, code=7):
        done = self.process("run", "--verify", "--", program, LD_PRELOAD="")
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertOneSentence(done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        return done

    def test_AStaticProgram(self):
        program = compile_file(self.folder / "static", "int main(void) { return 7; }", "-static")
        self.refused(program, "statically", "cmake-file")

    def test_AProgramWithGgmlInside(self):
        for name, options in (("inside", []), ("exported", ["-rdynamic"]), ("stripped", ["-s"])):
            main = ('int main(void) { static const char * volatile text = "ggml_backend_sched_alloc_splits"; '
                    'return 7 + !text; }')
            program = compile_file(self.folder / name, FAKE_BASE + main, *options)
            self.refused(program, "inside of the program", "cmake-file")

    def test_AProgramThatHasOursAlreadyKeepsTheSwitches(self):
        folder = self.folder / "ggml"
        folder.mkdir()
        base = compile_library(folder / "libggml-base.so", FAKE_BASE + "int ggml_sched_version(void) { return 1; }")
        source = ('#include <stdlib.h>\nvoid ggml_backend_sched_new(void); int main(int n, char ** a) '
                  '{ if (n > 9) ggml_backend_sched_new(); return getenv("LD_PRELOAD") && *getenv("LD_PRELOAD") ? 1 : '
                  'getenv("GGML_SCHED_VERIFY") ? 7 : 2; }')
        program = compile_file(self.folder / "program", source, base, "-Wl,-rpath,$ORIGIN/ggml")
        self.refused(program, "has ggml-sched in it already")

    def test_AnotherMachineAMuslProgramAndA32BitProgram(self):
        ours = Elf(fake_attach())
        plain = Elf(once("caller", CALLER, once("libbase.so", FAKE_BASE, make=compile_library)))
        self.assertEqual(why_not_program(plain, ours), "")
        plain.interpreter = "/lib/ld-musl-x86_64.so.1"
        self.assertIn("musl", why_not_program(plain, ours))
        plain.machine = "AArch64"
        self.assertIn("AArch64", why_not_program(plain, ours))
        plain.is_64 = False
        self.assertIn("32-bit", why_not_program(plain, ours))

    def test_AProgramWithTheRightsOfAnotherUser(self):
        def status(mode, uid=0, gid=0):
            return types.SimpleNamespace(st_mode=mode, st_uid=uid, st_gid=gid)
        self.assertTrue(changes_user(status(0o104755), 1000, 1000))
        self.assertTrue(changes_user(status(0o102755), 1000, 1000))
        self.assertFalse(changes_user(status(0o104755), 0, 0))
        self.assertFalse(changes_user(status(0o102644), 1000, 1000))
        self.assertFalse(changes_user(status(0o100755), 1000, 1000))

    def test_ADamagedProgramIsLeftToTheKernel(self):
        program = self.script("damaged", "")
        program.write_bytes(b"\x7fELF" + b"\xff" * 60)
        done = self.process("run", "--", program)
        self.assertEqual(done.returncode, 126)
        note, error = done.stderr.splitlines()
        self.assertIn(f"{program} runs with ggml-sched in front", note)
        self.assertIn(f"{program} is neither a program nor a script", error)


class RealLibrary(Case):
    uses_real_attach = True

    def test_AProgramWithoutGgmlRunsAsBefore(self):
        done = self.process("run", "--verify", "--", "echo", "hello")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))
        self.assertTrue(REAL_ATTACH)


if __name__ == "__main__":
    unittest.main()
