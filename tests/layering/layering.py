#!/usr/bin/env python3
"""Checks who includes whom, over include/ and src/. docs/architecture.md shows these rules as a table.

    tests/layering/layering.py [ROOT]                      prints one line per violation; exit code 1 if there are any
    tests/layering/layering.py --table                     prints the rules as the table of the document
    tests/layering/layering.py --check-table DOCUMENT      exit code 1 if the document has another table
    tests/layering/layering.py --write-table DOCUMENT      replaces the document's table

The compiler enforces part of this already, since each directory is a target that sees only some directories. It
cannot tell the stages of the scheduler from each other, nor a public header that has come to need C++.
"""

import argparse
import re
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

C_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "stdio.h"}

STANDARD_HEADERS = set("""
    algorithm any array atomic bitset charconv chrono codecvt complex condition_variable deque exception execution
    filesystem forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator
    limits list locale map memory memory_resource mutex new numeric optional ostream queue random ratio regex
    scoped_allocator set shared_mutex sstream stack stdexcept streambuf string string_view strstream system_error
    thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector
    cassert cctype cerrno cfenv cfloat cinttypes climits clocale cmath csetjmp csignal cstdarg cstddef cstdint cstdio
    cstdlib cstring ctime cuchar cwchar cwctype
    """.split()) | C_HEADERS

INTERNAL_HEADERS = r"src/core/ggml-(backend-)?impl\.h"


@dataclass
class Rule:
    """The files whose path matches `files` may include what matches one of `may`, and these headers in <>."""
    files: str
    may: list
    system: set = field(default_factory=lambda: STANDARD_HEADERS)


# What a stage of the scheduler sees, besides the stages before it
_STAGE = [r"include/.*", r"src/sched/host/(by_buffer|query|graph_handle|operations)\.h", r"src/sched/host/(max_copies|status|tuning)\.h"]
_VALUES = [r"src/sched/plan/.*"]

# All of host/ but the headers through which it sees the inside of ggml
_HOST = r"src/sched/host/(?!ggml_api|internals)[^/]*"


def _stages(*names):
    return [rf"src/sched/{name}/.*" for name in names]


