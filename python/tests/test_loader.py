"""Tests of the search for libraries and for the program of a command."""

import os
import unittest

from support import CALLER, FAKE_BASE, Case, compile_file, compile_library, once

from ggml_sched.elf import Elf
from ggml_sched.loader import Loader
from ggml_sched.messages import Failed
from ggml_sched.program import find_program


class Libraries(Case):
    def loaded(self, path, **environment):
        return [str(elf.path) for elf in Loader(environment).load(Elf(path))]

    def test_OriginIsTheFolderOfTheFile(self):
        program = self.fake_program()
        self.assertIn(str(self.folder / "ggml/libggml-base.so.0"), self.loaded(program))

    def test_TheCacheOfTheSystemIsUsed(self):
        self.assertTrue(any("libc.so.6" in path for path in self.loaded(self.fake_program())))

    def test_LibraryPathWinsOverRunpath(self):
        program = self.fake_program()
        (self.folder / "other").mkdir()
        other = compile_library(self.folder / "other/libggml-base.so.0", FAKE_BASE)
        self.assertIn(str(other), self.loaded(program, LD_LIBRARY_PATH=str(other.parent)))

    def test_RpathWinsOverLibraryPathAndHoldsForWhatComesLater(self):
        inner = compile_library(self.folder / "libinner.so", "int inner(void) { return 1; }")
        source = "int inner(void); int outer(void) { return inner(); }"
        outer = compile_library(self.folder / "libouter.so", source, inner)
        program = compile_file(self.folder / "program", "int outer(void); int main(void) { return outer(); }", outer,
                               "-Wl,--disable-new-dtags,-rpath,$ORIGIN", f"-Wl,-rpath-link,{self.folder}")
        (self.folder / "other").mkdir()
        compile_library(self.folder / "other/libouter.so", "int outer(void) { return 2; }")
        self.assertIn(str(inner), self.loaded(program, LD_LIBRARY_PATH=str(self.folder / "other")))

    def test_AMissingLibraryIsNamedWithWhatNeedsIt(self):
        program = self.fake_program()
        os.remove(self.folder / "ggml/libggml-base.so.0")
        loader = Loader({})
        loader.load(Elf(program))
        self.assertEqual(loader.missing, [("libggml-base.so.0", program)])

    def test_ALibraryOfAnotherMachineIsPassedOver(self):
        program = self.fake_program()
        (self.folder / "other").mkdir()
        odd = self.folder / "other/libggml-base.so.0"
        content = bytearray((self.folder / "ggml/libggml-base.so.0").read_bytes())
        content[18] = 40  # ARM
        odd.write_bytes(content)
        self.assertNotIn(str(odd), self.loaded(program, LD_LIBRARY_PATH=str(odd.parent)))


class Programs(Case):
    def test_ACommandIsFoundInPath(self):
        program = once("caller", CALLER, once("libbase.so", FAKE_BASE, make=compile_library))
        self.assertEqual(find_program("caller", {"PATH": str(program.parent)}).elf.path, program)

    def test_TheInterpreterOfAScriptRuns(self):
        found = find_program(str(self.script("tool", "#! /bin/sh -e\n")), os.environ)
        self.assertTrue(found.is_script)
        self.assertEqual(str(found.elf.path), "/bin/sh")

    def test_EnvIsFollowedToTheProgramItRuns(self):
        for line in ("#!/usr/bin/env sh", "#!/usr/bin/env -S A=b sh -e"):
            found = find_program(str(self.script("tool", line + "\n")), os.environ)
            self.assertEqual(found.elf.path.name, "sh", line)

    def test_OptionsOfEnvAreNoCommands(self):
        for line in ("-S -u FOO sh", "-S --unset FOO sh", "-iS A=b /bin/sh", "-S -C / -- sh", "--split-string=sh -e",
                     "-vS'-uFOO' sh", "sh"):
            found = find_program(str(self.script("tool", f"#!/usr/bin/env {line}\n")), os.environ)
            self.assertEqual((found.elf and found.elf.path.name, found.unknown), ("sh", ""), line)

    def test_WhatEnvRunsMayBeUnknown(self):
        for line in ("no-such-command", "-S -u", "-S 'sh", "-S PATH=/x sh", "-iS sh", "-S ${SHELL_OF_ME}"):
            found = find_program(str(self.script("tool", f"#!/usr/bin/env {line}\n")), os.environ)
            self.assertIsNone(found.elf, line)
            self.assertIn("is not found", found.unknown)

    def test_AnInterpreterIsNotSearchedInPath(self):
        with self.assertRaisesRegex(Failed, r"interpreter \./sh,"):
            find_program(str(self.script("tool", "#!sh\n")), os.environ)

    def test_AScriptOfAScriptIsFollowed(self):
        inner = self.script("inner", "#!/bin/sh\n")
        found = find_program(str(self.script("outer", f"#!{inner}\n")), os.environ)
        self.assertEqual(str(found.elf.path), "/bin/sh")

    def test_ScriptsThatRunEachOtherEnd(self):
        self.script("a", f"#!{self.folder}/b\n")
        self.script("b", f"#!{self.folder}/a\n")
        self.assertIsNone(find_program(str(self.folder / "a"), os.environ).elf)

    def test_WhatCannotRunHasTheExitCodeOfAShell(self):
        text = self.folder / "text"
        text.write_text("x")
        for name, code in (("no-such-command", 127), (str(text), 126), (str(self.folder), 126), ("", 127)):
            with self.assertRaises(Failed) as raised:
                find_program(name, os.environ)
            self.assertEqual(raised.exception.code, code, name)


if __name__ == "__main__":
    unittest.main()
