#!/usr/bin/env python3
"""Checks the backends of a ggml against the contract of docs/backend-guide.md, by the conformance suite.

    scripts/check-backend --ggml DIR [--device NAME] [-- options of GoogleTest]
    scripts/check-backend --ggml DIR --device NAME --times
    scripts/check-backend [--source DIR] ...         compiles ggml's sources first: those in DIR, or of llama-cpp-python

DIR holds a ggml that has been built: ggml.h and shared libraries, anywhere below. It may be a folder of an installation, a
build tree inside of its sources, or the site-packages of a virtual environment. If ggml-backend-impl.h is below DIR, too,
or in --internal-headers, the members of backends are checked as well.

Each test runs in a process of its own: a backend may abort or hang. RPC servers are started anew for each. The result of
a test is one of

    passed, skipped
    FAILED     a check failed
    ABORTED    the process ended by a signal: an assertion of ggml, or a crash
    HUNG       it took longer than --timeout seconds

--known FILE names tests that are known to fail, one a line: NAME RESULT. Others that fail, and tests of the file that do
not, make the exit code 1.

On a machine without a network and without GoogleTest, take this repository there and the sources of GoogleTest
(/usr/src/googletest of Debian's libgtest-dev), and give --googletest DIR. Needed are cmake, a compiler for C++17, and
Python 3.8. --show-commands prints what builds the program and what runs it, without Python.
"""

import argparse
import fnmatch
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, namedtuple
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import try_llama
from sandbox import RpcServers
from steps import CORES, ROOT, Failed, minutes, run_logged

WORK = ROOT / "build/check-backend"
SOURCE = ROOT / "tests/conformance/foreign"
BAD = ("FAILED", "ABORTED", "HUNG")

# What GoogleTest and the program print besides
NOISE = re.compile(r"Note: Google Test|\[[-= A-Z]+\]|Google Test trace|\s*$|"
                   r" *\d+ FAILED TEST|while trying: $")

Ggml = namedtuple("Ggml", "headers libraries internal_headers")
Result = namedtuple("Result", "name outcome seconds output")


def nearest(folder, name):
    """The folder of the file of this name that lies least deep below `folder`; None if there is none."""
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), str(path)))
    return found[0].parent.resolve() if found else None


def find_ggml(args):
    headers, libraries = nearest(args.ggml, "ggml-backend.h"), nearest(args.libraries or args.ggml, "libggml-base.so*")
    if not headers:
        raise Failed(f"no ggml-backend.h is below {args.ggml}")
    if not libraries:
        raise Failed(f"no libggml-base.so is below {args.libraries or args.ggml}; ggml must be built with shared libraries")
    internal = nearest(args.internal_headers or args.ggml, "ggml-backend-impl.h")
    return Ggml(headers, libraries, internal)


def source_of_package(version):
    version = try_llama.prepare(version)
    return try_llama.SANDBOX.source_of(try_llama.PACKAGE, version) / "vendor/llama.cpp/ggml"


def folder_for(name, path):
    """A folder in build for what is made of this path."""
    return WORK / f"{name}-{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def build_ggml(source, args):
    """ggml without changes, with its CPU and RPC backends and what --define adds. Returns the folder of the installation."""
    folder = folder_for("ggml", source)
    definitions = {"GGML_SOURCE": source.resolve(), "CMAKE_BUILD_TYPE": "Release", "BUILD_SHARED_LIBS": "ON",
                   "GGML_RPC": "ON", "GGML_NATIVE": "OFF",
                   "CMAKE_INSTALL_PREFIX": folder / "installed", "CMAKE_INSTALL_LIBDIR": "lib",
                   "GGML_BUILD_TESTS": "OFF", "GGML_BUILD_EXAMPLES": "OFF",
                   **dict(word.split("=", 1) for word in args.define)}
    run_logged("configure ggml", ["cmake", *generator(), "-S", SOURCE / "ggml", "-B", folder / "build",
                                  *[f"-D{name}={value}" for name, value in definitions.items()]], "check-backend-ggml.log")
    seconds = run_logged("build ggml", ["cmake", "--build", folder / "build", "--target", "install", "--parallel", str(CORES)],
                         "check-backend-ggml.log")
    print(f"{source}: built in {minutes(seconds)}", flush=True)
    args.internal_headers = args.internal_headers or source / "src"
    return folder / "installed"


def generator():
    return ["-G", "Ninja"] if shutil.which("ninja") else []


def build_commands(ggml, args, build):
    definitions = {"GGML_HEADERS": ggml.headers, "GGML_LIBRARIES": ggml.libraries,
                   "GGML_INTERNAL_HEADERS": ggml.internal_headers or "",
                   "GOOGLETEST": args.googletest.resolve() if args.googletest else ""}
    return (["cmake", *generator(), "-S", SOURCE, "-B", build, *[f"-D{name}={value}" for name, value in definitions.items()]],
            ["cmake", "--build", build, "--parallel", str(CORES)])