# The first rule whose `files` match decides.
RULES = [
    Rule(r"include/.*", [r"include/.*"], C_HEADERS),
    # A folder of core/ sees the files beside the folders; operations see tensors too, the allocators buffers.
    Rule(r"src/core/ops/.*", [r"include/.*", r"src/core/((ops|tensor)/)?[^/]*"]),
    Rule(r"src/core/alloc/.*", [r"include/.*", r"src/core/((alloc|backend)/)?[^/]*"]),
    Rule(r"src/core/(types|tensor|gguf|backend)/.*", [r"include/.*", r"src/core/(\1/)?[^/]*"]),
    # Three files know systems apart.
    Rule(r"src/core/files\.cpp", [r"include/.*", r"src/core/files\.h"], STANDARD_HEADERS | {"sys/types.h"}),
    Rule(r"src/core/system_memory\.cpp", [r"src/core/system_memory\.h"],
         STANDARD_HEADERS | {"sys/mman.h", "unistd.h", "windows.h"}),
    Rule(r"src/core/shared_library\.cpp", [r"src/core/shared_library\.h"], STANDARD_HEADERS | {"dlfcn.h", "windows.h"}),
    Rule(r"src/core/[^/]*", [r"include/.*", r"src/core/[^/]*"]),
    Rule(r"src/backend-(cpu|sim)/.*", [r"include/.*", r"src/core/.*", r"src/backend-\1/.*"]),
    # Compiled once for each vendor, whose header of this name the compiler finds. None is included by its path.
    Rule(r"src/backend-gpu/.*", [r"include/.*", r"src/core/.*", r"src/backend-gpu/.*", r"vendor\.h"]),
    Rule(r"src/sched/plan/.*", _VALUES),
    Rule(r"src/sched/host/ggml_api\.h", [r"include/.*", INTERNAL_HEADERS]),
    Rule(r"src/sched/host/.*\.h", [r"include/.*", _HOST, r"src/sched/plan/machine\.h"]),
    Rule(r"src/sched/host/.*",
         [r"include/.*", r"src/sched/host/.*", r"src/sched/plan/machine\.h", INTERNAL_HEADERS]),
    Rule(r"src/sched/graph/.*", _STAGE + _stages("graph")),
    # It owns memory of devices, and fills it.
    Rule(r"src/sched/experts/.*", _STAGE + _stages("graph", "experts") + [r"src/sched/host/(clock|execute|log|registered_buffers)\.h"]),
    Rule(r"src/sched/assign/.*", _STAGE + _stages("graph", "assign")),
    Rule(r"src/sched/split/.*", _STAGE + _stages("graph", "assign", "split")),
    Rule(r"src/sched/alloc/.*",
         _STAGE + _stages("graph", "assign", "split", "alloc") + [r"src/sched/host/owned_buffers\.h"]),
    # The only part of streaming that touches devices is stream/rings: it owns queues and memory.
    Rule(r"src/sched/stream/.*",
         _STAGE + _stages("graph", "assign", "split", "stream") + [r"src/sched/host/(topology|clock|execute|log)\.h"]),
    Rule(r"src/sched/lower/.*",
         _STAGE + _stages("graph", "assign", "split", "alloc", "stream", "lower")
         + [r"src/sched/experts/(expert_bank|expert_residency|resident_copy)\.h",
            r"src/sched/host/topology\.h", r"src/sched/plan/(program|machine)\.h"]),
    # The executor sees a finished plan, and the tensors that its numbers stand for; no planner.
    Rule(r"src/sched/exec/.*",
         [r"include/.*", _HOST, r"src/sched/exec/.*", r"src/sched/plan/(plan|program|machine)\.h",
          r"src/sched/lower/(bindings|copy_parts)\.h", r"src/sched/stream/kept_weights\.h"]),
    Rule(r"src/sched/observe/.*",
         [r"include/.*", r"src/sched/observe/.*", r"src/sched/plan/(plan|program|machine)\.h",
          r"src/sched/lower/(bindings|accesses|spaces)\.h",
          r"src/sched/(split/split|assign/assign|stream/plan)\.h", r"src/sched/exec/(step_listener|work)\.h",
          r"src/sched/host/(clock|log|query|status|system|topology)\.h"]),
    # What is kept for the next graph. No stage includes it.
    Rule(r"src/sched/reuse/.*",
         _STAGE + _stages("graph", "assign", "split", "alloc", "stream", "lower", "plan", "reuse")
         + [r"src/sched/observe/text\.h"]),
    Rule(r"src/sched/session/.*",
         [r"include/.*", _HOST]
         + _stages("graph", "experts", "assign", "split", "alloc", "stream", "lower", "plan", "exec", "observe", "reuse",
                  "session")),
    Rule(r"src/sched/(capi\.cpp|call_guards\.h|handle\.h)",
         [r"include/.*", r"src/sched/(call_guards|handle)\.h", r"src/sched/host/(log|status|switches)\.h"]
         + _stages("session", "observe", "plan")),
    # The attach library: it finds a ggml in the process, and takes the place of parts of host/.
    Rule(r"src/attach/.*",
         [r"include/.*", r"src/attach/.*", r"src/sched/handle\.h",
          r"src/sched/host/(internals|graph_handle|operations)\.h", r"src/sched/host/(owned_buffers|switches|log)\.h"],
         STANDARD_HEADERS | {"dlfcn.h", "elf.h", "link.h"}),
    # Chooses between ggml's scheduler and ours, by the public API of both.
    Rule(r"src/dropin/.*", [r"include/.*", r"src/dropin/.*", r"src/sched/host/(log|switches)\.h"]),
]

VENDOR_HEADERS = {
    "cuda": {"cuda_runtime.h", "cuda_fp16.h", "cublas_v2.h", "nvtx3/nvToolsExt.h"},
    "hip": {"hip/hip_runtime.h", "hip/hip_fp16.h", "hipblas/hipblas.h", "hipblas/hipblas-version.h"},
}

# A vendor's directory holds what differs from the shared GPU backend: vendor.h.
for _vendor in ("cuda", "hip"):
    RULES.append(Rule(rf"src/backend-{_vendor}/.*",
                      [r"include/.*", r"src/core/.*", r"src/backend-gpu/.*", rf"src/backend-{_vendor}/.*"],
                      STANDARD_HEADERS | VENDOR_HEADERS[_vendor]))

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
SUFFIXES = {".h", ".hpp", ".c", ".cc", ".cpp", ".cu", ".cuh", ".hip"}


def rule_for(path):
    for rule in RULES:
        match = re.fullmatch(rule.files, path)
        if match:
            may = [re.sub(r"\\(\d)", lambda m: match.group(int(m.group(1))), allowed) for allowed in rule.may]
            return may, rule.system
    return None


