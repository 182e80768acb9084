"""`ggml-sched patch`: adds ggml-sched to a tree that holds ggml's sources and does not build them by ggml's CMake files.

Three sources of ggml get one line each, which includes a file of the new folder ggml-sched beside them. So no list of
sources changes: not a Makefile's, nor that of a binding.
"""

import hashlib
import os
import re
import sys
from pathlib import Path

from . import installed
from .detected import detect
from .edits import Edits, content_of
from .messages import Failed, note, show
from .one_file import join

FOLDER = "ggml-sched"
BOM = b"\xef\xbb\xbf"
# Each includes its file in its first line: ggml's own scheduler, a source that every build has, and one that calls the
# scheduler itself. ggml builds all of them into ggml-base.
INCLUDED = {"ggml-backend.cpp": "stock.h", "ggml-threading.cpp": "ours.inc", "ggml-opt.cpp": "choice.inc"}
OUR_FILES = ("stock.h", "ours.inc", "choice.inc", "ggml-sched.h")
OUR_LINE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]+"ggml-sched/(?:stock\.h|ours\.inc|choice\.inc)"'
                      rb"[ \t]*(?://[^\n]*)?(?:\n|\Z)", re.MULTILINE)
# A line of any other form that needs one of our files
OTHER_LINE = re.compile(rb"^[ \t]*(?:#|%:|/\*)[^\n]*(?:include|import)[^\n]*ggml-sched/(?:stock\.h|ours\.inc|choice\.inc)[^\n]*$",
                        re.MULTILINE)
HEAD = b"// Written by `ggml-sched patch`. `ggml-sched patch --undo` removes it.\n"
# ggml's headers define functions that a source need not use.
QUIET = ("#if defined(__GNUC__)\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored \"-Wunused-function\"\n#endif\n\n",
         "\n#if defined(__GNUC__)\n#pragma GCC diagnostic pop\n#endif\n")


def add_options(parser):
    parser.add_argument("tree", metavar="TREE", help="a folder with ggml's sources in it")
    parser.add_argument("--undo", action="store_true", help="take everything out again")
    parser.add_argument("--yes", action="store_true", help="do it without a question")


def folders_with(root, is_wanted):
    """All folders below the root for which is_wanted(folder, names of folders, names of files)."""
    def refuse(error):
        raise Failed(f"{error.filename} cannot be read: {error.strerror}")
    return sorted(Path(folder) for folder, folders, files in os.walk(root, onerror=refuse)
                  if is_wanted(folder, folders, files))


class Tree:
    """Where ggml lies in the tree of the user."""

    def __init__(self, name, undo):
        self.root = Path(name)
        if not name or not self.root.is_dir():
            raise Failed(f"'{name}' is no folder; name the folder that holds ggml's sources")

        def is_ggml(folder, folders, files):
            return INCLUDED.keys() <= set(files) or undo and (
                FOLDER in folders and (Path(folder) / FOLDER / "stock.h").is_file() or
                any(OUR_LINE.search((Path(folder) / name).read_bytes()) for name in INCLUDED.keys() & set(files)))
        here = is_ggml(self.root, *([each.name for each in self.root.iterdir() if test(each)]
                                    for test in (Path.is_dir, Path.is_file)))
        found = [self.root] if here else folders_with(self.root, is_ggml)
        if len(found) != 1:
            what = "more than one ggml, in " + ", ".join(map(str, found)) if found else (
                "no folder with all of " + ", ".join(INCLUDED))
            raise Failed(f"{name} has {what}; name the folder of one ggml, of November 2025 or newer")
        self.sources = found[0].resolve()
        self.folder = self.sources / FOLDER
        if self.folder.is_symlink():
            raise Failed(f"{self.folder} is a link; remove it first")
        for path in self.edited():
            real = path.resolve()
            if self.root.resolve() not in real.parents:
                raise Failed(f"{path} is a link to {real}, outside of {name}; name the tree that it belongs to")

    def edited(self):
        """The sources that get a line. Undo takes those that are there."""
        return [self.sources / name for name in INCLUDED if (self.sources / name).is_file()]

    def headers(self):
        """The folder of ggml-backend.h."""
        for folder in (self.sources, self.sources.parent / "include"):
            if (folder / "ggml-backend.h").is_file():
                return folder.resolve()
        found = folders_with(self.root, lambda folder, folders, files: "ggml-backend.h" in files)
        if len(found) != 1:
            raise Failed(f"{self.root} has {len(found)} files ggml-backend.h, none of them beside ggml-backend.cpp or "
                         "in ../include; name a folder that holds ggml's sources and one ggml-backend.h")
        return found[0].resolve()


def parts_of(content):
    """The byte order mark that some editors write in front, and the rest."""
    return (BOM, content[len(BOM):]) if content.startswith(BOM) else (b"", content)


