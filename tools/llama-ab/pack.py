#!/usr/bin/env python3
"""Packs what llama_ab.py needs on a machine without internet: libraries, llama-cpp-python and the library that counts calls.

    pack.py --libraries DIR out.tar.xz      with the Python that has llama-cpp-python

DIR has libllama.so and ggml's libraries, of the same version. The other machine needs Python with numpy, and what the
libraries are linked to (CUDA). There, in this repository:

    mkdir -p /tmp/llama-ab && tar -xJf out.tar.xz -C /tmp/llama-ab && source /tmp/llama-ab/environment
    python3 tools/llama-ab/llama_ab.py --plan tools/llama-ab/plans/one-gpu.json --json one-gpu.json
"""

import argparse
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

import vendor_calls

PACKAGES = ("llama_cpp", "jinja2", "markupsafe", "diskcache", "typing_extensions")
ENVIRONMENT = """here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export PYTHONPATH="$here/python" LLAMA_CPP_LIB_PATH="$here/lib" LD_LIBRARY_PATH="$here/lib:${LD_LIBRARY_PATH:-}"
export GGML_SCHED_COUNT_CALLS_LIBRARY="$here/lib/libcount_calls.so"
"""


def copy_packages(to):
    for name in PACKAGES:
        source = Path(importlib.util.find_spec(name).origin)
        if source.name == "__init__.py":
            shutil.copytree(source.parent, to / name, ignore=shutil.ignore_patterns("lib", "__pycache__", "*.so", "server"))
        else:
            shutil.copy2(source, to)


def copy_libraries(directory, to):
    """Each under the name that others look for, without what only a debugger needs."""
    for source in directory.glob("lib*.so*"):
        if not source.is_symlink():
            shutil.copy2(source, to / source.name)
            subprocess.run(["strip", "--strip-unneeded", to / source.name], check=True)
    for source in directory.glob("lib*.so*"):
        if source.is_symlink():
            (to / source.name).symlink_to(source.readlink().name)
    shutil.copy2(vendor_calls.build(), to)


def main():
    parser = argparse.ArgumentParser(prog="pack.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--libraries", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "python").mkdir()
        (root / "lib").mkdir()
        copy_packages(root / "python")
        copy_libraries(args.libraries, root / "lib")
        (root / "environment").write_text(ENVIRONMENT)
        subprocess.run(["tar", "-cJf", args.out, "-C", root, "."], check=True)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
