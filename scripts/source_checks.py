"""clang-format and clang-tidy over our sources, and the rules of language over our documents."""

import hashlib
import json
import os
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import document_checks
from steps import CORES, ROOT, Failed, clear_progress, configure, show_progress

FORMATTED = ("include", "src", "examples", "tools", "tests", "bench")
TIDIED = ("src", "examples", "tools")
SUFFIXES = {".c", ".cpp", ".cu", ".h"}


def check_format():
    files = [str(p.relative_to(ROOT)) for top in FORMATTED for p in sorted((ROOT / top).rglob("*"))
             if p.suffix in SUFFIXES]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.MULTILINE)))
        raise Failed(f"{done.stderr[:4000]}\nto repair: clang-format -i {' '.join(wrong)}")


def check_documents():
    faults = document_checks.check_documents()
    if faults:
        raise Failed("\n".join(faults))


def fingerprint(entry, salt):
    """A hash over all that clang-tidy sees: the file with everything that it includes, comments and macros too."""
    command = shlex.split(entry["command"])
    out = command.index("-o")
    command = [word for word in command[:out] + command[out + 2:] if word != "-c"]
    done = subprocess.run([*command, "-E", "-CC", "-dD"], cwd=entry["directory"], capture_output=True)
    return hashlib.sha256(salt + entry["command"].encode() + done.stdout).hexdigest() if not done.returncode else None


def tidy(entry, salt, known_good):
    """The findings of one file, and its fingerprint if there are none."""
    key = fingerprint(entry, salt)
    if key and (known_good / key).exists():
        return "", key
    done = subprocess.run(["clang-tidy", "--quiet", "-p", ROOT / "build/asan", entry["file"]], cwd=ROOT,
                          capture_output=True, text=True)
    if done.returncode or done.stdout.strip():
        return done.stdout.strip() or done.stderr.strip() or "clang-tidy failed without a word", None
    if key:
        (known_good / key).touch()
    return "", key


def check_tidy():
    """Files that were clean and have not changed since, nor anything that they include, are not looked at again.

    Kernels are left out: Debian's clang is older than the CUDA that compiles them.
    """
    configure("asan")
    known_good = ROOT / "build/clang-tidy"
    known_good.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    salt = version + (ROOT / ".clang-tidy").read_bytes()
    all_entries = json.loads((ROOT / "build/asan/compile_commands.json").read_text())
    # The attach library compiles src/sched again: each file is looked at once.
    entries = list({e["file"]: e for e in reversed(all_entries)
                    if Path(os.path.relpath(e["file"], ROOT)).parts[0] in TIDIED
                    and not e["file"].endswith(".cu")}.values())
    if not entries:
        raise Failed("build/asan/compile_commands.json names no source of ours")
    findings, keys = [], set()
    with ThreadPoolExecutor(CORES) as pool:
        for i, (found, key) in enumerate(pool.map(lambda e: tidy(e, salt, known_good), entries), 1):
            show_progress(f"clang-tidy: {i} of {len(entries)}")
            findings += [found] if found else []
            keys.add(key)
    clear_progress()
    for old in known_good.iterdir():
        if old.name not in keys:
            old.unlink()
    if findings:
        raise Failed("\n".join(findings))
