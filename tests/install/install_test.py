#!/usr/bin/env python3
"""Installs the library into an empty prefix and uses it from separate projects, as CMake package and by pkg-config.
Two of the projects are the examples that build alone: examples/simple and examples/null-backend.

Of the static library the build under test is installed; the shared one is built here, in a directory that is kept so
that the next run is quick.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
EXPECTED = "33 66 99 132"  # what examples/simple computes


class Failure(Exception):
    pass


def run(*command, env=None):
    command = [str(word) for word in command]
    print("$", shlex.join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    if done.returncode:
        raise Failure(f"{done.stdout}\nexit code {done.returncode}")
    return done.stdout


def require(condition, message):
    if not condition:
        raise Failure(message)


class Install:
    def __init__(self, args):
        self.args = args
        self.shared = args.kind == "shared"
        self.work = args.work / args.kind
        self.prefix = self.work / "prefix"

    def test(self):
        for name in ("prefix", "moved", "alone"):
            shutil.rmtree(self.work / name, ignore_errors=True)
        run(self.args.cmake, "--install", self.build_shared() if self.shared else self.args.build,
            "--prefix", self.prefix)
        # Nothing that was installed may depend on where it was put first.
        self.prefix = self.prefix.rename(self.work / "moved")
        self.check_names()
        self.check_symbols()
        self.use_from_cxx()
        self.use_from_c()
        self.use_null_backend()
        for flags in ([],) if self.shared else ([], ["--static"]):
            self.use_pkg_config(self.args.cc, "-std=c11", "-xc", *flags)
            self.use_pkg_config(self.args.cxx, "-std=c++17", "-xc++", *flags)
        self.run_tool()
        if not self.shared:
            self.check_what_configuring_says()

    def configure(self, source, build, *options):
        a = self.args
        return run(a.cmake, "-S", source, "-B", build, "-G", a.generator, "-DCMAKE_C_COMPILER=" + a.cc,
                   "-DCMAKE_CXX_COMPILER=" + a.cxx, *options)

    def build(self, build, *options):
        run(self.args.cmake, "--build", build, "--parallel", self.args.jobs, *options)

    def build_project(self, source, name):
        build = self.work / name
        shutil.rmtree(build, ignore_errors=True)
        self.configure(source, build, "-DCMAKE_PREFIX_PATH=" + str(self.prefix))
        self.build(build)
        return build

    def build_shared(self):
        build = self.work / "library"
        self.configure(self.args.source, build, "-DBUILD_SHARED_LIBS=ON", "-DGGML_SCHED_CUDA=OFF",
                       "-DGGML_SCHED_HIP=OFF", "-DCMAKE_BUILD_TYPE=Debug",
                       "-DCMAKE_UNITY_BUILD=ON")  # the quickest to compile
        self.install_library_alone(build)
        self.build(build, "--target", "sched-run")
        return build

    def install_library_alone(self, build):
        """Who has built nothing but the library can install it."""
        (build / "bin/sched-run").unlink(missing_ok=True)  # of an earlier test
        shutil.rmtree(build / "examples/sched-run/installed-data", ignore_errors=True)
        self.build(build, "--target", "ggml-sched")
        prefix = self.prefix
        self.prefix = self.work / "alone"
        run(self.args.cmake, "--install", build, "--prefix", self.prefix)
        self.check_names()
        self.use_from_c()
        require(not (self.prefix / "bin").exists(), "a folder is installed for a tool that was not built")
        require(not list(self.prefix.rglob("*.gguf")), "the model of a tool is installed that was not built")
        self.prefix = prefix

    def check_what_configuring_says(self):
        """Without the packages of tests and tools, the library alone is configured. What else is built is said."""
        build = self.work / "unasked"
        shutil.rmtree(build, ignore_errors=True)
        missing = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("GTest", "CLI11", "nlohmann_json")]
        said = self.configure(self.args.source, build, *missing)
        for option in ("GGML_SCHED_TESTS", "GGML_SCHED_TOOLS"):
            require(f"-D{option}=ON" in said, f"configuring does not say what -D{option}=ON does")
        cache = (build / "CMakeCache.txt").read_text()
        for option in ("GGML_SCHED_CUDA", "GGML_SCHED_HIP"):
            other = "OFF" if f"{option}:BOOL=ON" in cache else "ON"
            require(f"-D{option}={other}" in said, f"configuring does not say what -D{option}={other} does")

    def check_names(self):
        installed = [p.relative_to(self.prefix).as_posix() for p in self.prefix.rglob("*") if not p.is_dir()]
        ours = re.compile(r"include/ggml-sched/[a-z-]+\.h|lib(/[^/]+)?/libggml-sched\.(a|so[.0-9]*)|bin/sched-run"
                          r"|lib(/[^/]+)?/(cmake/ggml-sched|pkgconfig)/ggml-sched[a-z-]*\.(cmake|pc)"
                          r"|share/(doc/)?ggml-sched/.*")
        stray = [name for name in installed if not ours.fullmatch(name)]
        require(not stray, f"installed under names that are not ours: {stray}")
        headers = {p.name for p in (self.args.source / "include").glob("*.h")}
        found = {p.name for p in (self.prefix / "include/ggml-sched").iterdir()}
        headers.add("ggml-backend-impl.h")  # for backends outside of the tree
        of_gpus = {"ggml-cuda.h", "ggml-hip.h"}  # come with their backends, which the shared library is built without
        expected = headers - of_gpus if self.shared else headers - (of_gpus - found)
        require(expected == found, f"headers {headers} became {found}")

    def library(self):
        name = "libggml-sched.so" if self.shared else "libggml-sched.a"
        found = list(self.prefix.rglob(name))
        require(len(found) == 1, f"{name} is installed {len(found)} times")
        return found[0]

    @staticmethod
    def declared(headers):
        """The functions that the headers mark as the library's interface."""
        text = "\n".join(p.read_text() for p in headers)
        text = re.sub(r"/\*.*?\*/|//[^\n]*|^\s*#\s*define[^\n]*", "", text, flags=re.DOTALL | re.MULTILINE)
        return set(re.findall(r"\b(?:GGML_API|GGML_BACKEND_API)\b[^;(]*?\b(\w+)\s*\(", text))

    def check_symbols(self):
        nm = run(self.args.nm, "-P", "--defined-only", *(["-D"] if self.shared else ["-g"]), self.library())
        defined = {fields[0] for fields in map(str.split, nm.splitlines()) if len(fields) > 1}
        public = self.declared((self.prefix / "include/ggml-sched").glob("*.h"))
        for_backends = self.declared((self.args.source / "src/core").glob("ggml-*impl.h"))
        require(len(public) > 200, f"the headers declare only {len(public)} functions")
        missing = public - defined
        require(not missing, f"declared, but not in the library: {sorted(missing)}")
        stray = defined - public - for_backends if self.shared else None
        require(not stray, f"exported, but not declared: {sorted(stray or [])}")

    def run_program(self, program):
        env = dict(os.environ)
        env.pop("GGML_SCHED_SYNC", None)
        if self.shared:
            env["LD_LIBRARY_PATH"] = str(self.library().parent)
        return run(program, env=env)

    def run_simple(self, program):
        out = self.run_program(program)
        require(f"result: {EXPECTED}\n" in out, f"printed {out!r} instead of {EXPECTED}")
        require("split 1" in out, f"printed no plan of two splits: {out}")

    def use_from_cxx(self):
        self.run_simple(self.build_project(HERE / "consumer", "consumer") / "consumer-cpp")

    def use_from_c(self):
        self.run_simple(self.build_project(EXAMPLES / "simple", "simple") / "sched-simple")

    def use_null_backend(self):
        """Builds the backend that lives outside of src/, and a clone of it, made as its README says."""
        out = self.run_program(self.build_project(EXAMPLES / "null-backend", "null") / "null-plan")
        require("Null0" in out and "Null1" in out, f"the plan names no null device: {out}")
        clones = self.work / "clones"
        shutil.rmtree(clones, ignore_errors=True)
        shutil.copytree(EXAMPLES / "null-backend", clones / "null-backend")
        recipe = re.search(r"## Clone it.*?```sh\n(.*?)```", (EXAMPLES / "null-backend/README.md").read_text(),
                           re.DOTALL).group(1)
        run("sh", "-ec", f"cd {shlex.quote(str(clones))}\n{recipe}")
        clone = clones / "mydev-backend"
        for path in [*clone.glob("*.cpp"), *clone.glob("*.[hc]"), clone / "CMakeLists.txt"]:
            require("null_" not in path.read_text() + path.name, f"{path.name} still has names of the null backend")
        out = self.run_program(self.build_project(clone, "mydev") / "mydev-plan")
        require("MyDev0" in out and "Null" not in out, f"the plan names no device of the clone: {out}")

    def use_pkg_config(self, compiler, standard, language, *flags):
        pc = next(self.prefix.rglob("ggml-sched.pc"))
        env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
        flags = run(self.args.pkg_config, "--cflags", "--libs", *flags, "ggml-sched", env=env).split()
        version = run(self.args.pkg_config, "--modversion", "ggml-sched", env=env).strip()
        require(version == self.args.version, f"the version is {version}")
        program = self.work / ("by-pkg-config" + language)
        run(compiler, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", language,
            EXAMPLES / "simple/simple.c", "-xnone", "-o", program, *flags)
        self.run_simple(program)

    def run_tool(self):
        tool = self.prefix / "bin/sched-run"
        if not tool.exists():
            print("built without the tools")
            return
        out = run(tool, "--devices", "sim,cpu", "--prompt", "Anna", "--generate", "2")
        require("grammar-1m.gguf" in out, f"sched-run did not find its model: {out}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("static", "shared"))
    for path in ("--source", "--build", "--work"):
        parser.add_argument(path, type=Path, required=True)
    for word in ("--cmake", "--generator", "--cc", "--cxx", "--nm", "--pkg-config", "--version"):
        parser.add_argument(word, required=True)
    parser.add_argument("--jobs", default=str(len(os.sched_getaffinity(0))))
    args = parser.parse_args()
    (args.work / args.kind).mkdir(parents=True, exist_ok=True)
    try:
        Install(args).test()
    except Failure as failure:
        print(failure)
        sys.exit(1)
    print("ok")


if __name__ == "__main__":
    main()
