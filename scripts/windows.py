"""The part `mingw` of scripts/test: what is compiled for Windows runs under wine, and computes what Linux computes."""

import os
import re
import subprocess
from pathlib import Path

from steps import ROOT, Failed, build, run_logged, without_random_addresses

WINE = "/usr/lib/wine/wine64"
SERVER = "/usr/lib/wine/wineserver"
PREFIX = ROOT / "build/wine"
DEVICES = ("cpu", "sim", "sim*2,cpu")


def wine(*command):
    """The command with which this starts a program; without random addresses, as cmake/mingw.cmake says"""
    return [*without_random_addresses("mingw"), WINE, *command]


def call(command, seconds=300):
    """Runs a command, and returns what it did. Raises Failed if it cannot be run or does not end."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds,
                              check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(command)}: {error}; scripts/setup installs wine") from error


def start_wine():
    """Starts what wine keeps running, since the first program that starts it never closes its output."""
    os.environ |= {"WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    PREFIX.mkdir(parents=True, exist_ok=True)
    for command in (wine("wineboot", "--init"), [SERVER, "--wait"], [SERVER, "--persistent"]):
        # Its services would keep a pipe open.
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300,
                           check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"{' '.join(command)}: {error}; scripts/setup installs wine") from error
    code = subprocess.run(wine("cmd", "/c", "exit"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=300, check=False).returncode
    if code:
        raise Failed(f"wine does not start: it ended with {code}; is {PREFIX} yours?")


def stop_wine():
    if Path(SERVER).exists():
        call([SERVER, "--kill"], 60)


def logits(command):
    """The line of sched-run that tells them, as a hash"""
    done = call(command)
    lines = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("logits")]
    if done.returncode or len(lines) != 1:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return lines[0]


def check_logits():
    """The same bits on both systems, on all devices"""
    build("release", "sched-run")
    hashes = {}
    for devices in DEVICES:
        hashes[f"Linux, {devices}"] = logits([str(ROOT / "build/release/bin/sched-run"), "--devices", devices])
        hashes[f"Windows, {devices}"] = logits(wine(str(ROOT / "build/mingw/bin/sched-run.exe"), "--devices", devices))
    if len(set(hashes.values())) != 1:
        raise Failed("the logits differ:\n" + "\n".join(f"{name}: {value}" for name, value in hashes.items()))


def exported_names(library):
    """The functions that a DLL exports"""
    text = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", library], capture_output=True, text=True, check=True).stdout
    table = text.split("[Ordinal/Name Pointer] Table")[1].split("\n\n")[0]
    return {line.split()[-1] for line in table.splitlines()[1:] if line.strip().startswith("[")}


def declared_names():
    """The functions that headers declare with GGML_API: the public ones, and those of the library that its tests call"""
    headers = [*(ROOT / "include").glob("*.h"), *(ROOT / "src/core").glob("ggml-*impl.h")]
    return {name for header in headers
            for name in re.findall(r"\bGGML_(?:BACKEND_)?API\b[^;(]*?\b(\w+)\s*\(", header.read_text(encoding="utf-8"))}


def check_dll():
    """The shared library exports what the headers declare and nothing else, and a C program runs with it."""
    folder = ROOT / "build/mingw-shared"
    run_logged("configure mingw-shared", ["cmake", "--preset", "mingw", "-B", str(folder), "-DBUILD_SHARED_LIBS=ON",
                                          "-DGGML_SCHED_TESTS=OFF"], "configure-mingw-shared.log")
    run_logged("build mingw-shared", ["cmake", "--build", str(folder), "--target", "sched-simple"], "build-mingw-shared.log")
    exported, declared = exported_names(folder / "bin/libggml-sched.dll"), declared_names()
    others = sorted(exported - declared)
    if others or "ggml_backend_sched_new" not in exported:
        raise Failed(f"the DLL exports {len(exported)} functions, and no header declares these: {', '.join(others)}")
    done = call(wine(str(folder / "bin/sched-simple.exe")))
    if done.returncode or "result: 33 66 99 132" not in done.stdout:
        raise Failed(f"sched-simple.exe ended with {done.returncode}:\n{done.stdout}{done.stderr}")
