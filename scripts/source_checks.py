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


def sources_of(entry):
    """The file of an entry, or the files that it joins (CMAKE_UNITY_BUILD)."""
    path = Path(entry["file"])
    if "Unity" not in path.parts:
        return [path]
    return [Path(name) for name in re.findall(r'^#include "(.+)"', path.read_text(encoding="utf-8"), re.MULTILINE)]


def text_of(source):
    """A file's lines, with includes that hold wherever the lines stand."""
    for line in source.read_text(encoding="utf-8").splitlines():
        match = re.match(r'#include "(.+)"', line)
        beside = source.parent / match[1] if match else None
        yield f'#include "{beside}"' if beside and beside.exists() else line


def with_sources(entry, sources):
    """An entry for these files of one that joins some, as one file with the text of all.

    So clang-tidy reads the standard headers once for many files. It follows paths in the main file only: including the
    sources would not do.
    """
    path = Path(entry["file"])
    if "Unity" not in path.parts:
        return entry
    whole = path.with_name(path.stem + "_whole" + path.suffix.replace(".cxx", ".cpp"))
    whole.write_text("\n".join([line for source in sources for line in text_of(source)]) + "\n", encoding="utf-8")
    return {**entry, "file": str(whole), "command": entry["command"].replace(str(path), str(whole))}


def entries_to_tidy():
    """What build/asan compiles of TIDIED, each file once: the attach library compiles src/sched again."""
    seen, entries = set(), []
    for entry in json.loads((ROOT / "build/asan/compile_commands.json").read_text()):
        sources = [source for source in sources_of(entry)
                   if source not in seen and Path(os.path.relpath(source, ROOT)).parts[0] in TIDIED
                   and source.suffix != ".cu"]
        seen.update(sources)
        if sources:
            entries.append(with_sources(entry, sources))
    return entries


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
    command = shlex.split(entry["command"])
    compiler = next(i for i, word in enumerate(command) if Path(word).name.startswith("clang"))
    flags = command[compiler + 1:command.index("-o")]
    done = subprocess.run(["clang-tidy", "--quiet", entry["file"], "--", *flags], cwd=entry["directory"],
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
    entries = entries_to_tidy()
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
