"""The files that belong to this package. They lie beside its modules, or in the source tree if it runs from there."""

import os
from pathlib import Path

from .messages import Failed

PACKAGE = Path(__file__).resolve().parent
SOURCE_TREE = PACKAGE.parent.parent


def find(what, in_package, in_tree):
    for path in (PACKAGE / in_package, SOURCE_TREE / in_tree):
        if os.path.exists(path):
            return path
    raise Failed(f"{what} is not in {PACKAGE}; install the package anew")


def attach_library():
    """The library that goes in front of a program's ggml. Tests may name another one by a variable."""
    named = os.environ.get("GGML_SCHED_ATTACH_LIBRARY")
    if named:
        if not os.path.isfile(named):
            raise Failed(f"GGML_SCHED_ATTACH_LIBRARY names {named}, which is no file")
        return Path(named).resolve()
    return find("the attach library", "lib/libggml-sched-attach.so", "build/attach/libggml-sched-attach.so")


def inject_file():
    """The file for -DCMAKE_PROJECT_ggml_INCLUDE=."""
    return find("ggml-sched-inject.cmake", "drop-in/cmake/ggml-sched-inject.cmake", "cmake/ggml-sched-inject.cmake")


def sources():
    """The folder that has our sources as the source tree has them: cmake/, include/, src/sched/ and src/dropin/."""
    return inject_file().parent.parent


def timeline_parts():
    """The folder with the parts of the timeline page."""
    return find("the timeline page", "timeline", "examples/sched-run/timeline")