def build_program(ggml, args):
    build = args.build or folder_for("program", ggml.libraries)
    configure, compile_it = build_commands(ggml, args, build)
    if args.show_commands:
        for command in (configure, compile_it, [build / "check-backend", "--list-devices"]):
            print(" ".join(str(word) for word in command))
        sys.exit()
    run_logged("configure", configure, "check-backend-configure.log")
    for line in (ROOT / "build/logs/check-backend-configure.log").read_text(encoding="utf-8").splitlines():
        if line.startswith("-- left out: "):
            print(line[3:])
    seconds = run_logged("build", compile_it, "check-backend-build.log")
    print(f"built in {minutes(seconds)}: {build / 'check-backend'}", flush=True)
    return build / "check-backend"


class Runner:
    def __init__(self, program, args):
        self.program, self.args = program, args
        # Threads that spin while they wait would take the cores from servers.
        self.environment = {"OMP_WAIT_POLICY": "passive", "GGML_NO_BACKTRACE": "1", **os.environ}
        self.start_lines = frozenset()  # lines that ggml and the drivers print in every process

    def command(self, stack, options):
        servers = stack.enter_context(RpcServers(["env", "OMP_WAIT_POLICY=passive", self.program, "--serve"],
                                                 self.args.rpc_servers))
        rpc = [word for endpoint in [*self.args.rpc, *servers.endpoints] for word in ("--rpc", endpoint)]
        device = ["--device", self.args.device] if self.args.device else []
        return [self.program, *rpc, *device, *options]

    def read(self, options):
        """What the program prints to stdout, and what to stderr."""
        with ExitStack() as stack:
            done = subprocess.run(self.command(stack, options), capture_output=True, text=True, errors="replace",
                                  env=self.environment)
        if done.returncode:
            raise Failed(f"{done.stdout}{done.stderr}\n{self.program.name} ends with {done.returncode}")
        return done.stdout, done.stderr

    def devices(self):
        """What the program prints when it lists the devices. Keeps these lines, which each process prints."""
        listed, messages = self.read(["--list-devices"])
        self.start_lines = frozenset([*listed.splitlines(), *messages.splitlines()])
        return messages + listed

    def show(self, options):
        """Lets the program print. Returns whether it ends well."""
        with ExitStack() as stack:
            try:
                return subprocess.run(self.command(stack, options), env=self.environment,
                                      timeout=self.args.timeout).returncode == 0
            except subprocess.TimeoutExpired as late:
                raise Failed(f"{self.program.name} takes longer than {self.args.timeout:.0f} s") from late

    def tests(self):
        names, suite = [], ""
        for line in self.read(["--gtest_list_tests", *self.args.options])[0].splitlines():
            word = line.split("#")[0].rstrip()
            if line.startswith(" "):
                names.append(suite + word.strip())
            elif word.endswith("."):
                suite = word
        return names

    def run(self, name):
        begin = time.monotonic()
        with ExitStack() as stack:
            command = self.command(stack, [f"--gtest_filter={name}"])
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                       env=self.environment, start_new_session=True)
            try:
                output = process.communicate(timeout=self.args.timeout)[0]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output = process.communicate()[0]
                return Result(name, "HUNG", time.monotonic() - begin, output)
        if process.returncode not in (0, 1):
            output += f"the process ended with {describe(process.returncode)}\n"
        outcome = ("ABORTED" if process.returncode not in (0, 1) else "FAILED" if process.returncode else
                   "skipped" if "[  SKIPPED ]" in output else "passed")
        return Result(name, outcome, time.monotonic() - begin, output)


def describe(code):
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def short_name(test):
    """Suite.Test/Subject, without GoogleTest's prefix."""
    return test.split("/", 1)[1] if test.count("/") > 1 else test


def what_failed(result, start_lines):
    """The lines of its output that say what happened. Every process prints `start_lines`, so they are left out."""
    lines = [line for line in result.output.splitlines() if line not in start_lines and not NOISE.match(line)]
    return [f"    {line[:200]}" for line in lines[:12]]


def read_known(path):
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path else ():
        words = line.split("#")[0].split()
        if words:
            known[words[0]] = words[1]
    return known


