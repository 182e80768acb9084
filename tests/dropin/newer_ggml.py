#!/usr/bin/env python3
"""Builds a ggml that is newer than our scheduler knows, with our scheduler in it, and runs an engine on it.

The ggml is that of the llama-cpp-python that scripts/try-llama builds. A copy of it, in build/try-llama/newer-ggml, gets
functions of the scheduler that newer versions have or could have:

  set_copy_callback, set_realloc_callback     as in ggml 0.26 and 0.27
  set_priority, set_progress_callback, set_label, get_report
                                              functions that nobody knows

Then both schedulers are compared on random graphs (tests/parity), and the engine (engine.c) runs with GGML_SCHED=ours and
=stock and without that variable, on the CPU, and on the CPU with two RPC servers. All logits must have the same bits.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from newer_ggml_edits import copy_newer  # noqa: E402
from sandbox import INJECT, RpcServers  # noqa: E402
from steps import CORES, LOGS, Failed, minutes, run_logged  # noqa: E402
from try_llama import PACKAGE, SANDBOX, VERSION, prepare  # noqa: E402

HERE = Path(__file__).resolve().parent
N_SERVERS = 2
SECONDS_OF_A_RUN = 900
UNKNOWN = ("set_priority", "set_progress_callback", "set_label", "get_report")
DEFINITIONS = {
    "CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS": "-Wall -Wextra", "BUILD_SHARED_LIBS": "ON", "GGML_NATIVE": "OFF",
    "GGML_RPC": "ON", "GGML_OPENMP": "ON", "GGML_BUILD_TESTS": "OFF", "GGML_BUILD_EXAMPLES": "OFF",
}
LIBRARIES = ("ggml", "ggml-cpu", "ggml-rpc", "ggml-base")


class Build:
    """A build of the newer ggml, with our scheduler in it or without."""

    def __init__(self, name, injected, jobs):
        self.work = SANDBOX.work / "newer-ggml" / name
        self.ggml = self.work / "ggml"
        self.directory = self.work / ("build" if injected else "build-without")
        self.injected, self.jobs = injected, jobs
        self.engine = self.directory / "engine"

    def configure(self):
        ours = {"CMAKE_PROJECT_ggml_INCLUDE": INJECT, "GGML_SCHED_PARITY": "ON"} if self.injected else {}
        run_logged("configure", ["cmake", "-S", self.ggml, "-B", self.directory, "-G", "Ninja",
                                 *(f"-D{name}={value}" for name, value in {**DEFINITIONS, **ours}.items())],
                   "newer-ggml-configure.log")
        if self.injected and "ggml-sched: added to ggml-base" not in (LOGS / "newer-ggml-configure.log").read_text():
            raise Failed("ggml's configuration does not say that our scheduler was added")

    def compile(self):
        targets = [*LIBRARIES, *(["ggml-sched-parity"] if self.injected else [])]
        run_logged("build", ["cmake", "--build", self.directory, "--parallel", str(self.jobs), "--target", *targets],
                   "newer-ggml-build.log")
        warnings = [line for line in (LOGS / "newer-ggml-build.log").read_text().splitlines() if self.is_our_warning(line)]
        if warnings:  # The next build compiles the files again, so that it shows the warnings again.
            shutil.rmtree(self.directory / "CMakeFiles/ggml-sched-objects.dir", ignore_errors=True)
            raise Failed("\n".join(["our files do not compile without warnings:", *warnings]))

    def is_our_warning(self, line):
        """True for warnings in files of this repository, and in files that our scheduler's configuration has written."""
        found = re.match(r"(.+?):\d+:\d+: warning:", line)
        return bool(found) and not Path(os.path.normpath(self.directory / found[1])).is_relative_to(self.ggml)

    def compile_engine(self):
        libraries = [next(self.directory.rglob(f"lib{name}.so")) for name in LIBRARIES]
        run_logged("engine", ["cc", "-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", self.engine,
                              f"-I{self.ggml / 'include'}", *sorted(HERE.glob("engine*.c")), *libraries, "-lm",
                              *(f"-Wl,-rpath,{library.parent}" for library in libraries)], "newer-ggml-engine.log")

    def compare_random_graphs(self):
        # Threads that wait for each other would take long on a machine that is busy with something else.
        program = next(self.directory.rglob("ggml-sched-parity"))
        run_logged("parity", ["env", "OMP_THREAD_LIMIT=1", program], "newer-ggml-parity.log")


