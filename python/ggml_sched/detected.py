"""What goes into a foreign ggml. cmake/ggml-sched-detect.cmake knows; the CMake program reads it, and no compiler."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import installed
from .messages import Failed

NOT_IN_A_PATH = re.compile(r'[;\[\]\\"$\n\r]')  # CMake would take it for a list, or for its own signs.


class Found:
    """The lines of found.txt by their kind: see cmake/ggml-sched-patch.cmake."""

    def __init__(self, text):
        lines = [line.partition(" ")[::2] for line in text.splitlines()]
        self.features, self.stock, self.ours, choice = (
            [value for kind, value in lines if kind == wanted] for wanted in ("feature", "stock", "ours", "choice"))
        self.choice = [Path(each) for each in choice]


def cmake():
    """The CMake program, of the system or of the PyPI package."""
    beside = os.path.dirname(sys.executable)
    found = shutil.which("cmake") or shutil.which("cmake", path=beside)
    if not found:
        raise Failed("there is no CMake, which tells versions of ggml apart; install it, for example with "
                     "pip install cmake")
    return found


def reason_in(done, program):
    """Why CMake failed, on one line: the sentence of ggml-sched, or what CMake says."""
    text = " ".join(done.stderr.split())
    match = re.search(r"ggml-sched: (.*?)(?= Call Stack| CMake Error|$)", text)
    if match:
        return match[1]
    if "or higher is required" in text:
        return f"{program} is too old; CMake 3.19 or newer is needed, for example from pip install cmake"
    return f"{program} ended with exit code {done.returncode}" + (f": {text[-300:]}" if text else " and said nothing")


@contextlib.contextmanager
def detect(headers, sources):
    """Gives what was found. Its files exist until the end of the `with`."""
    script, program = installed.inject_file().with_name("ggml-sched-patch.cmake"), cmake()
    with tempfile.TemporaryDirectory() as folder:
        for path in (headers, sources, folder, script):
            if NOT_IN_A_PATH.search(str(path)):
                advice = "set TMPDIR to another folder" if path == folder else "rename it"
                raise Failed(f"{path} has a character in its path that CMake cannot take; {advice}")
        done = subprocess.run([program, f"-DHEADERS={headers}", f"-DSOURCES={sources}", f"-DOUT={folder}", "-P", script],
                              capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        if done.returncode:
            raise Failed(reason_in(done, program))
        found = Path(folder) / "found.txt"
        text = found.read_text(encoding="utf-8", errors="surrogateescape") if found.is_file() else ""
        if "choice " not in text:
            raise Failed(f"{program} did not run {script}; take another CMake")
        yield Found(text)
