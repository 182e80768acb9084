"""Tests of scripts/portable_checks.py: it finds each construct that MSVC refuses, and nothing in portable code."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from portable_checks import MOST_OF_A_LITERAL, MOST_OF_A_PIECE, check_text  # noqa: E402

REFUSED = """
    #include <unistd.h>
    #  include <sys/mman.h>
    #include <windows.h>
    int f() __attribute__((pure));
    return __builtin_popcount(x);
    typeof(x) y = x;
    #warning look
    if (a and not_b) {
    ssize_t n = 0;
    setenv("NAME", "1", 1);
    ::fork();
    std::aligned_alloc(64, 64);
    const double pi = M_PI;
    case 1 ... 3: break;
    long n = 0;
    unsigned long n = 0;
    """

TAKEN = """
    #include <vector>
    long long n = 0;
    unsigned long long n = 0;
    const char * text = "this and that, __attribute__, long";
    // neither this nor that, and no long
    /* setenv(a, b, 1) */
    platform::set_env("NAME", "1");
    f(args...); switch (n) { case 1: g(rest...); }
    const int million = 1'000'000; // a 'long' one
    const char quote = '"'; const char * word = "or";
    """


def faults(text, path="src/core/log.cpp"):
    return [fault for _, fault in check_text(path, text)]


def cases(text):
    return [line.strip() for line in text.strip().splitlines()]


class Words(unittest.TestCase):
    def test_EachConstructIsFoundInItsLine(self):
        for line in cases(REFUSED):
            with self.subTest(line=line):
                self.assertEqual([number for number, _ in check_text("a.cpp", f'// "first\n\n{line}\n')], [3])

    def test_PortableCodeHasNoFault(self):
        for line in cases(TAKEN):
            with self.subTest(line=line):
                self.assertEqual(faults(line + "\n"), [])

    def test_WhatACompilerIsAskedForMayBeItsOwn(self):
        self.assertEqual(faults("#if defined(__GNUC__)\nint f() __attribute__((pure));\n#else\nint f();\n#endif\n"), [])
        self.assertEqual(faults("#ifdef __GNUC__\n#if X\n__builtin_trap();\n#endif\n#endif\n"), [])
        self.assertEqual(len(faults("#ifdef __GNUC__\n#endif\n__builtin_trap();\n")), 1)
        self.assertEqual(len(faults("#ifdef NDEBUG\n__builtin_trap();\n#endif\n")), 1)

    def test_OnlyNamedFilesKnowSystemsApart(self):
        text = "#ifdef _WIN32\n#include <windows.h>\n#else\n#include <unistd.h>\n#endif\n"
        self.assertEqual(len(faults(text)), 1)
        self.assertEqual(faults(text, "src/core/system_memory.cpp"), [])


class Literals(unittest.TestCase):
    def test_OfAPieceMayHaveAsManyBytesAsMsvcTakes(self):
        for begin, end in (('"', '"'), ('R"mark(', ')mark"'), ('R"(', ')"')):
            with self.subTest(begin=begin):
                self.assertEqual(faults(f"x = {begin}{'a' * MOST_OF_A_PIECE}{end};"), [])
                self.assertEqual(len(faults(f"x = {begin}{'a' * (MOST_OF_A_PIECE + 1)}{end};")), 1)

    def test_OfManyPiecesHaveALimitToo(self):
        piece = '"' + "a" * (MOST_OF_A_PIECE - 5) + '"\n'
        self.assertEqual(faults("x = " + piece * 4 + ";"), [])
        self.assertGreater(4 * (MOST_OF_A_PIECE - 5) + MOST_OF_A_PIECE - 5, MOST_OF_A_LITERAL)
        self.assertEqual(len(faults("x = " + piece * 5 + ";")), 1)
        self.assertEqual(faults("x = " + ", ".join([piece] * 5) + ";"), [])

    def test_BytesAreCountedAndNotLetters(self):
        self.assertEqual(len(faults('x = "' + "ü" * (MOST_OF_A_PIECE // 2 + 1) + '";')), 1)


if __name__ == "__main__":
    unittest.main()