class Tree:
    """A source tree: the files under include/ and src/, by path from the root."""

    def __init__(self, root):
        self.root = Path(root)
        self.files = {p.relative_to(self.root).as_posix(): p for top in ("include", "src")
                      for p in sorted((self.root / top).rglob("*")) if p.suffix in SUFFIXES}

    def resolve(self, includer, name):
        """The file that `#include "name"` in `includer` means, or None for a header of the system."""
        own = Path(includer).parent
        if name == "vendor.h" and includer.startswith("src/backend-gpu/"):
            return name  # which one depends on the vendor that it is compiled for
        parts = Path(includer).parts
        places = [own, Path("src/sched"), Path("include"), Path("src/core"), Path(*parts[:2])]
        places += [Path("src", d) for d in ("backend-gpu", "backend-cpu", "backend-sim")]
        for place in places:
            candidate = (self.root / place / name).resolve()
            if candidate.is_file() and candidate.is_relative_to(self.root.resolve()):
                return candidate.relative_to(self.root.resolve()).as_posix()
        return None

    def violations(self):
        for path, file in self.files.items():
            rule = rule_for(path)
            if rule is None:
                yield f"{path}: no rule of tests/layering/layering.py is about this directory"
                continue
            text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), file.read_text(encoding="utf-8"))
            for match in INCLUDE.finditer(text):
                line = text.count("\n", 0, match.start(2)) + 1
                problem = self.problem(path, rule, match.group(1), match.group(2))
                if problem:
                    yield f"{path}:{line}: {problem}"

    def problem(self, path, rule, bracket, name):
        may, system = rule
        target = self.resolve(path, name)
        if target is None and bracket == "<":
            return None if name in system else f"may not include <{name}>"
        if target is None:
            return f'includes "{name}", which is nowhere in the tree'
        if any(re.fullmatch(allowed, target) for allowed in may):
            return None
        return f"may not include {target}"


TABLE_BEGIN = "<!-- include table: made by tests/layering/layering.py -->\n"
TABLE_END = "<!-- end of the include table -->\n"
TABLE_COLUMNS = (40, 100)  # where the second column begins, and where lines end


def in_brackets(group):
    inner = group[1].replace("|", ",")
    return f"[{inner}]" if group[2] else f"{{{inner}}}"


def words_of(pattern):
    """A pattern of a rule as a person writes it: {a,b} one of both, [a] perhaps a, * any file, a/ all below a."""
    text = pattern.replace(r"\.", ".").replace("(?!ggml_api|internals)[^/]*", "* but ggml_api.h and internals.h")
    text = re.sub(r"\\\d", "<same>", text).replace("[^/]*", "*").replace(".*", "*")
    text = re.sub(r"(?<=/)\*$", "", text) if pattern.endswith(".*") else text
    while "(" in text:
        text = re.sub(r"\(([^()]*)\)(\??)", in_brackets, text)
    return text.removeprefix("src/sched/")


def headers_of(rule):
    if rule.system == C_HEADERS:
        return "<C>"
    return " ".join(["<C++>", *(f"<{name}>" for name in sorted(rule.system - STANDARD_HEADERS))])


def table():
    """The rules as text: the files, and what they may include."""
    indent, width = TABLE_COLUMNS
    lines = []
    for rule in RULES:
        may = "  ".join([*(words_of(pattern).replace(" ", "\0") for pattern in rule.may), headers_of(rule)])
        rows = textwrap.wrap(may, width - indent, break_long_words=False, break_on_hyphens=False)
        files = "src/sched/" + words_of(rule.files) if rule.files.startswith("src/sched/") else words_of(rule.files)
        lines += [f"{files if i == 0 else '':{indent - 2}}  {row}".replace("\0", " ") for i, row in enumerate(rows)]
    return "```\n" + "\n".join(lines) + "\n```\n"


def with_table(document):
    """The text of a document with the table of now between its marks."""
    before, begin, rest = document.partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not begin or not end:
        raise SystemExit(f"the document lacks the lines '{TABLE_BEGIN.strip()}' and '{TABLE_END.strip()}'")
    return before + begin + table() + end + after


def check_table(path):
    document = path.read_text(encoding="utf-8")
    if document == with_table(document):
        print(f"{path} has the table of these rules")
    else:
        sys.exit(f"{path} has another include table; to repair: tests/layering/layering.py --write-table {path}")


def check_tree(root):
    tree = Tree(root)
    found = list(tree.violations())
    print("\n".join(found) or f"{len(tree.files)} files include only what their layer may")
    sys.exit(bool(found) or not tree.files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", default=Path(__file__).resolve().parents[2])
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--check-table", type=Path, metavar="DOCUMENT")
    parser.add_argument("--write-table", type=Path, metavar="DOCUMENT")
    args = parser.parse_args()
    if args.table:
        print(table(), end="")
    elif args.check_table:
        check_table(args.check_table)
    elif args.write_table:
        args.write_table.write_text(with_table(args.write_table.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        check_tree(args.root)


if __name__ == "__main__":
    main()
