"""What scripts/demo and scripts/test share: commands whose output goes to a log, and builds of the presets."""

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build/logs"
CORES = len(os.sched_getaffinity(0))


def show_progress(text):
    """Overwrites one line of the terminal; says nothing in a pipe."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[K{text[:width]}")
        sys.stderr.flush()


def clear_progress():
    show_progress("")


class Failed(Exception):
    """A command that failed; its text is what a person wants to see of the output."""


def run_logged(title, command, log, tail=60):
    """Runs a command with its output in build/logs; raises Failed with the output's end. Returns the seconds."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / log
    start = time.monotonic()
    with path.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace")
        for line in process.stdout:
            out.write(line)
            show_progress(f"{title}: {line.strip()}")
        code = process.wait()
    clear_progress()
    if code:
        lines = path.read_text(encoding="utf-8").splitlines()[-tail:]
        raise Failed("\n".join([*lines, f"{title} failed with exit code {code}; the whole output is in {path}"]))
    return time.monotonic() - start


def without_random_addresses(preset):
    """The prefix that a command needs where the kernel spreads addresses: wider than ThreadSanitizer can handle, or at
    all with wine, which maps a page at a fixed address."""
    bits = Path("/proc/sys/vm/mmap_rnd_bits")
    prefix = ["setarch", platform.machine(), "-R"]
    if preset not in ("tsan", "mingw") or not bits.exists() or (preset == "tsan" and int(bits.read_text()) <= 28):
        return []
    works = subprocess.run([*prefix, "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    return prefix if works else []


def configure(preset):
    run_logged(f"configure {preset}", ["cmake", "--preset", preset], f"configure-{preset}.log")


def build(preset, *targets):
    """Configures and builds a preset in build/<preset>; returns the seconds."""
    start = time.monotonic()
    configure(preset)
    only = ["--target", *targets] if targets else []
    run_logged(f"build {preset}", [*without_random_addresses(preset), "cmake", "--build", "--preset", preset,
                                   "--parallel", str(CORES), *only], f"build-{preset}.log")
    return time.monotonic() - start


def minutes(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
