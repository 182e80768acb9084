"""Counts of calls into the GPU's runtime and into ggml's scheduler, by count_calls.c, where that is preloaded."""

import ctypes
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parent.parent / "build/llama-ab/libcount_calls.so"
GIVEN = "GGML_SCHED_COUNT_CALLS_LIBRARY"  # in the environment: one that was compiled before
BLOCKING = ("stream_synchronize", "event_synchronize", "device_synchronize", "memcpy_sync", "fence_wait", "fence_poll",
            "semaphore_wait", "idle_wait")


def build():
    """The library, compiled if there is none that is up to date; None where there is no compiler."""
    if os.environ.get(GIVEN):
        return Path(os.environ[GIVEN])
    source = HERE / "count_calls.c"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if LIBRARY.exists() and (not compiler or LIBRARY.stat().st_mtime >= source.stat().st_mtime):
        return LIBRARY
    if not compiler:
        return None
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    unfinished = LIBRARY.with_suffix(f".{os.getpid()}")
    subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-shared", "-fPIC", "-o",
                    unfinished, source, "-ldl"], check=True)
    unfinished.replace(LIBRARY)
    return LIBRARY


def preload():
    """Starts this program anew with the library in front, unless it is."""
    library = build()
    loaded = os.environ.get("LD_PRELOAD", "")
    if library and str(library) not in loaded:
        environment = {**os.environ, "LD_PRELOAD": f"{library} {loaded}".strip()}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    if not library:
        print("there is no C compiler: calls are not counted", file=sys.stderr)


class Counter:
    """False where nothing counts."""

    def __init__(self):
        functions = ctypes.CDLL(None)
        self._read = getattr(functions, "vendor_calls_read", None)
        if not self._read:
            return
        name = functions.vendor_calls_name
        name.restype, name.argtypes = ctypes.c_char_p, [ctypes.c_size_t]
        self.names = [text.decode() for text in itertools.takewhile(bool, map(name, itertools.count()))]
        self._reset = functions.vendor_calls_reset
        self._read.restype = ctypes.c_size_t
        self._read.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_uint64), ctypes.c_size_t]
        self._values = (ctypes.c_uint64 * len(self.names))()

    def __bool__(self):
        return bool(self._read)

    def reset(self):
        if self:
            self._reset()

    def read(self):
        """name -> count of all calls, and of those inside graph_compute_async under "compute." and the name."""
        counts = {}
        for scope, prefix in enumerate(("", "compute.")):
            if self:
                self._read(scope, self._values, len(self.names))
                counts |= {prefix + name: value for name, value in zip(self.names, self._values)}
        return counts