class Run:
    """One run of the engine: what it printed, and what is wrong with it."""

    def __init__(self, build, choice, servers=0, newer=False, **environment):
        self.choice, self.newer = choice, newer
        self.title = " ".join(["engine", "--newer" if newer else "", f"GGML_SCHED={choice}" if choice else "no GGML_SCHED",
                               f"{servers} RPC servers" if servers else "CPU",
                               *(f"{name}={value}" for name, value in environment.items())]).replace("  ", " ")
        environment = {**{name: value for name, value in os.environ.items() if not name.startswith("GGML_")},
                       **({"GGML_SCHED": choice} if choice else {}), "GGML_SCHED_VERIFY": "1", **environment}
        with RpcServers([build.engine, "--serve"], servers) as rpc:
            self.run([build.engine, *(["--newer"] if newer else []), *rpc.endpoints], environment)

    def run(self, command, environment):
        start = time.monotonic()
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS_OF_A_RUN)
            self.out, self.log, self.code = done.stdout.splitlines(), done.stderr.splitlines(), done.returncode
        except subprocess.TimeoutExpired as late:
            texts = (text or "" for text in (late.stdout, late.stderr))  # They can be bytes.
            self.out, self.log = ((text if isinstance(text, str) else text.decode()).splitlines() for text in texts)
            self.code = f"none after {SECONDS_OF_A_RUN} s"
        self.seconds = time.monotonic() - start

    def lines(self, beginning):
        return [line for line in self.out if line.startswith(beginning)]

    @property
    def hashes(self):
        """The hash of each scenario, by its name"""
        return dict(re.fullmatch(r"hash: (.*): (\w+)", line).groups() for line in self.lines("hash:"))

    def problems(self, injected):
        found = [f"exit code {self.code}, instead of 0"] if self.code else []
        hashes = self.hashes
        if not hashes or len(set(hashes.values())) > 1:
            found += ["not all scenarios have the same hash:", *(f"  {value} {name}" for name, value in hashes.items())]
        return found + self.problems_of_log(injected) + self.problems_of_caches()

    def problems_of_caches(self):
        return [f"the expert cache did not evict: {line}" for line in self.lines("lookups:") if line.endswith("evictions 0)")]

    def problems_of_log(self, injected):
        return self.problems_of_makers(injected) + self.problems_of_unknown_functions(injected)

    def problems_of_makers(self, injected):
        """GGML_SCHED says which scheduler is made."""
        makers = {line.split()[-1] for line in self.log if "ggml-sched: scheduler made by" in line}
        expected = {"stock" if self.choice == "stock" else "ours"} if injected else set()
        return [f"schedulers were made by {makers}, instead of {expected}"] if makers != expected else []

    def problems_of_unknown_functions(self, injected):
        """With GGML_SCHED=ours each call is an error; without the variable the first is a warning. No other line may be."""
        level = {"ours": "error", "": "warning"}.get(self.choice) if self.newer and injected else None
        pattern = re.compile(rf"{level}: ggml-sched: ggml_backend_sched_({'|'.join(UNKNOWN)}) ")
        lines = [line for line in self.log if not line.startswith(("debug:", "ggml-sched: made a scheduler: "))]
        others = [line for line in lines if not pattern.match(line)]
        n_calls = int(self.lines("calls so far:")[-1].split()[-1]) if self.lines("calls so far:") else 0
        n_expected = {"error": n_calls, "warning": len(self.lines("answers:")), None: 0}[level]
        found = ["the log has:", *others[:20]] if others else []
        if len(lines) - len(others) != n_expected:
            found.append(f"the log has {len(lines) - len(others)} lines about unknown functions, instead of {n_expected}")
        return found