def report(results, known):
    """Prints what failed and a summary by subject. Returns whether it is as known."""
    counts, surprises = {}, []
    for result in results:
        name = short_name(result.name)
        counts.setdefault(name.rsplit("/", 1)[-1], Counter())[result.outcome] += 1
        expected = known_outcome(result, known)
        if (result.outcome if result.outcome in BAD else None) != expected:
            surprises.append(f"{name}: {result.outcome}" + (f", known to be {expected}" if expected else ""))
    for subject, count in counts.items():
        print(f"{subject}: " + ", ".join(f"{number} {outcome}" for outcome, number in sorted(count.items())))
    reasons = Counter(why_skipped(result) for result in results if result.outcome == "skipped")
    for reason, number in reasons.most_common():
        print(f"    {number} skipped: {reason}")
    if known and surprises:
        print("not as known:", *surprises, sep="\n  ")
    elif known:
        print("all is as known")
    return not surprises


def why_skipped(result):
    """The line that a skipped test has printed behind the place of its source."""
    lines = result.output.splitlines()
    places = [i for i, line in enumerate(lines) if re.search(r"\.(cpp|h):\d+: Skipped", line)]
    return lines[places[0] + 1].strip() if places and places[0] + 1 < len(lines) else "no reason given"


def known_outcome(result, known):
    return next((outcome for pattern, outcome in known.items() if fnmatch.fnmatchcase(short_name(result.name), pattern)), None)


def show(result, start_lines, verbose, known):
    """Prints a test that failed, or each if `verbose`, and what was observed."""
    if verbose or result.outcome in BAD:
        is_known = result.outcome in BAD and result.outcome == known_outcome(result, known)
        reason = f": {why_skipped(result)}" if result.outcome == "skipped" else ", known" if is_known else ""
        print(f"{result.outcome:8} {short_name(result.name)} ({result.seconds:.1f} s){reason}")
    if result.outcome in BAD:
        for line in what_failed(result, start_lines):
            print(line)
    for line in result.output.splitlines():
        if line.startswith("observed: "):
            print(line)
    sys.stdout.flush()


def check(program, args):
    """Runs the tests. Returns whether all of them pass, or fail as known."""
    runner = Runner(program, args)
    known = read_known(args.known)
    print(runner.devices(), end="", flush=True)
    if args.list_devices:
        return True
    if args.times:
        return runner.show(["--times"])
    with ThreadPoolExecutor(args.jobs) as pool:
        results = []
        for result in pool.map(runner.run, runner.tests()):
            show(result, runner.start_lines, args.verbose, known)
            results.append(result)
    if not results:
        raise Failed("no test has such a name")
    return report(results, known)


def parse(argv):
    own, theirs = (argv[: argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(prog="scripts/check-backend", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ggml", type=Path, metavar="DIR", help="a ggml that has been built")
    parser.add_argument("--libraries", type=Path, metavar="DIR", help="where its libraries are, if not below --ggml")
    parser.add_argument("--internal-headers", type=Path, metavar="DIR", help="where ggml-backend-impl.h is, if elsewhere; its other headers are not used")
    parser.add_argument("--source", type=Path, metavar="DIR", help="the sources of a ggml, which is compiled")
    parser.add_argument("--version", default=try_llama.VERSION,
                        help=f"of llama-cpp-python, whose ggml is compiled ({try_llama.VERSION}); latest: the newest")
    parser.add_argument("--define", action="append", default=[], metavar="NAME=VALUE",
                        help="for CMake, where ggml is compiled, such as GGML_CUDA=ON; may be repeated")
    parser.add_argument("--list-devices", action="store_true", help="print the devices, and end")
    parser.add_argument("--times", action="store_true",
                        help="measure calls of --device, and whether its copies and launches overlap, and end")
    parser.add_argument("--device", metavar="NAME", help="only this device, by ggml's name")
    parser.add_argument("--rpc-servers", type=int, default=0, metavar="N", help="start N RPC servers of the CPU")
    parser.add_argument("--rpc", action="append", default=[], metavar="HOST:PORT", help="an RPC server; may be repeated")
    parser.add_argument("--googletest", type=Path, metavar="DIR", help="its sources, where it is not installed")
    parser.add_argument("--build", type=Path, metavar="DIR", help="where the program is built")
    parser.add_argument("--program", type=Path, metavar="FILE", help="a program that was built before")
    parser.add_argument("--known", type=Path, metavar="FILE", help="tests that are known to fail")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tests at the same time (1)")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for each test (120)")
    parser.add_argument("--verbose", action="store_true", help="also name the tests that pass")
    parser.add_argument("--show-commands", action="store_true", help="print the commands that build and list, and end")
    args = parser.parse_args(own)
    args.options = theirs
    return args


def main():
    args = parse(sys.argv[1:])
    if args.program and not args.program.is_file():
        raise Failed(f"there is no program {args.program}; without --program it is built")
    if not args.program:
        if not args.ggml:
            args.source = args.source or source_of_package(args.version)
            args.ggml = build_ggml(args.source, args)
        args.program = build_program(find_ggml(args), args)
    sys.exit(not check(args.program, args))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
