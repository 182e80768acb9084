"""What the tests share: a folder for each test, files compiled by gcc, and the command with its output."""

import contextlib
import ctypes
import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

PYTHON = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PYTHON))

from ggml_sched.command import main  # noqa: E402

REAL_ATTACH = os.environ.get("GGML_SCHED_ATTACH_LIBRARY")
COMPILER = shutil.which("gcc") or shutil.which("cc")
SCRATCH = tempfile.TemporaryDirectory()  # for what is compiled once

# It says no more of a ggml than FAKE_REFUSAL holds.
FAKE_ATTACH = r"""
#include <stdio.h>
#include <stdlib.h>
void * ggml_backend_sched_new(void) { return 0; }
void ggml_backend_sched_free(void * sched) {
    const char * why = getenv("FAKE_REFUSAL");
    if (why) fprintf(stderr, "ggml-sched: not attached to x, which keeps the scheduler that it has: %s\n", why);
}
"""
FAKE_BASE = r"""
const char * ggml_version(void) { return "9.8.7"; }
void * ggml_backend_sched_new(void) { return 0; }
void ggml_backend_sched_free(void * sched) {}
"""
FAKE_REGISTRY = r"""
#include <stddef.h>
const char * ggml_version(void);
size_t ggml_backend_dev_count(void) { return 2; }
void * ggml_backend_dev_get(size_t i) { return (void *) (i + 1); }
int ggml_backend_dev_type(void * device) { return device == (void *) 2; }
const char * ggml_backend_dev_name(void * device) { return device == (void *) 2 ? "FAKE0" : "CPU"; }
const char * ggml_backend_dev_description(void * device) { return ggml_version(); }
void * ggml_backend_event_new(void * device) { return device == (void *) 2 ? device : 0; }
void ggml_backend_dev_memory(void * device, size_t * free, size_t * total) {
    *free = (size_t) 2 << 30;
    *total = (size_t) 8 << 30;
}
"""
CALLER = r"""
void ggml_backend_sched_new(void);
int main(int n, char ** a) {
    if (n > 9) ggml_backend_sched_new();
    return 7;
}
"""


def compile_file(path, source, *options):
    """Compiles C; returns the path. The test is skipped if the compiler cannot do it."""
    if not COMPILER:
        raise unittest.SkipTest("there is no C compiler")
    done = subprocess.run([COMPILER, "-x", "c", "-", "-x", "none", "-o", str(path), *map(str, options)], input=source,
                          text=True, capture_output=True)
    if done.returncode:
        raise unittest.SkipTest(f"the compiler cannot make {path.name}: {done.stderr[-300:]}")
    return path


def compile_library(path, source, *options):
    return compile_file(path, source, "-shared", "-fPIC", f"-Wl,-soname,{path.name}", *options)


def once(name, source, *options, make=compile_file):
    """Compiles a file that several tests only read."""
    path = Path(SCRATCH.name) / name
    return path if path.exists() else make(path, source, *options)


def give_up_root():
    """Without the capabilities DAC_OVERRIDE and DAC_READ_SEARCH the modes of files also hold for root."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def fake_attach():
    return once("libggml-sched-attach.so", FAKE_ATTACH, make=compile_library)


class Case(unittest.TestCase):
    """Each test has a folder of its own, and a fake attach library unless it asks for the real one."""

    uses_real_attach = False

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name).resolve()
        if self.uses_real_attach and not REAL_ATTACH:
            self.skipTest("GGML_SCHED_ATTACH_LIBRARY names no library")
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("GGML_SCHED") and name not in ("LD_PRELOAD", "LD_LIBRARY_PATH")}
        kept["GGML_SCHED_ATTACH_LIBRARY"] = REAL_ATTACH if self.uses_real_attach else str(fake_attach())
        patch = mock.patch.dict(os.environ, kept, clear=True)
        patch.start()
        self.addCleanup(patch.stop)

    def command(self, *arguments):
        """Runs the command in this process. Returns (exit code, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return code, out.getvalue(), err.getvalue()

    def process(self, *arguments, module="ggml_sched", settings=None, **variables):
        """Runs the command in a process of its own, since `run` becomes the program."""
        environment = {**os.environ, "PYTHONPATH": str(PYTHON), **variables}
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **(settings or {})}
        return subprocess.run([sys.executable, "-B", "-m", module, *map(str, arguments)], env=environment, text=True,
                              **settings)

    def powerless(self, *arguments):
        """Runs the command in a process for which the modes of files hold."""
        return self.process(*arguments, settings={"preexec_fn": give_up_root})

    def enter_folder(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)

    def closed_folder(self, name, mode=0):
        folder = self.folder / name
        folder.mkdir()
        folder.chmod(mode)
        self.addCleanup(folder.chmod, 0o700)
        return folder

    def assertOneSentence(self, text):
        self.assertTrue(text.startswith("ggml-sched: "), text)
        self.assertEqual(text.count("\n"), 1, text)

    def script(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def fake_ggml(self, base="libggml-base.so.0", registry="libggml.so.0"):
        """Makes a folder with a fake ggml. Returns the folder."""
        folder = self.folder / "ggml"
        folder.mkdir()
        library = once(base, FAKE_BASE, make=compile_library)
        other = once(registry, FAKE_REGISTRY, library, "-Wl,-rpath,$ORIGIN", make=compile_library)
        for path in (library, other):
            shutil.copy(path, folder)
        return folder

    def fake_program(self, name="program"):
        """Makes a program that is linked to a fake ggml beside it. It ends with exit code 7."""
        base = self.fake_ggml() / "libggml-base.so.0"
        return Path(shutil.copy(once("fake-program", CALLER, base, "-Wl,-rpath,$ORIGIN/ggml"), self.folder / name))