def without_line(path, content):
    """The content of a source without our line, wherever it stands."""
    mark, text = parts_of(content)
    text = OUR_LINE.sub(b"", text)
    left = OTHER_LINE.search(text)
    if left:
        raise Failed(f"{path} has the line '{left[0].decode(errors='replace').strip()}', which was changed; remove it by "
                     "hand")
    return mark + text


def with_line(path, content, digest):
    mark, text = parts_of(content)
    line = f'#include "{FOLDER}/{INCLUDED[path.name]}" // added by ggml-sched patch: {digest}'
    return mark + line.encode() + (b"\r\n" if text.partition(b"\n")[0].endswith(b"\r") else b"\n") + text


def definitions(names):
    """Lines that define these NAME=VALUE, and lines that undo it."""
    pairs = [each.split("=", 1) for each in names]
    return ("".join(f"#define {name} {value}\n" for name, value in pairs),
            "".join(f"#undef {name}\n" for name, _ in pairs))


def headers_in(*folders):
    """The headers in these folders. An editor may have left a link to nowhere among them."""
    return [path for folder in sorted(set(folders)) for path in sorted(folder.glob("*.h")) if path.is_file()]


def new_files(tree):
    """The files of our folder, as bytes by name."""
    ours, headers = installed.sources(), tree.headers()
    moved = {path.name: os.path.relpath(path, tree.folder).replace(os.sep, "/")
             for path in headers_in(tree.sources, headers) if path.name != "ggml-sched.h"}
    if any("\n" in name or '"' in name for name in moved.values()):
        raise Failed(f"{headers} has a character in its path that no #include can name; rename it")
    license_text = "".join(f"// {line}".rstrip() + "\n" for line in (ours / "LICENSE").read_text().splitlines())
    with detect(headers, tree.sources) as found:
        features, _ = definitions(found.features)
        stock, _ = definitions(found.stock)
        renamed, named_again = definitions(found.ours)
        folders = [ours / "src/sched", ours / "src/dropin"]
        sources = sorted((ours / "src/sched").rglob("*.cpp"))
        texts = {
            "stock.h": stock,
            "ours.inc": QUIET[0] + features + renamed + "\n" + join(sources, ours, folders, moved) + "\n" + named_again
            + QUIET[1],
            "choice.inc": QUIET[0] + features + "\n" + join(found.choice, ours, folders, moved) + QUIET[1],
            "ggml-sched.h": "#pragma once\n\n" + join([ours / "include/ggml-sched.h"], ours, [], moved),
        }
    # A path of the tree goes through as the bytes that it is.
    return {name: HEAD + f"//\n{license_text}\n{text}".encode(errors="surrogateescape") for name, text in texts.items()}


def digest_of(files, tree):
    """Says which headers and sources an object was compiled from, so that no build takes an old one."""
    digest = hashlib.sha256()
    for content in (*files.values(), *(path.read_bytes() for path in headers_in(tree.sources, tree.headers()))):
        digest.update(content)
    return digest.hexdigest()[:12]


def edits_for(tree, undo):
    """What changes. A tree that is to be built holds our files before sources include them, and the other way round."""
    files = {} if undo else new_files(tree)
    digest = "" if undo else digest_of(files, tree)
    sources, added = Edits(), Edits()
    for path in tree.edited():
        clean = without_line(path, path.read_bytes())
        sources.add(path, clean if undo else with_line(path, clean, digest))
    for name in OUR_FILES:
        path = tree.folder / name
        if path.is_symlink():
            raise Failed(f"{path} is a link; remove it first")
        content = content_of(path)
        if content is None or HEAD.strip() in content[:1000]:
            added.add(path, files.get(name))
        elif undo:
            note(f"{path} was not written by ggml-sched patch, and stays")
        else:
            raise Failed(f"{path} is a file of yours; rename it")
    return sources + added if undo else added + sources


def show_edits(edits, tree):
    """Prints the difference. Of our own files it prints only their sizes."""
    for edit in edits:
        name = edit.path.relative_to(tree.sources)
        if edit.path.parent == tree.folder:
            what = "removed" if edit.after is None else "changed" if edit.before else "new"
            lines = (edit.after or edit.before or b"").count(b"\n")
            show(f"{what} file {name}: {lines:,} lines")
        else:
            show(edit.difference(str(name)))


def is_agreed():
    """Asks on the terminal. Without a terminal nobody can agree."""
    if not sys.stdin or not sys.stdin.isatty():
        return False
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    print("Change these files? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def patch(options):
    tree = Tree(options.tree, options.undo)
    edits = edits_for(tree, options.undo)
    if not edits:
        show(f"{tree.sources}: nothing to do; it {'has no' if options.undo else 'has this'} ggml-sched")
        return 0
    show_edits(edits, tree)
    if not options.yes and not is_agreed():
        note("nothing was changed; add --yes to change these files")
        return 1
    edits.make()
    done = "taken out; clean the build, then build as before" if options.undo else "added; build the tree as before"
    show(f"{tree.sources}: ggml-sched was {done}")
    return 0
