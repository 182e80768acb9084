"""Finds what MSVC refuses or reads in another way in our sources. They are compiled by GCC and clang alone.

The check reads text, so it knows words and not types. clang compiles the sources for Windows besides, and refuses GNU
extensions (windows.check_extensions).
"""

import re

from steps import ROOT, Failed

FOLDERS = ("include", "src", "examples", "tools", "tests", "bench")
SUFFIXES = {".c", ".cpp", ".h", ".cu", ".cuh", ".in"}
# What is never compiled for Windows: it asks Linux' loader, or runs where there is a GPU or Python.
ELSEWHERE = ("src/attach/", "tests/attach/", "tests/conformance/foreign/", "tests/dropin/", "tests/faults/", "tests/gpu/",
             "tests/whisper-ab/", "tools/llama-ab/count_calls.c")
# The files that know systems and compilers apart, and for what
KNOWING = {
    "include/ggml.h": "export of functions",
    "src/core/files.cpp": "files of ggml's core",
    "src/core/system_memory.cpp": "memory",
    "src/core/shared_library.cpp": "libraries of a GPU's vendor",
    "src/sched/host/system.cpp": "files and variables of the scheduler, which other ggmls compile without src/core",
    "examples/sched-run/system.cpp": "words, path and console of a program",
    "tests/platform/host_system.h": "variables, processes and files of tests",
    "tests/platform/read_only_file.h": "memory that nobody can write",
    "tests/platform/sparse_file.h": "files with holes",
    "tests/sequences/isolated.cpp": "a process for each test",
    "tools/llama-ab/llama_pair.cpp": "variables of a program in one file",
}

SYSTEMS = re.compile(r"_WIN32|_MSC_VER|__MINGW|__unix__|__linux__|__APPLE__")
COMPILERS = re.compile(r"__GNUC__|__clang__|__has_\w+|__CUDACC__|__HIPCC__|" + SYSTEMS.pattern)
SYSTEM_HEADER = re.compile(r"#\s*include\s*<(sys/[^>]*|unistd\.h|dlfcn\.h|pthread\.h|strings\.h|fcntl\.h|dirent\.h|alloca\.h|"
                           r"link\.h|elf\.h|poll\.h|windows\.h|io\.h|process\.h|direct\.h|shellapi\.h)>")
WORDS = (
    (re.compile(r"\b(__attribute__|__builtin_\w+|__extension__|__typeof__|typeof|__PRETTY_FUNCTION__|__int128)\b"),
     "is a word of GCC"),
    (re.compile(r"#\s*(warning|include_next)\b"), "is a directive of GCC"),
    (re.compile(r"\b(and|or|not|xor|bitand|bitor|compl|and_eq|or_eq|xor_eq|not_eq)\b"), "is another word for an operator"),
    (re.compile(r"\b(ssize_t|off_t|pid_t)\b"), "is a type of POSIX"),
    (re.compile(r"\b(?<!\w::)(setenv|unsetenv|getpid|fork|popen|strdup|strcasecmp|usleep|mkdtemp|posix_memalign|aligned_alloc|"
                r"fileno|isatty|localtime_r|gmtime_r|fseeko|ftello|sysconf|mmap)(?=\()"), "is no function of Windows"),
    (re.compile(r"\bstd::(aligned_alloc)\b"), "is no function of Windows"),
    (re.compile(r"\b(M_PI|M_E|M_SQRT2|PATH_MAX|MAP_FAILED)\b"), "is a constant of POSIX"),
    (re.compile(r"\bcase\b[^:]*(\.\.\.)"), "makes a range of cases, which only GCC knows"),
    (re.compile(r"(?<!long )\b(long)\b(?! long| double)"), "has 32 bits on Windows, and 64 elsewhere"),
)
MOST_OF_A_PIECE = 16380  # bytes; the pieces of a literal have 65,535 at most
MOST_OF_A_LITERAL = 65535

TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s"]*)\((?P<raw>.*?)\)(?P=mark)"|"(?P<text>(?:\\.|[^"\\\n])*)"|'
                   r"'(?:\\.|[^'\\\n])+'", re.DOTALL)


def is_digit_separator(text, at):
    return text[at] == "'" and text[at - 1:at].isalnum() and text[at + 1:at + 2].isalnum()


def bare(text):
    """The text without comments and without what literals say, and (line, bytes, bytes with the pieces before) of literals"""
    parts, literals, end, whole = [], [], 0, 0
    for token in TOKEN.finditer(text):
        if token.start() < end or is_digit_separator(text, token.start()):
            continue
        between = text[end:token.start()]
        parts.append(between)
        content = token["raw"] if token["raw"] is not None else token["text"]
        if content is not None:
            size = len(content.encode())
            whole = size + (whole if not between.strip() else 0)
            literals.append((text.count("\n", 0, token.start()) + 1, size, whole))
        is_include = re.search(r"#\s*include\s*\Z", between) is not None
        parts.append(token[0] if is_include else '""' * (content is not None) + "\n" * token[0].count("\n"))
        end = token.end()
    return "".join(parts) + text[end:], literals


def guarded_lines(lines):
    """For each line: is it compiled for some systems or compilers only?"""
    conditions, result = [], []
    for line in lines:
        directive = re.match(r"\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b(.*)", line)
        word = directive[1] if directive else ""
        if word in ("if", "ifdef", "ifndef"):
            conditions.append(bool(COMPILERS.search(directive[2])))
        elif word == "elif" and conditions:
            conditions[-1] = conditions[-1] or bool(COMPILERS.search(directive[2]))
        result.append(any(conditions))
        if word == "endif" and conditions:
            conditions.pop()
    return result


def check_text(path, text):
    """The faults of a source, each as (line, what is wrong)"""
    code, literals = bare(text)
    lines = code.split("\n")
    for number, (line, is_guarded) in enumerate(zip(lines, guarded_lines(lines)), 1):
        if SYSTEMS.search(line) and path not in KNOWING:
            yield number, f"'{SYSTEMS.search(line)[0]}': only the files in scripts/portable_checks.py know systems apart"
        header = SYSTEM_HEADER.search(line)
        if header and not is_guarded:
            yield number, f"<{header[1]}> is not on every system; use a function of a file that knows systems apart"
        for pattern, fault in WORDS:
            found = pattern.search(line)
            if found and not is_guarded:
                yield number, f"'{found[1]}' {fault}"
    for number, size, whole in literals:
        if size > MOST_OF_A_PIECE or whole > MOST_OF_A_LITERAL:
            yield number, (f"a string literal of {size} bytes, {whole} with the pieces before: MSVC takes {MOST_OF_A_PIECE} "
                           f"in one piece, and {MOST_OF_A_LITERAL} in all")


def check_tree(root):
    """The faults of all sources, one text each"""
    faults = []
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.suffix in SUFFIXES and not path.startswith(ELSEWHERE):
                faults += [f"{path}:{line}: {fault}" for line, fault in check_text(path, file.read_text(encoding="utf-8"))]
    return faults + [f"{path} is named in scripts/portable_checks.py, and knows no systems apart" for path in KNOWING
                     if not (root / path).exists() or not SYSTEMS.search((root / path).read_text(encoding="utf-8"))]


def check_portable():
    faults = check_tree(ROOT)
    if faults:
        raise Failed("\n".join(faults))
