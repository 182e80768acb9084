#!/usr/bin/env python3
"""Installs the library into an empty prefix and uses it from separate projects, as CMake package and by pkg-config.

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
EXPECTED = "33 66 99 132"  # what the consumer prints


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
        for name in ("prefix", "moved"):
            shutil.rmtree(self.work / name, ignore_errors=True)
        run(self.args.cmake, "--install", self.build_shared() if self.shared else self.args.build,
            "--prefix", self.prefix)
        # Nothing that was installed may depend on where it was put first.
        self.prefix = self.prefix.rename(self.work / "moved")
        self.check_names()
        self.check_symbols()
        for languages in ("C;CXX", "C"):
            self.use_package(languages)
        self.use_pkg_config(self.args.cc, "-std=c11", "-xc")
        self.use_pkg_config(self.args.cxx, "-std=c++17", "-xc++")
        self.run_tool()

    def configure(self, source, build, *options):
        a = self.args
        run(a.cmake, "-S", source, "-B", build, "-G", a.generator, "-DCMAKE_C_COMPILER=" + a.cc,
            "-DCMAKE_CXX_COMPILER=" + a.cxx, *options)
        run(a.cmake, "--build", build, "--parallel", a.jobs)

    def build_shared(self):
        build = self.work / "library"
        self.configure(self.args.source, build, "-DBUILD_SHARED_LIBS=ON", "-DGGML_SCHED_TESTS=OFF",
                       "-DGGML_SCHED_CUDA=OFF", "-DGGML_SCHED_HIP=OFF",
                       "-DCMAKE_BUILD_TYPE=Debug")  # the quickest to compile
        return build

    def check_names(self):
        installed = [p.relative_to(self.prefix).as_posix() for p in self.prefix.rglob("*") if not p.is_dir()]
        ours = re.compile(r"include/ggml-sched/[a-z-]+\.h|lib(/[^/]+)?/libggml-sched\.(a|so[.0-9]*)|bin/sched-run"
                          r"|lib(/[^/]+)?/(cmake/ggml-sched|pkgconfig)/ggml-sched[a-z-]*\.(cmake|pc)"
                          r"|share/(doc/)?ggml-sched/.*")
        stray = [name for name in installed if not ours.fullmatch(name)]
        require(not stray, f"installed under names that are not ours: {stray}")
        headers = {p.name for p in (self.args.source / "include").glob("*.h")}
        found = {p.name for p in (self.prefix / "include/ggml-sched").iterdir()}
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

    def run_consumer(self, program):
        env = dict(os.environ)
        env.pop("GGML_SCHED_SYNC", None)
        if self.shared:
            env["LD_LIBRARY_PATH"] = str(self.library().parent)
        out = run(program, env=env)
        require(EXPECTED in out, f"printed {out!r} instead of {EXPECTED}")

    def use_package(self, languages):
        build = self.work / ("consumer-" + languages.replace(";", "-"))
        shutil.rmtree(build, ignore_errors=True)
        self.configure(HERE / "consumer", build, "-DCMAKE_PREFIX_PATH=" + str(self.prefix),
                       "-DLANGUAGES=" + languages)
        for program in sorted(build.glob("consumer-c*")):
            self.run_consumer(program)

    def use_pkg_config(self, compiler, standard, language):
        pc = next(self.prefix.rglob("ggml-sched.pc"))
        env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
        flags = run(self.args.pkg_config, "--cflags", "--libs", *([] if self.shared else ["--static"]),
                    "ggml-sched", env=env).split()
        version = run(self.args.pkg_config, "--modversion", "ggml-sched", env=env).strip()
        require(version == self.args.version, f"the version is {version}")
        program = self.work / ("by-pkg-config" + language)
        run(compiler, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", language,
            HERE / "consumer/scaled_sum.c", "-xnone", "-o", program, *flags)
        self.run_consumer(program)

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
