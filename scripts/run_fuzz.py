#!/usr/bin/env python3
"""Tries the property tests on ever new cases, one process for each core, until the time is over or a case fails.

Each round runs all properties with the next seed. At the end it prints how many cases ran clean, and the seed to go on
from; or the failing case, shrunk, and how to run it again. Exit code 1 then.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from steps import CORES, ROOT, Failed, build, minutes, show_progress, without_random_addresses

# The programs, and which of their tests are properties that take RC_PARAMS
PROGRAMS = (("ggml-sched-test-properties", "AnyGraph.*"), ("ggml-sched-test-plan", "AnyPlan.*"),
            ("ggml-sched-test-sequences", "AnySequence.*"))
PRESETS = ("release", "asan", "tsan", "debug", "fuzz")
CASES_PER_ROUND = 200  # of each property; sizes grow from the first to the last


class Fuzzer:
    def __init__(self, programs, prefix, seconds, seed):
        self.programs = programs  # the directory
        self.prefix = prefix
        self.end = time.monotonic() + seconds
        self.next_seed = seed
        self.n_cases = 0
        self.failure = None
        self.lock = threading.Lock()

    def take_seed(self):
        with self.lock:
            if self.failure or time.monotonic() >= self.end:
                return None
            self.next_seed += 1
            return self.next_seed - 1

    def work(self):
        while (seed := self.take_seed()) is not None:
            for program, properties in PROGRAMS:
                self.run(program, properties, seed)

    def run(self, program, properties, seed):
        command = [*self.prefix, str(self.programs / program), f"--gtest_filter={properties}"]
        params = f"seed={seed} max_success={CASES_PER_ROUND}"
        done = subprocess.run(command, env={**os.environ, "RC_PARAMS": params}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        with self.lock:
            if done.returncode:
                self.failure = self.failure or f"{done.stdout}\nfailed: RC_PARAMS=\"{params}\" {' '.join(command)}"
                return
            self.n_cases += sum(int(n) for n in re.findall(rf"^(\d+) cases, seed {seed}$", done.stdout, re.MULTILINE))
            show_progress(f"fuzz: {self.n_cases} cases clean, seed {seed}")


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="scripts/fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seconds", type=float,
                        help="how long; the rounds that have begun by then are finished. GGML_SCHED_FUZZ_SECONDS in the "
                             "environment goes before it")
    parser.add_argument("seed", type=int, nargs="?",
                        help="of the first round; the time of day if there is none. GGML_SCHED_FUZZ_SEED goes before it")
    parser.add_argument("--preset", choices=PRESETS, default="release", help="the build to make and to run")
    parser.add_argument("--bin", type=Path, help="a directory with the programs: nothing is built")
    args = parser.parse_args()

    if not args.bin:
        try:
            build(args.preset, *(program for program, _ in PROGRAMS))
        except Failed as failure:
            sys.exit(str(failure))
    seconds = float(os.environ.get("GGML_SCHED_FUZZ_SECONDS") or args.seconds)
    seed = int(os.environ.get("GGML_SCHED_FUZZ_SEED") or (int(time.time()) if args.seed is None else args.seed))
    print(f"seed {seed}", flush=True)
    fuzzer = Fuzzer(args.bin or ROOT / "build" / args.preset / "bin", without_random_addresses(args.preset), seconds, seed)
    start = time.monotonic()
    with ThreadPoolExecutor(CORES) as pool:
        for worker in [pool.submit(fuzzer.work) for _ in range(CORES)]:
            worker.result()
    show_progress("")
    if fuzzer.failure:
        print(fuzzer.failure)
    print(f"{fuzzer.n_cases} cases clean in {minutes(time.monotonic() - start)}; go on with seed {fuzzer.next_seed}")
    sys.exit(fuzzer.failure is not None)


if __name__ == "__main__":
    main()
