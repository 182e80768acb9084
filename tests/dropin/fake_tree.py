"""Small trees that look like ggml, of different ages, and their configuration with cmake/ggml-sched-inject.cmake."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CMAKE = os.environ.get("CMAKE", "cmake")
CXX = os.environ.get("CXX", "c++")
INJECT = ROOT / "cmake/ggml-sched-inject.cmake"

FUNCTIONS = """
    new free reserve get_n_backends get_backend get_n_splits get_n_copies get_buffer_size set_tensor_backend
    get_tensor_backend alloc_graph graph_compute graph_compute_async synchronize reset set_eval_callback
    """.split()
LATE_FUNCTIONS = ["reserve_size", "get_buffer_type", "split_graph"]

COPY_CALLBACK = """
typedef bool (*ggml_backend_sched_copy_callback)(ggml_backend_t backend, const struct ggml_tensor * src,
    struct ggml_tensor * dst, struct ggml_cgraph * graph, void * user_data);
GGML_API void ggml_backend_sched_set_copy_callback(ggml_backend_sched_t sched,
    ggml_backend_sched_copy_callback callback, void * user_data);
"""
REALLOC_CALLBACK = """
typedef void (*ggml_backend_sched_on_realloc)(ggml_backend_sched_t sched, struct ggml_cgraph * graph,
    bool backend_ids_changed, bool size_changed, void * user_data);
GGML_API void ggml_backend_sched_set_realloc_callback(ggml_backend_sched_t sched,
    ggml_backend_sched_on_realloc callback, void * user_data);
"""

GRAPH_OPTIMIZE = {
    "none": "",
    "plain": "void (*graph_optimize)    (ggml_backend_t backend, struct ggml_cgraph * cgraph);",
    "with params": "void (*graph_optimize) (ggml_backend_t backend, struct ggml_cgraph * cgraph, "
                   "struct ggml_backend_graph_optimize_params * params);",
    "unknown": "void (*graph_optimize) (ggml_backend_t backend, struct ggml_cgraph * cgraph, int level);",
}

_PROJECT = """
cmake_minimum_required(VERSION 3.14...3.28)
project("ggml" C CXX)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
add_subdirectory(src)
"""


def header_of(functions, parameters="bool parallel, bool op_offload"):
    """The text of a ggml-backend.h that declares these functions."""
    return "// GGML_API ggml_backend_sched_of_a_comment(void);\n" + "\n".join(
        f"    GGML_API bool                 ggml_backend_sched_{name}({parameters});" for name in functions)


def configure(root, header, optimize="with params", target="ggml-base", impl="", source="void f(void) {}\n"):
    """Makes a tree in the empty directory `root`, and configures it. `source` is the text of ggml-backend.cpp.

    Returns the exit code, and CMake's output in one line."""
    ggml = root / "ggml"
    for name in ("include", "src"):
        (ggml / name).mkdir(parents=True)
    (ggml / "CMakeLists.txt").write_text(_PROJECT)
    (ggml / "src/CMakeLists.txt").write_text("add_compile_definitions(GGML_SCHED_MAX_COPIES=7)\n"
                                             f"add_library({target} ggml-backend.cpp)\n")
    (ggml / "src/ggml-backend.cpp").write_text(source)
    (ggml / "src/ggml-impl.h").write_text(impl)
    (ggml / "src/ggml-backend-impl.h").write_text(GRAPH_OPTIMIZE[optimize])
    (ggml / "include/ggml-alloc.h").write_text("")
    (ggml / "include/ggml-backend.h").write_text(header)
    done = subprocess.run([CMAKE, "-S", ggml, "-B", root / "build", f"-DCMAKE_PROJECT_ggml_INCLUDE={INJECT}"],
                          capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def commands_of(root):
    """The commands that compile each file, one a line."""
    file = root / "build/compile_commands.json"
    return file.read_text() if file.exists() else ""