class Checks:
    """Prints one line for each check."""

    def __init__(self):
        self.failed = False

    def report(self, title, seconds, problems=()):
        print(f"{'FAILED' if problems else 'ok'}: {title} ({minutes(seconds)})", flush=True)
        for problem in problems:
            print(f"    {problem}", flush=True)
        self.failed = self.failed or bool(problems)

    def step(self, title, work):
        """Raises Failed after it has printed the line."""
        start = time.monotonic()
        try:
            work()
        except Failed:
            self.report(title, time.monotonic() - start, ["see below"])
            raise
        self.report(title, time.monotonic() - start)


def differences(run, reference):
    """What must not depend on the scheduler, but does."""
    kinds = ("hash:", "lookups:", "evaluated:", *(("answers:", "later answers:") if run.choice != "ours" else ()))
    lines, expected = ([line for line in some.out if line.startswith(kinds)] for some in (run, reference))
    wrong = [f"printed '{line}', unlike {reference.title}" for line in lines if line not in expected]
    return wrong + [f"did not print '{line}', unlike {reference.title}" for line in expected if line not in lines]


def wrong_answers(run):
    """With GGML_SCHED=ours unknown functions return zero and do nothing."""
    wrong = [line for line in run.lines("answers:") if not line.endswith(": 0, false, no label, priority 0")]
    wrong += [line for line in run.lines("later answers:") if not line.endswith(": 0, not told of progress")]
    return [f"printed '{line}', not zero" for line in wrong]


def run_engine(build, checks, servers, newer):
    reference = None
    variants = [("stock", {}), ("", {}), ("ours", {})] if build.injected else [("stock", {})]
    if build.injected and servers and not newer:
        variants.append(("ours", {"GGML_SCHED_STREAM": "0"}))
    for choice, environment in variants:
        run = Run(build, choice, servers, newer, **environment)
        reference = reference or run
        problems = run.problems(build.injected) + differences(run, reference)
        problems += wrong_answers(run) if choice == "ours" else []
        checks.report(run.title, run.seconds, problems)
        (LOGS / f"newer-ggml-{re.sub('[^A-Za-z0-9]+', '-', run.title)}.log").write_text("\n".join(run.out + run.log) + "\n")
    return reference.hashes


def main():
    parser = argparse.ArgumentParser(prog="newer_ggml.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=VERSION, help=f"of llama-cpp-python ({VERSION}); latest: the newest")
    parser.add_argument("--ggml", type=Path, help="the directory of another ggml")
    parser.add_argument("--without-ours", action="store_true", help="build without our scheduler: tries engine and edits")
    parser.add_argument("--jobs", type=int, default=CORES, help=f"for the compiler ({CORES})")
    args = parser.parse_args()
    version = "other" if args.ggml else prepare(args.version)
    source = args.ggml or SANDBOX.source_of(PACKAGE, version) / "vendor/llama.cpp/ggml"
    build = Build(version, not args.without_ours, args.jobs)
    checks = Checks()
    checks.step("edits of ggml", lambda: copy_newer(source, build.ggml))
    checks.step("configuration", build.configure)
    checks.step("build without a warning", build.compile)
    checks.step("engine program", build.compile_engine)
    if build.injected:
        checks.step("both schedulers agree on all random graphs", build.compare_random_graphs)
    for newer in (False, True):
        hashes = [run_engine(build, checks, servers, newer) for servers in (0, N_SERVERS)]
        values = {value for by_name in hashes for value in by_name.values()}
        checks.report(f"one hash in all runs of the engine{' with --newer' if newer else ''}: {', '.join(sorted(values))}", 0,
                      [] if len(values) == 1 else ["there is more than one hash, or none"])
    sys.exit(checks.failed)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
