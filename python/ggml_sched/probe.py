"""Asks a ggml about itself, in a child process with the attach library in front of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .elf import Elf, NotElf
from .loader import Loader
from .preload import with_preload

CHILD = Path(__file__).resolve().parent / "probe_child.py"
SECONDS = 60


class Answers:
    """What a ggml said. `version` is "" and `devices` is None where it did not say."""

    def __init__(self, lines, stderr, code):
        self.version, self.cannot_load, self.devices, self.was_asked = "", "", None, False
        devices = []
        for line in lines:
            self.version = line.get("version", self.version)
            self.cannot_load = line.get("cannot_load", self.cannot_load)
            self.was_asked = self.was_asked or "asked" in line
            if "device" in line:
                devices.append(line)
            if "devices" in line:
                self.devices = devices
        refusal = re.search(r"^ggml-sched: not attached to (?s:.*?), which keeps the scheduler that it has: (.*)$", stderr,
                            re.MULTILINE)  # The path may have a new line.
        self.refusal = refusal[1] if refusal else ""
        self.code = code

    @property
    def is_proved(self):
        return self.was_asked and not self.refusal


def parsed(output):
    for line in output.splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            continue  # a backend wrote to stdout
        if isinstance(answer, dict):
            yield answer


def clean_environment(environment):
    """Without our switches, so that nothing is traced, and with short aborts."""
    kept = {name: value for name, value in environment.items() if not name.startswith("GGML_SCHED")}
    return {**kept, "GGML_NO_BACKTRACE": "1"}


def is_anything_missing(path, environment):
    loader = Loader(environment)
    try:
        loader.load(Elf(path))
    except NotElf:
        return False
    return bool(loader.missing)


def probe(attach, ggml, registry, environment):
    """Returns the Answers of a ggml's library. `registry` is the library that lists the devices, or None."""
    command = [sys.executable, "-I", str(CHILD), str(attach), str(ggml)] + ([str(registry)] if registry else [])
    environment = with_preload({**clean_environment(environment), "LD_PRELOAD": ""}, attach)
    if registry and is_anything_missing(registry, environment):
        # Some packages have a search of their own for ggml's other libraries. These lie beside it.
        folders = [str(Path(ggml).parent), environment.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(folder for folder in folders if folder)
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=SECONDS, cwd=os.sep)
    except subprocess.TimeoutExpired:
        return Answers([{"cannot_load": f"it did not answer for {SECONDS} seconds"}], "", 1)
    return Answers(list(parsed(done.stdout)), done.stderr, done.returncode)


def load_alone(attach, environment):
    """Loads the attach library in a child process. Returns "", or what the loader says."""
    code = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
    try:
        done = subprocess.run([sys.executable, "-I", "-c", code, str(attach)], env=clean_environment(environment),
                              capture_output=True, text=True, errors="replace", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not answer for {SECONDS} seconds"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines() or [f"the process ended with exit code {done.returncode}"]
    return lines[-1].split("OSError: ", 1)[-1]


def load_failure(text):
    """The loader's message as a sentence that a user can act on."""
    needed = re.search(r"version `(GLIBC|GLIBCXX|CXXABI)_([\d.]+)' not found", text)
    if needed:
        library = "glibc" if needed[1] == "GLIBC" else "the C++ library"
        return f"it needs {needed[1]}_{needed[2]}, and {library} of this system is older"
    missing = re.search(r"^(\S+): cannot open shared object file", text)
    if missing:
        return f"the loader does not find {missing[1]}, which it needs"
    return f"the loader says: {text}"
