"""Joins sources of C++ to one text that compiles as they do: each of our headers stands where it is first included."""

import re

from .messages import Failed

INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def depth_of(lines):
    """How many conditions of the preprocessor are open behind these lines."""
    text = "\n".join(lines)
    return len(re.findall(r"^\s*#\s*if", text, re.M)) - len(re.findall(r"^\s*#\s*endif", text, re.M))


class OneFile:
    """The text so far. `folders` are searched for our headers; `moved` renames what is included from elsewhere."""

    def __init__(self, root, folders, moved):
        self.root, self.folders, self.moved = root, folders, moved
        self.parts, self.seen = [], set()

    def find(self, name):
        for folder in self.folders:
            path = (folder / name).resolve()
            if path.is_file():
                return path
        return None

    def add(self, path):
        """Adds a source or a header, unless it is there already."""
        if path in self.seen:
            return
        self.seen.add(path)
        lines = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            header = self.find(match[1]) if match else None
            if header and depth_of(lines):
                raise Failed(f"{path}, line {number}, includes {match[1]} under a condition, so that it cannot be joined "
                             "with other files; install the package anew")
            if header:
                self.add(header)
            elif match:
                lines.append(f'#include "{self.moved.get(match[1], match[1])}"')
            elif line.strip() != "#pragma once":
                lines.append(line)
        name = path.relative_to(self.root) if self.root in path.parents else path.name
        self.parts.append(f"// ---- {name}\n\n" + "\n".join(lines).strip() + "\n")

    def text(self):
        return "\n".join(self.parts)


def join(paths, root, folders, moved):
    """Returns the text of these sources."""
    joined = OneFile(root, folders, moved)
    for path in paths:
        joined.add(path.resolve())
    return joined.text()
