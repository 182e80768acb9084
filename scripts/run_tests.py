#!/usr/bin/env python3
"""Builds and runs the tests. Without options: the documents, one release build and its quick tests, in less than ten
minutes on two cores. With --all: everything that has to pass before a change lands.

  format     clang-format agrees with every source
  portable   no source has a construct that MSVC refuses, as far as scripts/portable_checks.py knows them
  documents  every document obeys the rules of scripts/document_checks.py
  release    gcc, -Werror, all tests; without --all not those that build something
  asan       clang, -Werror, the GPU backends too, with the address and undefined-behaviour sanitizers; fewer random cases
  tidy       clang-tidy finds nothing
  tsan       clang with the thread sanitizer, the tests that have threads, with fewer random cases
  mingw      for Windows, by MinGW's gcc: the tests run under wine, and logits have the same bits as here
  engine     llama-cpp-python from PyPI, built with our scheduler: same logits as with ggml's own, on the CPU and over
             RPC; and both schedulers agree on random graphs. Its CPU and RPC backends have no faults but the known ones.
             Then the tests of tools/llama-ab. What it downloads and compiles stays in build/try-llama.
  attach     our scheduler attached to published packages: the same results. It needs what `engine` has built.

Output of the tools goes to build/logs; what failed is printed here.
"""

import argparse
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter

import windows
from portable_checks import check_portable
from source_checks import check_documents, check_format, check_tidy
from steps import CORES, ROOT, Failed, build, minutes, run_logged, without_random_addresses
from try_attach import check_attach
from try_llama import check_engine

PRESETS = ("release", "asan", "tsan", "mingw", "debug")
CHECKS = {"format": check_format, "portable": check_portable, "documents": check_documents, "tidy": check_tidy, "engine": check_engine,
          "attach": check_attach}
EVERYTHING = ("format", "portable", "documents", "release", "asan", "tidy", "tsan", "mingw", "engine", "attach")
NEWCOMER = ("documents", "release")
QUICK = ["--label-exclude", "slow"]

# Minutes on two cores with a cold compiler cache, to tell how long it takes
MINUTES = {"format": 0.2, "portable": 0.1, "documents": 0.1, "release": 9, "asan": 9, "tidy": 4, "tsan": 9, "mingw": 8,
           "engine": 10, "attach": 5, "debug": 12}



def say(text=""):
    print(text, flush=True)


def read_results(junit):
    """Counts of passed, failed and skipped tests, and the output of those that failed."""
    counts, failures = Counter(), []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        status, skipped = case.get("status"), case.find("skipped")
        if status == "run":
            counts["passed"] += 1
        elif status == "disabled" or (skipped is not None and skipped.get("message", "").startswith("SKIP_")):
            counts["skipped"] += 1
        else:  # that includes tests whose program is missing
            counts["failed"] += 1
            output = (case.findtext("system-out") or "").strip().splitlines()
            failures.append("\n".join([f"FAILED: {case.get('name')}", *output[-80:]]))
    return counts, failures


def run_preset(preset, label_options, regex):
    seconds = build(preset)
    say(f"{preset}: built in {minutes(seconds)}")
    junit = ROOT / "build" / preset / "junit.xml"
    junit.unlink(missing_ok=True)
    selection = ["--tests-regex", regex] if regex else []
    try:
        run_logged(f"test {preset}", [*without_random_addresses(preset), "ctest", "--preset", preset, "--parallel",
                                      str(CORES), "--no-tests=error", "--output-junit", str(junit), *label_options,
                                      *selection], f"test-{preset}.log")
        failed = None
    except Failed as failure:
        failed = failure
    if not junit.exists():
        raise failed or Failed("ctest wrote no results")
    counts, failures = read_results(junit)
    for text in failures:
        say(text)
    if failed and not failures:
        raise failed
    return counts


def run_mingw(regex):
    try:
        windows.start_wine()
        counts = run_preset("mingw", [], regex)
        if not regex:
            windows.check_extensions()
            windows.check_logits()
            windows.check_dll()
    finally:
        windows.stop_wine()
    return counts


def run_part(part, quick, regex):
    start = time.monotonic()
    try:
        if part in CHECKS:
            CHECKS[part]()
            counts = Counter(passed=1)
        elif part == "mingw":
            counts = run_mingw(regex)
        else:
            counts = run_preset(part, QUICK if quick else [], regex)
    except Failed as failure:
        say(str(failure))
        counts = Counter(failed=1)
    say(f"{part}: {summary(counts)} in {minutes(time.monotonic() - start)}")
    return counts


def summary(counts):
    text = f"{counts['passed']} passed, {counts['failed']} failed"
    return text + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="scripts/test", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every part")
    parser.add_argument("--preset", action="append", choices=PRESETS, help="all tests of this build; may be repeated")
    parser.add_argument("--style", action="store_true", help="only format, portable, documents and tidy")
    parser.add_argument("--engine", action="store_true", help="only real engines: engine and attach")
    parser.add_argument("--tests", metavar="REGEX", help="only the tests with such names")
    args = parser.parse_args()

    parts = list(args.preset or []) + (["format", "portable", "documents", "tidy"] if args.style else [])
    parts += ["engine", "attach"] if args.engine else []
    is_quick = not parts and not args.all
    parts = EVERYTHING if args.all else parts or NEWCOMER
    say(f"runs {', '.join(parts)}: about {max(1, round(sum(MINUTES[part] for part in parts)))} minutes on two cores, "
        "less with a warm compiler cache")
    total = Counter()
    start = time.monotonic()
    for part in parts:
        total += run_part(part, is_quick, args.tests)
    say(f"all of it took {minutes(time.monotonic() - start)}")
    say(summary(total))
    sys.exit(total["failed"] > 0 or total["passed"] == 0)


if __name__ == "__main__":
    main()
