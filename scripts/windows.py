"""The part `mingw` of scripts/test: what is compiled for Windows runs under wine, and computes what Linux computes."""

import json
import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from steps import CORES, ROOT, Failed, build, run_logged, without_random_addresses

WINE = "/usr/lib/wine/wine64"
SERVER = "/usr/lib/wine/wineserver"
PREFIX = ROOT / "build/wine"
CLANG_TARGET = "x86_64-w64-windows-gnu"
CLANG_REFUSES = ("-Werror=gnu", "-Werror=vla", "-Werror=c++20-extensions", "-Werror=shorten-64-to-32", "-Werror=format",
                 "-Wno-unused-command-line-argument", "-DGGML_SCHED_PLAIN_LANES")  # lanes.h then is as MSVC sees it
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
        raise Failed(f"{' '.join(command)}: {error}; scripts/setup --windows installs wine") from error


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
            raise Failed(f"{' '.join(command)}: {error}; scripts/setup --windows installs wine") from error
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


def headers_of_mingw():
    """The options with which clang finds MinGW's headers: its own, and those of GCC's library of C++"""
    compiler = "x86_64-w64-mingw32-g++-posix"
    library = subprocess.run([compiler, "-print-file-name=include/c++"], capture_output=True, text=True, check=True).stdout.strip()
    folders = (library, f"{library}/x86_64-w64-mingw32", "/usr/x86_64-w64-mingw32/include")
    return [word for folder in folders for word in ("-isystem", folder)]


def findings_of_clang(entry):
    """What clang says of one source that MinGW's GCC has compiled"""
    command = shlex.split(entry["command"])
    compiler = next(i for i, word in enumerate(command) if "mingw32-g" in Path(word).name)
    is_c = entry["file"].endswith(".c")
    flags = [word for word in command[compiler + 1:command.index("-o")] if not word.startswith(("-W", "-O"))]
    done = subprocess.run(["clang" if is_c else "clang++", f"--target={CLANG_TARGET}", *flags, *CLANG_REFUSES, *headers_of_mingw(),
                           "-fsyntax-only", entry["file"]], cwd=entry["directory"], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def check_extensions():
    """clang finds no extension of GNU, none of C++20, and no 64 bits that go into a long, with the types of Windows.

    This does not show that MSVC compiles the sources: clang reads MinGW's headers, not those of MSVC.
    """
    entries = [entry for entry in json.loads((ROOT / "build/mingw/compile_commands.json").read_text())
               if Path(os.path.relpath(entry["file"], ROOT)).parts[0] in ("src", "examples", "tools")]
    with ThreadPoolExecutor(CORES) as pool:
        findings = [found for found in pool.map(findings_of_clang, entries) if found]
    if findings or not entries:
        raise Failed("\n".join(findings) or "build/mingw/compile_commands.json names no source of ours")


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
