"""The part `mingw` of scripts/test: what is compiled for Windows runs under wine, and computes what Linux computes."""

import os
import subprocess
from pathlib import Path

from steps import ROOT, Failed, build, run_logged

WINE = "/usr/lib/wine/wine64"
PREFIX = ROOT / "build/wine"
DEVICES = ("cpu", "sim", "sim*2,cpu")


def start_wine():
    """Starts what wine keeps running, since the first program that starts it never closes its output."""
    os.environ |= {"WINEPREFIX": str(PREFIX), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    PREFIX.mkdir(parents=True, exist_ok=True)
    for command in ([WINE, "wineboot", "--init"], ["/usr/lib/wine/wineserver", "--wait"], ["/usr/lib/wine/wineserver", "--persistent"],
                    [WINE, "cmd", "/c", "exit"]):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300,
                       check=False)


def stop_wine():
    subprocess.run(["/usr/lib/wine/wineserver", "--kill"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60, check=False)


def logits(command):
    """The line of sched-run that tells them, as a hash"""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300,
                          check=False)
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
        hashes[f"Windows, {devices}"] = logits([WINE, str(ROOT / "build/mingw/bin/sched-run.exe"), "--devices", devices])
    if len(set(hashes.values())) != 1:
        raise Failed("the logits differ:\n" + "\n".join(f"{name}: {value}" for name, value in hashes.items()))


def exported_names(library):
    """The functions that a DLL exports"""
    text = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", library], capture_output=True, text=True, check=True).stdout
    table = text.split("[Ordinal/Name Pointer] Table")[1].split("\n\n")[0]
    return {line.split()[-1] for line in table.splitlines()[1:] if line.strip().startswith("[")}


def check_dll():
    """The shared library exports the public functions and nothing else, and a C program runs with it."""
    folder = ROOT / "build/mingw-shared"
    run_logged("configure mingw-shared", ["cmake", "--preset", "mingw", "-B", str(folder), "-DBUILD_SHARED_LIBS=ON",
                                          "-DGGML_SCHED_TESTS=OFF", "-DGGML_SCHED_TOOLS=OFF"], "configure-mingw-shared.log")
    run_logged("build mingw-shared", ["cmake", "--build", str(folder)], "build-mingw-shared.log")
    names = exported_names(folder / "bin/libggml-sched.dll")
    others = sorted(name for name in names if not name.startswith(("ggml_", "gguf_")))
    if others or "ggml_backend_sched_new" not in names:
        raise Failed(f"the DLL exports {len(names)} functions, and these should not be there: {', '.join(others)}")
    done = subprocess.run([WINE, str(folder / "bin/sched-simple.exe")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=300, check=False)
    if done.returncode or "result: 33 66 99 132" not in done.stdout:
        raise Failed(f"sched-simple.exe ended with {done.returncode}:\n{done.stdout}{done.stderr}")
