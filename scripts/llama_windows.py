"""What `scripts/try-llama --windows` does: llama.cpp with our scheduler, compiled for Windows by MinGW and run under wine.

The same sources are compiled for this machine with the same flags. Both schedulers have to give the same logits on both
systems, on the CPU and over two RPC servers. Then both schedulers agree on random graphs and sequences of calls.
"""

import re
import shutil
import subprocess

import windows
from sandbox import INJECT, RpcServers
from steps import CORES, ROOT, Failed, run_logged

GCC = {"linux": ["g++"], "windows": ["x86_64-w64-mingw32-g++-posix"]}
SHAPES = ("tiny", "tiny-moe")
RUN = ["--prefill", "96", "--ubatch", "64", "--decode", "12", "--pairs", "1", "--threads", "1", "--verify", "--no-repack"]
# No special instructions of the processor, so that both systems compute the same; GCC for Windows also does not align the
# stack as AVX needs it (GCC's bug 54412). No OpenMP, which is one more library.
DEFINITIONS = {
    "CMAKE_BUILD_TYPE": "Release", "CMAKE_CXX_FLAGS_RELEASE": "-O1 -DNDEBUG", "CMAKE_PROJECT_ggml_INCLUDE": INJECT,
    "GGML_SCHED_PARITY": "ON", "GGML_RPC": "ON", "GGML_NATIVE": "OFF", "GGML_OPENMP": "OFF", "BUILD_SHARED_LIBS": "ON",
    **{f"GGML_{name}": "OFF" for name in ("SSE42", "AVX", "AVX2", "BMI2", "FMA", "F16C")},
    **{f"LLAMA_BUILD_{name}": "OFF" for name in ("COMMON", "TOOLS", "EXAMPLES", "TESTS", "SERVER", "APP")},
}
# Debian's headers for Windows lack a type that ggml-cpu.c uses for Windows 8 and newer. Without -static each library has the
# same C++ runtime.
OF_WINDOWS = {
    "CMAKE_TOOLCHAIN_FILE": ROOT / "cmake/mingw.cmake", "CMAKE_C_FLAGS": "-D_WIN32_WINNT=0x0601",
    "CMAKE_EXE_LINKER_FLAGS": "", "CMAKE_SHARED_LINKER_FLAGS": "",
}
RUNTIME = ("libstdc++-6.dll", "libgcc_s_seh-1.dll", "libwinpthread-1.dll")


def build_engine(system, source, work):
    """Builds llama.cpp and the comparisons. Returns the folder of programs."""
    definitions = {**DEFINITIONS, **(OF_WINDOWS if system == "windows" else {})}
    launcher = shutil.which("ccache")
    if launcher:
        definitions |= {"CMAKE_C_COMPILER_LAUNCHER": launcher, "CMAKE_CXX_COMPILER_LAUNCHER": launcher}
    build = work / f"build-{system}"
    run_logged(f"configure for {system}", ["cmake", "-G", "Ninja", "-S", source, "-B", build,
                                           *(f"-D{name}={value}" for name, value in definitions.items())], f"llama-{system}.log")
    run_logged(f"build for {system}", ["cmake", "--build", build, "--parallel", str(CORES), "--target", "llama",
                                       "ggml-sched-parity", "ggml-sched-sequences"], f"llama-{system}.log")
    build_pair(system, source, build)
    return build / "bin"


def build_pair(system, source, build):
    """Compiles tools/llama-ab/llama_pair.cpp against the libraries of a build."""
    programs = build / "bin"
    if system == "windows":
        libraries = [build / "src/libllama.dll.a", build / "ggml/src/libggml.dll.a", build / "ggml/src/libggml-base.dll.a"]
        for name in RUNTIME:
            found = subprocess.run([*GCC[system], f"-print-file-name={name}"], capture_output=True, text=True, check=True)
            shutil.copy(found.stdout.strip(), programs)
    else:
        libraries = ["-L", programs, "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{programs}", f"-Wl,-rpath-link,{programs}"]
    run_logged(f"llama_pair for {system}", [*GCC[system], "-std=c++17", "-O2", ROOT / "tools/llama-ab/llama_pair.cpp", "-I",
                                            source / "include", "-I", source / "ggml/include", *libraries, "-o",
                                            programs / ("llama_pair.exe" if system == "windows" else "llama_pair")],
               f"llama-pair-{system}.log")


def program(system, programs, name):
    """The command that runs a program of a build"""
    return windows.wine(str(programs / f"{name}.exe")) if system == "windows" else [str(programs / name)]


def hashes(command):
    """The rows of llama_pair, which fails if both schedulers give different logits: their names and the hash of the logits"""
    done = windows.call(command)
    rows = re.findall(r"^((?:prefill|decode).*?) {2,}.* logits same (\w+)", done.stdout, re.MULTILINE)
    if done.returncode or len(rows) != 2:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return rows


def compare_logits(programs, model):
    """The rows of all systems for one model. Raises Failed if they differ."""
    rows = {}
    for system, folder in programs.items():
        pair = program(system, folder, "llama_pair")
        rows[f"{system}, CPU"] = hashes([*pair, str(model), *RUN])
        with RpcServers([*pair, "--serve"], 2) as servers:
            remote = [word for endpoint in servers.endpoints for word in ("--rpc", endpoint)]
            rows[f"{system}, two RPC servers"] = hashes([*pair, str(model), *RUN, *remote])
            rows[f"{system}, experts on host"] = hashes([*pair, str(model), *RUN, *remote, "--cpu-moe"])
    for where, found in rows.items():
        print(f"{model.stem:10} {where:26} " + "  ".join(f"{name}: {value}" for name, value in found), flush=True)
    if len({tuple(found) for found in rows.values()}) != 1:
        raise Failed(f"the logits of {model.stem} differ")


def try_windows(source, work, python):
    """Builds and compares everything; `python` has numpy."""
    programs = {system: build_engine(system, source, work) for system in ("linux", "windows")}
    try:
        windows.start_wine()
        for shape in SHAPES:
            model = work / f"{shape}.gguf"
            run_logged(f"model {shape}", [python, ROOT / "tools/llama-ab/make_model.py", model, "--shape", shape], "llama-model.log")
            compare_logits(programs, model)
        for name in ("ggml-sched-parity", "ggml-sched-sequences"):
            run_logged(name, program("windows", programs["windows"], name), f"{name}-windows.log")
            print(f"{name}: both schedulers agree under wine", flush=True)
    finally:
        windows.stop_wine()
