"""Tests of the ELF reader, on files that the compiler makes."""

import contextlib
import mmap
import os
import random
import subprocess
import unittest

from support import CALLER, FAKE_BASE, Case, compile_file, compile_library, once

from ggml_sched.elf import Elf, NotElf, is_elf

LIBRARY = "int visible(void) { return 1; } static int hidden(void) { return 2; } int both(void) { return hidden(); }"


def library():
    return Elf(once("libelf.so.3", LIBRARY, make=compile_library))


class Header(Case):
    def test_TellsMachineAndInterpreterOfAProgram(self):
        program = Elf(once("plain", "int main(void) { return 0; }"))
        self.assertTrue(program.is_64)
        self.assertIn("/ld-", program.interpreter)
        self.assertIn("libc.so.6", program.needed)

    def test_AStaticProgramHasNoInterpreter(self):
        program = Elf(once("static", "int main(void) { return 0; }", "-static"))
        self.assertEqual((program.interpreter, program.needed, program.exports), ("", [], set()))
        self.assertIn("main", program.static_symbols())

    def test_A32BitProgramIsReadToo(self):
        source = "void _start(void) {} int visible(void) { return 1; }"
        program = Elf(compile_file(self.folder / "old", source, "-m32", "-nostdlib", "-static"))
        self.assertFalse(program.is_64)
        self.assertEqual(program.machine, "x86")
        self.assertIn("visible", program.static_symbols())


class Dynamic(Case):
    def test_ALibraryTellsItsNameAndExports(self):
        self.assertEqual(library().soname, "libelf.so.3")
        self.assertLessEqual({"visible", "both"}, library().exports)
        self.assertNotIn("hidden", library().exports)
        self.assertIn("hidden", library().static_symbols())

    def test_BothHashTablesTellTheNumberOfSymbols(self):
        for style in ("sysv", "gnu", "both"):
            path = compile_library(self.folder / f"lib{style}.so", LIBRARY, f"-Wl,--hash-style={style}")
            self.assertLessEqual({"visible", "both"}, Elf(path).exports, style)

    def test_AFileThatExportsNothingHasImports(self):
        source = 'int puts(const char *); __attribute__((constructor)) static void begin(void) { puts(""); }'
        elf = Elf(compile_library(self.folder / "libnone.so", source, "-Wl,--hash-style=gnu"))
        self.assertIn("puts", elf.imports)
        self.assertNotIn("puts", elf.exports)

    def test_RpathAndRunpathAreToldApart(self):
        for flag, field in (("--disable-new-dtags", "rpath"), ("--enable-new-dtags", "runpath")):
            elf = Elf(compile_library(self.folder / f"lib{field}.so", LIBRARY, f"-Wl,{flag},-rpath,$ORIGIN/x"))
            self.assertEqual(getattr(elf, field), "$ORIGIN/x")
            self.assertEqual({elf.rpath, elf.runpath}, {"", "$ORIGIN/x"})

    def test_CallsBoundByNameAreKnown(self):
        source = FAKE_BASE + "void * llama_init(void) { return ggml_backend_sched_new(); }"
        by_name = Elf(compile_library(self.folder / "libname.so", source, "-O0"))
        inside = Elf(compile_library(self.folder / "libinside.so", source, "-O0", "-Wl,-Bsymbolic"))
        self.assertIn("ggml_backend_sched_new", by_name.bound_by_name())
        self.assertTrue(inside.is_symbolic)

    def test_AStrippedFileHasNoStaticSymbols(self):
        path = compile_library(self.folder / "libstripped.so", LIBRARY, "-s")
        self.assertEqual(Elf(path).static_symbols(), set())
        self.assertLessEqual({"visible", "both"}, Elf(path).exports)


class BadFiles(Case):
    def test_OtherFilesAreRefused(self):
        magic = b"\x7fELF"
        files = {"empty": b"", "text": b"#!/bin/sh\n", "magic": magic, "odd": magic + b"\xff" * 99}
        for name, content in files.items():
            path = self.folder / name
            path.write_bytes(content)
            with self.assertRaises(NotElf):
                Elf(path)
        with self.assertRaises(NotElf):
            Elf(self.folder / "missing")
        self.assertFalse(is_elf(self.folder / "missing"))

    def test_ACutFileIsReadOrRefused(self):
        whole = once("libelf.so.3", LIBRARY, make=compile_library).read_bytes()
        path = self.folder / "cut.so"
        for size in range(0, len(whole), 499):
            path.write_bytes(whole[:size])
            self.read(path)

    def test_AnyChangedBytesAreReadOrRefused(self):
        path = compile_library(self.folder / "libsmall.so", "int f(void); int g(void) { return f(); }", "-nostdlib",
                               "-Wl,-z,noseparate-code,--hash-style=both")
        whole = path.read_bytes()
        headers = int.from_bytes(whole[40:48], "little")  # of the sections
        generator = random.Random(1)
        with mmap.mmap(-1, len(whole)) as data:
            class Mapped(Elf):
                def mapped(self):
                    return contextlib.nullcontext(data)

            data[:] = whole
            self.assertIn("g", self.read(path, Mapped).exports)
            for _ in range(4000):
                data[:] = whole
                for _ in range(generator.choice((1, 1, 2, 8))):
                    at = generator.choice((generator.randrange(0x400), generator.randrange(len(whole)),
                                           generator.randrange(headers, len(whole))))
                    size = min(generator.choice((1, 4, 8)), len(whole) - at)
                    data[at:at + size] = generator.choice((b"\0" * size, b"\xff" * size, generator.randbytes(size)))
                self.read(path, Mapped)

    def test_AFolderMayHaveMoreFilesThanAProcessMayOpen(self):
        path = once("libelf.so.3", LIBRARY, make=compile_library)
        before = len(os.listdir("/proc/self/fd"))
        elfs = [Elf(path) for _ in range(9)]
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
        self.assertTrue(all(elf.contains(b"visible") for elf in elfs))

    def test_ADeviceAndAPipeAreNotRead(self):
        os.mkfifo(self.folder / "pipe")
        for path in (self.folder / "pipe", "/dev/zero"):
            self.assertFalse(is_elf(path))
            with self.assertRaisesRegex(NotElf, "no regular file"):
                Elf(path)

    @staticmethod
    def read(path, kind=Elf):
        try:
            elf = kind(path)
            elf.exports, elf.static_symbols(), elf.bound_by_name()
        except NotElf:
            return None
        return elf


class Agreement(Case):
    def test_ReadelfSeesTheSameImports(self):
        path = once("caller", CALLER, once("libbase.so", FAKE_BASE, make=compile_library))
        try:
            done = subprocess.run(["readelf", "-W", "--dyn-syms", path], capture_output=True, text=True)
        except FileNotFoundError:
            self.skipTest("there is no readelf")
        lines = [line.split() for line in done.stdout.splitlines() if " UND " in line]
        seen = {words[7].split("@")[0] for words in lines if len(words) > 7}
        self.assertEqual(seen, Elf(path).imports - {""})


if __name__ == "__main__":
    unittest.main()
